//! The batches of a source are applied in the order of their chain, or not at all.

use super::*;
use crate::engine::trial::Sender;
use crate::sources::Broken;
use counterfoil_keys::{Mac, SigningKey};
use proptest::prelude::*;

/// One batch of a chain: how many events it has, and whether it promises more than the one before.
type Part = (u64, bool);

/// The batches of one sidecar process, each naming the one before it; the first one has an event. Numbers and watermarks go
/// on from `first_seq` and `watermark`.
fn chain(
    parts: &[Part],
    first_seq: u64,
    watermark: i64,
    sender: &Sender,
    trial: &Trial,
) -> Vec<wire::Upload> {
    let (mut first_seq, mut watermark, mut previous_mac) = (first_seq, watermark, Default::default());
    let mut uploads = Vec::new();
    for (events, promises) in parts {
        watermark += i64::from(*promises);
        let header = counterfoil_proto::Header { previous_mac, ..header("a", first_seq, watermark) };
        let keys: Vec<_> = (0..*events).map(|n| (first_seq + n).to_string()).collect();
        let batch = writes(header, "cart", &keys.iter().map(String::as_str).collect::<Vec<_>>(), 0);
        let upload = trial.seal(prost::Message::encode_to_vec(&batch).into(), sender);
        previous_mac = upload.mac.clone();
        first_seq += events;
        uploads.push(upload);
    }
    uploads
}

fn take(trial: &Trial, upload: &wire::Upload) -> Result<Effects, Refused> {
    trial.engine.take(upload.clone(), &Anything, at(20))
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = (0u64..3, any::<bool>());
    (1u64..3, proptest::collection::vec(part, 2..12))
        .prop_map(|(first, rest)| std::iter::once((first, true)).chain(rest).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Batches removed, swapped, or come again, in any order after the first.
    #[test]
    fn exactly_the_longest_whole_part_of_a_chain_is_applied_whatever_comes_in_which_order(
        parts in parts(),
        order in proptest::collection::vec(0usize..12, 0..40),
    ) {
        let trial = Trial::new();
        let uploads = chain(&parts, 0, 0, &Sender::default(), &trial);
        prop_assert!(take(&trial, &uploads[0]).is_ok());
        let (mut applied, mut events) = (1, parts[0].0);
        for at in order.into_iter().filter(|at| *at < uploads.len()) {
            let taken = take(&trial, &uploads[at]);
            if at == applied {
                (applied, events) = (applied + 1, events + parts[at].0);
            }
            let brings_news = parts[applied..].iter().take(at + 1 - applied.min(at + 1)).any(|it| *it != (0, false));
            match taken {
                Ok(_) => prop_assert!(at < applied || !brings_news, "batch {at} after {applied}"),
                Err(Refused::Chain(Broken::Missing)) => prop_assert!(at > applied && brings_news),
                Err(other) => prop_assert!(false, "{other}"),
            }
            let report = &reports(&trial.engine)[0];
            prop_assert_eq!((trial.engine.accepted(CART), report.accepted), (events, events));
            prop_assert_eq!((report.next_seq, report.undeclared), (events, 0));
        }
    }

    /// Streams that each begin no later than after the last batch that was acknowledged, and go on side by side.
    #[test]
    fn no_batch_is_refused_however_often_a_sidecar_connects_again_and_old_streams_go_on(
        parts in parts(),
        steps in proptest::collection::vec((any::<bool>(), 0usize..12), 1..60),
    ) {
        let trial = Trial::new();
        let uploads = chain(&parts, 0, 0, &Sender::default(), &trial);
        let (mut applied, mut streams) = (0usize, vec![0usize]);
        for (connects, which) in steps {
            if connects {
                streams.push(applied.saturating_sub(which));
            }
            let stream = if connects { streams.len() - 1 } else { which % streams.len() };
            let Some(upload) = uploads.get(streams[stream]) else { continue };
            prop_assert!(take(&trial, upload).is_ok());
            applied = applied.max(streams[stream] + 1);
            streams[stream] += 1;
        }
        let events: u64 = parts[..applied].iter().map(|(events, _)| events).sum();
        prop_assert_eq!(trial.engine.accepted(CART), events);
    }
}

#[test]
fn a_sidecar_that_was_started_over_begins_a_chain_whatever_its_first_batches_bring() {
    for silent in 0..3 {
        let trial = Trial::new();
        let sender = Sender::default();
        let first = chain(&[(2, true), (1, true)], 0, 10, &sender, &trial);
        assert!(first.iter().all(|upload| take(&trial, upload).is_ok()));
        // What it takes in again is known; the events after it are not.
        let parts: Vec<_> = std::iter::repeat_n((0, false), silent).chain([(1, true)]).collect();
        let second = chain(&parts, 3, 12, &Sender { signing: SigningKey::new([3; 32]), ..sender }, &trial);
        assert!(second.iter().all(|upload| take(&trial, upload).is_ok()), "after {silent} without news");
        assert_eq!(trial.engine.accepted(CART), 4);
        let late =
            take(&trial, &chain(&[(2, true), (1, true), (5, true)], 0, 10, &Sender::default(), &trial)[2]);
        assert!(matches!(late, Err(Refused::Chain(Broken::Missing))), "of the sidecar that is gone");
    }
}

#[test]
fn the_first_batch_that_is_heard_of_is_taken_whatever_it_names() {
    let trial = Trial::new();
    let uploads = chain(&[(1, true), (1, true), (1, true)], 0, 0, &Sender::default(), &trial);
    assert!(take(&trial, &uploads[1]).is_ok() && take(&trial, &uploads[2]).is_ok());
    assert_eq!(trial.engine.accepted(CART), 2);
}

#[test]
fn the_signer_changes_with_a_new_chain_only() {
    let trial = Trial::new();
    let other = Sender { signing: SigningKey::new([3; 32]), ..Sender::default() };
    let (mac, first) = trial.hear_from(&Sender::default(), &writes(header("a", 0, 1), "cart", &["k"], 0), 11);
    assert!(first.is_ok());
    let next = |mac: Option<Mac>| counterfoil_proto::Header {
        previous_mac: mac.map(|mac| mac.as_bytes().to_vec().into()).unwrap_or_default(),
        ..header("a", 1, 2)
    };
    let (_, within) = trial.hear_from(&other, &heartbeat(next(Some(mac))), 12);
    assert!(matches!(within, Err(Refused::Chain(Broken::Signer))));
    let (_, anew) = trial.hear_from(&other, &heartbeat(next(None)), 13);
    assert!(anew.is_ok());
}

#[test]
fn a_clock_that_jumped_makes_no_known_batch_new() {
    let trial = Trial::new();
    let uploads = chain(&[(1, true), (0, true), (0, true)], 0, 10, &Sender::default(), &trial);
    assert!(uploads.iter().all(|upload| take(&trial, upload).is_ok()));
    trial.engine.sources().forget_promises(&header("a", 0, 0).clock);
    assert!(take(&trial, &uploads[1]).is_ok(), "it comes again, and promises nothing");
    assert_eq!(reports(&trial.engine)[0].watermark, Time::MIN);
}
