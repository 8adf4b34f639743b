#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::trial::{
    A, B, BASKET, CART, COPIES, SAMPLED, Sender, TWINS, Trial, at, header, heartbeat, writes, writes_of,
};
use super::*;
use crate::contract::Cohort;
use crate::table::{Change, Class, Ended, Observed, Seen, Turned};
use counterfoil_judge::{Digest, Interval, Kind, Outcome, Shed, Verdict};

mod chain;
mod replaying;
mod senders;

/// Reads what is due of `map` and judges it at once.
fn look(engine: &Engine, map: MapId, now: i64, digest: Digest) -> Effects {
    let at = Interval::new(at(now), at(now));
    let probes = engine.table().due(map, Class::Fresh, at.begin, 10, 0);
    let saw = |probe| Observed { probe, at, seen: Ok(Seen::new(digest, None)) };
    engine.table().apply(Change::Observed(probes.into_iter().map(saw).collect()), at.end)
}

fn reports(engine: &Engine) -> Vec<crate::sources::Report> {
    engine.sources().all().iter().map(|source| source.report()).collect()
}

#[test]
fn a_heartbeat_whose_first_number_jumps_is_found_at_once_and_puts_every_key_in_doubt() {
    for (next_seq, missing) in [(1, 0), (4, 3)] {
        let trial = Trial::new();
        let engine = &trial.engine;
        trial.hear(&writes(header("a", 0, 0), "cart", &["k"], 0), 11);
        trial.hear(&heartbeat(header("a", next_seq, 15)), 15);
        let source = &reports(engine)[0];
        assert_eq!((source.undeclared, source.next_seq, source.accepted), (missing, next_seq, 1));
        let seen = look(engine, CART, 30, B).verdicts;
        if missing == 0 {
            assert!(matches!(seen[..], [(CART, Verdict::Divergent(_))]), "nothing is missing: {seen:?}");
        } else {
            assert_eq!(seen, [(CART, Verdict::Undetermined(Reason::Gap))], "an unreported write may be B");
        }
    }
}

#[test]
fn the_doubt_of_a_gap_ends_with_a_write_that_began_a_deadline_after_it() {
    for (begin, doubted) in [(900, true), (1_016, false)] {
        let trial = Trial::new();
        trial.hear(&heartbeat(header("a", 0, 10)), 10);
        trial.hear(&heartbeat(header("a", 3, 15)), 15);
        trial.hear(&writes(header("a", 3, 0), "cart", &["k"], begin), begin + 11);
        let seen = look(&trial.engine, CART, begin + 30, B).verdicts;
        let is_doubted = seen == [(CART, Verdict::Undetermined(Reason::Gap))];
        assert_eq!(is_doubted, doubted, "the deadline after the gap is at 1,015 ms: {seen:?}");
    }
}

#[test]
fn accepted_events_are_told_once_by_map() {
    let trial = Trial::new();
    let batch = writes(header("a", 0, 0), "cart", &["k", "l"], 0);
    assert_eq!(trial.hear(&batch, 11).accepted, [(CART, 2)]);
    assert_eq!(trial.hear(&batch, 12).accepted, [], "it came again");
    trial.hear(&writes(header("a", 2, 0), "basket", &["k"], 0), 13);
    let unknown = trial.hear(&writes(header("a", 3, 0), "unknown", &["k"], 0), 14);
    assert_eq!(unknown.accepted, [(NO_CONTRACT, 1)]);
    assert_eq!(unknown.ended[0].outcome, Outcome::Undetermined(Reason::NoContract));
    assert_eq!([CART, BASKET, NO_CONTRACT].map(|map| trial.engine.accepted(map)), [2, 1, 1]);
}

#[test]
fn events_of_keys_outside_the_sample_end_at_once_and_the_others_are_checked() {
    let trial = Trial::new();
    let keys: Vec<_> = (0..100).map(|key| key.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let heard = trial.hear(&writes(header("a", 0, 0), "sampled", &keys, 0), 11);
    assert_eq!(heard.accepted, [(SAMPLED, 100)], "they are accepted all the same");
    let left_out = heard.ended.len();
    assert!((30..70).contains(&left_out), "{left_out} of 100 left out");
    assert!(heard.ended.iter().all(|it| it.map == SAMPLED && it.outcome == Outcome::Shed(Shed::Sampled)));
    assert!(heard.ended.iter().all(|it| it.marks.cohort.map(Cohort::index) == Some(1)));
    let census = trial.engine.table().census()[SAMPLED.index()];
    assert_eq!((census.keys, census.open), (100 - left_out, 100 - left_out as u64));
    let probed: Vec<_> = (0..10).flat_map(|_| look(&trial.engine, SAMPLED, 30, A).ended).collect();
    assert_eq!(probed.len(), 100 - left_out, "nothing else is read");
    assert!(
        probed.iter().all(|it| it.marks.cohort.map(Cohort::index) == Some(1)),
        "their cohort is known still"
    );
    let again = trial.hear(&writes(header("a", 100, 0), "sampled", &keys, 20), 31);
    assert_eq!(again.ended.len(), left_out, "the same keys: {:?}", again.ended);
}

#[test]
fn an_event_of_a_map_in_two_stores_has_an_outcome_for_each_and_is_accepted_once() {
    let trial = Trial::new();
    let engine = &trial.engine;
    let [first, second] = TWINS;
    let heard = trial.hear(&writes(header("a", 0, 0), "twin", &["k"], 0), 11);
    assert_eq!(heard.accepted, [(first, 1), (second, 1)]);
    let source = engine.sources().all().pop().unwrap();
    assert_eq!((source.report().accepted, source.open().outcomes()), (1, 2));
    let confirmed = look(engine, first, 30, A);
    assert!(
        matches!(confirmed.ended[..], [Ended { outcome: Outcome::Confirmed { .. }, .. }]),
        "{confirmed:?}"
    );
    engine.sources().ended(confirmed.ended.iter().map(|ended| ended.id));
    assert_eq!(source.open().outcomes(), 1, "the other store was not looked at yet");
    let divergent = look(engine, second, 600, Digest::ABSENT);
    assert!(
        matches!(divergent.ended[..], [Ended { map, outcome: Outcome::Divergent, .. }] if map == second),
        "{divergent:?}"
    );
    assert!(divergent.turned.iter().all(|turned| turned.map == second) && !divergent.turned.is_empty());
    engine.sources().ended(divergent.ended.iter().map(|ended| ended.id));
    assert_eq!(source.open().outcomes(), 0);
}

#[test]
fn a_store_leg_that_is_reported_is_that_of_the_first_store() {
    let trial = Trial::new();
    trial.hear(&writes(header("a", 0, 0), "twin", &["k"], 0), 11);
    let [first, second] = TWINS.map(|map| look(&trial.engine, map, 30, Digest::ABSENT).verdicts);
    assert!(matches!(first[..], [(_, Verdict::Divergent(_))]), "it was acknowledged: {first:?}");
    assert_eq!(second, [(TWINS[1], Verdict::InFlight)], "it may land until 510 ms");
}

#[test]
fn each_copy_is_judged_against_each_store() {
    let trial = Trial::new();
    trial.hear(&writes(header("a", 0, 0), "copies", &["k"], 0), 11);
    trial.hear(&writes_of(B, header("b", 0, 0), "copies", &["k"], 20), 31);
    let source = |instance: &str| {
        let sources = trial.engine.sources().all();
        sources.iter().find(|source| source.name.instance == instance).map(|source| source.id).unwrap()
    };
    let behind = |map, digest| {
        let told = look(&trial.engine, map, 1_100, digest);
        assert!(told.verdicts.iter().any(|(_, verdict)| verdict.label() == "consistent"), "{told:?}");
        let of_kind = |turned: &Turned| (turned.divergence.kind, turned.divergence.named.source);
        told.turned.first().map(of_kind).unwrap()
    };
    let [first, second] = COPIES;
    assert_eq!(behind(first, B), (Kind::MapBehind, source("a")), "it did not follow");
    assert_eq!(
        behind(second, A),
        (Kind::MapBehind, source("b")),
        "nobody told in which order they came there"
    );
}

#[test]
fn nothing_of_a_refused_upload_is_applied() {
    let trial = Trial::new();
    let good = || trial.upload(&writes(header("a", 0, 0), "cart", &["k"], 0));
    let large = trial.upload(&writes(header("a", 0, 0), "cart", &vec!["k"; 16_385], 0));
    let long = writes(header("a", 0, 0), "cart", &["k".repeat(4 << 20).as_str()], 0);
    let spoilt = wire::Upload { batch: b"other".as_slice().into(), ..good() };
    let garbage = trial.seal(b"\xff\xff".as_slice().into(), &Sender::default());
    for (upload, expected) in [
        (
            wire::Upload { key_id: "k3".into(), ..good() },
            "key_id is not accepted; the comparator's `keys` are: k1, k2",
        ),
        (wire::Upload { key_id: "k2".into(), ..good() }, "mac does not fit the batch"),
        (wire::Upload { tenant: "acme".into(), ..good() }, "mac does not fit the batch"),
        (wire::Upload { tenant: "nobody".into(), ..good() }, "tenant is not one that a map's contract names"),
        (
            wire::Upload { signature: vec![0; 64].into(), ..good() },
            "signature of the batch's mac does not hold",
        ),
        (wire::Upload { signer: vec![7; 32].into(), ..good() }, "signature of the batch's mac does not hold"),
        (
            spoilt,
            "mac does not fit the batch; both sides need the same key in keys[].file, and the same tenant",
        ),
        (garbage, "failed to decode Protobuf message"),
        (trial.upload(&wire::Batch::default()), "service is empty"),
        (large, "batch has 16385 events; limits.batch_events_max is 16384"),
        (trial.upload(&long), "limits.batch_bytes_max is 4194304"),
    ] {
        let refused = trial.engine.take(upload, &Anything, at(11)).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused} should say: {expected}");
        assert!(reports(&trial.engine).is_empty() && trial.engine.accepted(CART) == 0);
    }
}

#[test]
fn a_source_that_returns_puts_every_key_in_doubt_for_a_deadline() {
    let trial = Trial::new();
    let engine = &trial.engine;
    trial.hear(&heartbeat(header("a", 0, 0)), 0);
    engine.mind_silence(at(10_001));
    assert!(engine.sources().has_lost());
    trial.hear(&heartbeat(header("a", 0, 20_000)), 20_000);
    assert!(!engine.sources().has_lost());
    trial.hear(&writes(header("a", 0, 20_001), "cart", &["k"], 20_500), 20_520);
    assert_eq!(look(engine, CART, 20_540, B).verdicts, [(CART, Verdict::Undetermined(Reason::SourceLost))]);
}

#[test]
fn the_same_batch_on_two_streams_at_once_promises_nothing_before_it_is_applied() {
    let trial = Trial::new();
    let keys: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let batch = writes(header("a", 0, 100), "cart", &keys, 0);
    let is_promised = || reports(&trial.engine).iter().any(|source| source.watermark == at(100));
    std::thread::scope(|threads| {
        let streams = [(); 2].map(|()| threads.spawn(|| trial.hear(&batch, 11)));
        while !is_promised() {
            std::hint::spin_loop();
        }
        assert_eq!(trial.engine.table().census()[0].keys, 10_000, "in the table when it is promised");
        let accepted: Vec<_> = streams.into_iter().flat_map(|it| it.join().unwrap().accepted).collect();
        assert_eq!(accepted, [(CART, 10_000)], "applied once");
    });
}
