//! Bundles: what was sealed is verified, whatever was changed is refused, and hostile bytes neither panic nor pass.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod case;

use case::{key, predicate};
use counterfoil_evidence::{
    BUNDLE_BYTES_MAX, Hex, Instant, Number, Predicate, Refusal, ReplayError, Trust, Verified, key_id, seal,
    verify,
};
use counterfoil_judge::Time;
use counterfoil_keys::{Signer, SigningKey};
use proptest::prelude::*;

/// A bundle as the first version wrote it.
const GOLDEN: &[u8] = include_bytes!("../golden/stale.dsse.json");

fn trusted() -> Trust {
    Trust { keys: vec![key().public()], ..Trust::default() }
}

fn sealed() -> Vec<u8> {
    seal(&predicate(), &key()).unwrap()
}

/// What comes of a bundle whose facts were changed before it was signed.
fn of_changed(change: impl FnOnce(&mut Predicate)) -> Result<Verified, Refusal> {
    let mut predicate = predicate();
    change(&mut predicate);
    verify(&seal(&predicate, &key()).unwrap(), &trusted())
}

#[test]
fn what_was_sealed_is_verified_and_says_what_was_said() {
    let verified = verify(&sealed(), &trusted()).unwrap();
    assert_eq!(verified.predicate, predicate());
    assert_eq!(verified.key_id, key_id(&key().public()));
    assert_eq!(verified.predicate.verdict.in_words(), "confirmed stale by 70 writes, the read is illegal");
}

#[test]
fn the_same_facts_are_the_same_bytes_and_those_of_the_first_version_are_still_read() {
    assert_eq!(String::from_utf8(sealed()).unwrap(), String::from_utf8(GOLDEN.to_vec()).unwrap());
    assert_eq!(verify(GOLDEN, &trusted()).unwrap().predicate, predicate());
}

#[test]
fn a_bundle_holds_under_a_key_that_is_trusted_and_no_other() {
    let (own, other) = (key().public(), SigningKey::new([8; 32]).public());
    let rows = [
        (Trust::default(), false),
        (Trust { keys: vec![other], ..Trust::default() }, false),
        (Trust { keys: vec![other, own], ..Trust::default() }, true),
        (Trust { key_ids: vec![key_id(&other)], ..Trust::default() }, false),
        (Trust { key_ids: vec![key_id(&own)], ..Trust::default() }, true),
        (Trust { embedded: true, ..Trust::default() }, true),
    ];
    for (trust, holds) in rows {
        assert_eq!(verify(&sealed(), &trust).is_ok(), holds, "{trust:?}");
    }
}

#[test]
fn every_byte_that_is_changed_breaks_a_bundle() {
    let sealed = sealed();
    let trust = Trust { embedded: true, ..trusted() };
    // The ends have the envelope, the middle is the payload.
    let is_at_an_end = |at: &usize| *at < 200 || at + 400 > sealed.len();
    for at in (0..sealed.len()).filter(|at| is_at_an_end(at) || at % 7 == 0) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(verify(&changed, &trust).is_err(), "byte {at}: {}", String::from_utf8_lossy(&changed));
    }
    for at in [0, 1, sealed.len() / 2, sealed.len() - 1] {
        assert!(verify(&sealed[..at], &trust).is_err(), "cut at {at}");
    }
}

#[test]
fn every_byte_of_the_payload_that_is_changed_breaks_a_bundle() {
    let mut envelope: serde_json::Value = serde_json::from_slice(&sealed()).unwrap();
    let payload: counterfoil_evidence::Base64 = serde_json::from_value(envelope["payload"].clone()).unwrap();
    for at in (0..payload.0.len()).step_by(7) {
        let mut changed = payload.clone();
        changed.0[at] ^= 1;
        envelope["payload"] = serde_json::to_value(&changed).unwrap();
        let refused = verify(&serde_json::to_vec(&envelope).unwrap(), &trusted()).unwrap_err();
        assert!(matches!(refused, Refusal::Signature), "byte {at}: {refused}");
    }
}

#[test]
fn what_is_signed_and_not_true_is_refused_with_what_is_wrong() {
    type Change = fn(&mut Predicate);
    let rows: [(&str, Change); 14] = [
        ("finds `confirmed stale", |it| it.verdict.kind = "missing".to_owned()),
        ("finds `confirmed stale", |it| it.verdict.expected = it.read.digest),
        ("finds `in_flight`", |it| it.read.at.begin_ns = Instant(Time(5))),
        ("finds `consistent`", |it| it.read.digest = it.verdict.expected),
        ("finds `undetermined`", |it| it.history.blind_until_ns = Instant(Time(200))),
        ("its verdict is not confirmed", |it| it.verdict.confirmed = false),
        ("history.blind_for is `mood`", |it| it.history.blind_for = "mood".to_owned()),
        ("groups.digests is not in its order", |it| it.history.groups[0].digests.reverse()),
        ("read: it ends before it begins", |it| it.read.at.end_ns = Instant(Time(5))),
        ("the divergence's id is not that of", |it| it.key.0.push(b'!')),
        ("named_source is not the source", |it| it.sources[0].name = "shop/pod-2/5".to_owned()),
        ("the batch of source 3 from number 70 on", |it| it.batches[0].mac = Hex([1; 32])),
        ("neither a batch nor a reason", |it| it.batches[0].first_seq = Number(71)),
        ("written.public_key is not the key", |it| it.written.public_key = Hex([1; 32])),
    ];
    for (what, change) in rows {
        let refused = of_changed(change).unwrap_err().to_string();
        assert!(refused.contains(what), "{refused} should say {what}");
    }
    let doubled: Change = |it| it.sources.push(it.sources[0].clone());
    assert!(of_changed(doubled).unwrap_err().to_string().contains("the same number"));
    let crowded: Change = |it| it.batches = vec![it.batches[0].clone(); 66];
    assert!(of_changed(crowded).unwrap_err().to_string().contains("more batches"));
}

#[test]
fn where_the_judge_finds_otherwise_both_verdicts_are_told() {
    let refused = of_changed(|it| it.verdict.stale_versions = Some(2)).unwrap_err();
    let Refusal::Replay(ReplayError::Otherwise { found, written, .. }) = refused else { panic!("{refused}") };
    assert_eq!(found, "confirmed stale by 70 writes, the read is illegal");
    assert_eq!(written, "confirmed stale by 2 writes, the read is illegal");
}

#[test]
fn what_is_no_bundle_is_refused_whatever_it_is() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_payload = format!(r#"{{"payload":{deep},"payloadType":"x","signatures":[]}}"#);
    for bytes in [
        "",
        "{}",
        "null",
        "\u{0}",
        r#"{"payload":"","payloadType":"","signatures":[]}"#,
        &deep,
        &deep_payload,
    ] {
        assert!(verify(bytes.as_bytes(), &Trust { embedded: true, ..trusted() }).is_err());
    }
    let large = vec![b' '; BUNDLE_BYTES_MAX + 1];
    assert!(matches!(verify(&large, &trusted()).unwrap_err(), Refusal::Size));
}

#[test]
fn a_field_that_is_not_known_and_another_type_are_refused() {
    for (from, to, what) in [
        (r#""calibration":"#, r#""mood":"#, "unknown field `mood`"),
        ("counterfoil.dev/evidence/v1", "counterfoil.dev/evidence/v2", "evidence/v2"),
        ("in-toto.io/Statement/v1", "in-toto.io/Statement/v2", "Statement/v2"),
        (
            r#""subject":[{"#,
            &format!(r#""subject":[{{"name":"x","digest":{{"blake3":"{}"}}}},{{"#, "0".repeat(64)),
            "its subject is not",
        ),
    ] {
        let refused = verify(&signed_with(from, to), &trusted()).unwrap_err().to_string();
        assert!(refused.contains(what), "{refused} should say {what}");
    }
}

/// A bundle in whose statement something was replaced before it was signed, by somebody who has the key.
fn signed_with(from: &str, to: &str) -> Vec<u8> {
    let mut envelope: serde_json::Value = serde_json::from_slice(&sealed()).unwrap();
    let payload: counterfoil_evidence::Base64 = serde_json::from_value(envelope["payload"].clone()).unwrap();
    let text = String::from_utf8(payload.0).unwrap();
    assert!(text.contains(from), "{text}");
    let payload = text.replacen(from, to, 1);
    let message = format!("28 application/vnd.in-toto+json {} {payload}", payload.len());
    let sig = key().sign(counterfoil_keys::Purpose::Envelope, message.as_bytes());
    envelope["payload"] = serde_json::to_value(counterfoil_evidence::Base64(payload.into_bytes())).unwrap();
    envelope["signatures"][0]["sig"] =
        serde_json::to_value(counterfoil_evidence::Base64(sig.to_vec())).unwrap();
    serde_json::to_vec(&envelope).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn hostile_bytes_are_refused_and_nothing_panics(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..40), 1..6),
    ) {
        let mut bytes = sealed();
        for (at, byte, length) in cuts {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, [byte]);
        }
        let holds = verify(&bytes, &Trust { embedded: true, ..trusted() }).is_ok();
        prop_assert_eq!(holds, bytes == sealed());
    }

    #[test]
    fn facts_that_make_no_sense_do_not_panic_though_they_are_signed(
        times in proptest::collection::vec((any::<prop::sample::Index>(), any::<i64>(), any::<bool>()), 1..20),
        deadline in any::<i64>(),
    ) {
        let result = of_changed(|it| {
            it.contract.deadline_ns.0 = deadline;
            for (at, time, is_end) in times {
                let at = at.index(it.history.writes.len());
                if let Some(leg) = &mut it.history.writes[at].store {
                    let end = if is_end { &mut leg.end_ns } else { &mut leg.begin_ns };
                    *end = Instant(Time(time));
                }
            }
        });
        if let Ok(verified) = result {
            prop_assert_eq!(verified.predicate.replay(), Ok(()));
        }
    }
}
