//! A divergence that was confirmed, with a history that has something of everything.

use counterfoil_evidence::{
    Base64, Batch, Clock, Contract, Hex, History, Instant, Nanoseconds, Number, Predicate, Source, Trace,
    Unavailable, Unsigned, Verdict, WriteName, Written, WrittenScope, divergence_id,
};
use counterfoil_judge::{
    self as judge, Digest, Divergence, Interval, Legality, Observation, Reason, Scope, StoreLeg, Terms, Time,
    Write, WriteId,
};
use counterfoil_keys::{Purpose, Signer, SigningKey};

/// The comparator's key.
pub(crate) fn key() -> SigningKey {
    SigningKey::new([7; 32])
}

fn sidecar() -> SigningKey {
    SigningKey::new([9; 32])
}

const TERMS: Terms =
    Terms { deadline: 50, lead: 0, give_up: Some(1_000), patience: 50, expires: false, scope: Scope::Shared };

fn digest(value: u64) -> Digest {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    Digest([a, b, c, d, e, f, g, h, 1, 2, 3, 4, 5, 6, 7, 8])
}

fn write(seq: u64, value: u64, begin: i64, end: Option<i64>) -> Write {
    let interval = Interval { begin: Time(begin), end: end.map_or(Time::MAX, Time) };
    let map = Interval::new(Time(begin), Time(end.unwrap_or(begin)));
    Write {
        id: WriteId { source: 3, seq },
        digest: digest(value),
        map: Some(map),
        order: Some(seq),
        store: Some(StoreLeg { interval, acknowledged: end.is_some() }),
        version: Some(seq + (1 << 60)),
        deadline: map.end.plus(TERMS.deadline),
        pending: true,
        held: false,
    }
}

/// A value that was overwritten, read, and remembered; a merged crowd; a write that was followed; and the last one, which the
/// store does not show.
fn history() -> judge::History {
    let (mut history, mut ended) = (judge::History::watched_since(Time(-50)), Vec::new());
    history.blind_until(Time(-40), Reason::Gap);
    history.insert(write(0, 900, 0, Some(10)), &mut ended);
    let seen = Observation { at: Interval::new(Time(12), Time(13)), digest: digest(900), version: None };
    let judgement = judge::judge(&history, &seen, &TERMS);
    judge::settle(&mut history, &seen, &judgement, &TERMS, &mut ended);
    history.insert(write(1, 901, 20, Some(25)), &mut ended);
    history.prune(Time(30), None, &mut ended);
    for seq in 2..70 {
        history.insert(write(seq, seq, 40, Some(60)), &mut ended);
    }
    history.insert(write(70, 70, 100, Some(110)), &mut ended);
    history
}

/// What a comparator says of it: the store has the first value again.
pub(crate) fn predicate() -> Predicate {
    let history = history();
    let read = Observation { at: Interval::new(Time(300), Time(302)), digest: digest(900), version: None };
    let judgement = judge::judge(&history, &read, &TERMS);
    let judge::Verdict::Divergent(divergence) = judgement.verdict else { panic!("{judgement:?}") };
    let image = history.image();
    assert!(!image.groups.is_empty() && !image.dropped.is_empty() && !image.due_next.is_empty(), "{image:?}");
    assert!(image.still.is_some() && image.last_read.is_some(), "{image:?}");
    told(&image, read, (judgement.legality, divergence))
}

fn told(
    image: &judge::HistoryImage,
    read: Observation,
    (legality, divergence): (Legality, Divergence),
) -> Predicate {
    let trace =
        |id: WriteId| (id.seq == 70).then_some(Trace { trace_id: Hex([0xab; 16]), span_id: Hex([0xcd; 8]) });
    let named = WriteName::from(divergence.named);
    let unsigned = image.writes.iter().map(|write| WriteName::from(write.id)).filter(|write| *write != named);
    Predicate {
        divergence: Hex(divergence_id("cart", b"user-7", "shop/pod-1/5", None, divergence.named.seq)),
        contract: contract(),
        key: Base64(b"user-7".to_vec()),
        key_id: "k1".to_owned(),
        history: History::new(image, trace),
        read: read.into(),
        judged_at_ns: Instant(Time(310)),
        calibration: "calibrated".to_owned(),
        verdict: Verdict::new(legality, &divergence),
        judge: "0.1.0".to_owned(),
        named_source: "shop/pod-1/5".to_owned(),
        sources: vec![source()],
        sources_omitted: 0,
        batches: vec![batch(named)],
        unsigned: unsigned.map(|write| Unsigned { write, because: Unavailable::NotKept }).collect(),
        clock: Clock {
            boot_id: "00000000-0000-4000-8000-000000000000".to_owned(),
            offset_ns: Nanoseconds(0),
        },
        written: Written {
            by: "counterfoil-comparator 0.1.0".to_owned(),
            host: "judge-0".to_owned(),
            at_unix_ns: Nanoseconds(1_760_000_000_000_000_000),
            at_ns: Instant(Time(312)),
            public_key: Hex(key().public()),
        },
    }
}

fn contract() -> Contract {
    Contract {
        map: "cart".to_owned(),
        tenant: "default".to_owned(),
        store: "main".to_owned(),
        store_is_reported: true,
        form: "bytes/1".to_owned(),
        rules: "bytes/1".to_owned(),
        scope: WrittenScope::from(TERMS.scope),
        deadline_ns: Nanoseconds(TERMS.deadline),
        lead_ns: Nanoseconds(TERMS.lead),
        give_up_ns: TERMS.give_up.map(Nanoseconds),
        patience_ns: Nanoseconds(TERMS.patience),
        expires: TERMS.expires,
    }
}

fn source() -> Source {
    Source {
        number: 3,
        name: "shop/pod-1/5".to_owned(),
        service: "shop".to_owned(),
        instance: "pod-1".to_owned(),
        epoch: Number(5),
        phase: "live".to_owned(),
        clock_error_ns: Some(Nanoseconds(250_000)),
        watermark_ns: Some(Instant(Time(305))),
    }
}

fn batch(of: WriteName) -> Batch {
    let mac = Hex([0x5a; 32]);
    Batch {
        source: of.source,
        first_seq: of.seq,
        count: Number(1),
        key_id: "k1".to_owned(),
        mac,
        signer: Hex(sidecar().public()),
        signature: Hex(sidecar().sign(Purpose::Batch, &mac.0)),
    }
}
