//! Batches taken again from the journal by an engine that was started over.

use super::*;
use counterfoil_proto::wire;

const WAS_OPEN: Standing = Standing { is_open: true, is_placeable: true };
const WAS_OVER: Standing = Standing { is_open: false, is_placeable: true };

fn replay(trial: &Trial, batch: &wire::Batch, standing: Standing, place: u64, now: i64) -> Effects {
    trial.engine.replay(trial.upload(batch), standing, place, at(now)).unwrap()
}

#[test]
fn what_was_over_is_known_and_waits_for_nothing() {
    let trial = Trial::new();
    let effects = replay(&trial, &writes(header("a", 0, 0), "cart", &["k"], 0), WAS_OVER, 1, 11);
    assert_eq!((effects.accepted.len(), effects.ended.len()), (0, 0), "it was told in the last life");
    assert!(
        trial.engine.table().due(CART, Class::Fresh, at(10_000), 10, 0).is_empty(),
        "nobody waits for a look"
    );
    assert_eq!((trial.engine.accepted(CART), reports(&trial.engine)[0].accepted), (0, 1));
    trial.hear(&writes(header("a", 1, 0), "cart", &["k"], 2_000), 2_011);
    let ended = look(&trial.engine, CART, 2_030, B).ended;
    assert!(ended.is_empty(), "B is neither the old nor the new value: {ended:?}");
    let verdicts = look(&trial.engine, CART, 2_400, B).verdicts;
    assert!(matches!(verdicts[..], [(CART, Verdict::Divergent(_))]), "{verdicts:?}");
}

#[test]
fn what_was_open_is_judged_in_this_life_and_keeps_its_place_until_then() {
    let trial = Trial::new();
    replay(&trial, &writes(header("a", 0, 0), "cart", &["k"], 0), WAS_OPEN, 7, 11);
    let sources = trial.engine.sources();
    assert_eq!((trial.engine.accepted(CART), sources.open_places()), (1, vec![7]));
    let ended = look(&trial.engine, CART, 2_000, B).ended;
    assert!(matches!(ended[..], [ended] if ended.outcome == Outcome::Divergent), "{ended:?}");
    sources.ended(ended.iter().map(|ended| ended.id));
    assert!(sources.open_places().is_empty());
}

#[test]
fn after_a_reboot_what_was_open_ends_undetermined_and_the_source_goes_on() {
    let trial = Trial::new();
    let elsewhere = Standing { is_open: true, is_placeable: false };
    let effects = replay(&trial, &writes(header("a", 0, 0), "cart", &["k"], 0), elsewhere, 1, 11);
    assert!(matches!(effects.ended[..], [ended] if ended.outcome == Outcome::Undetermined(Reason::Clock)));
    trial.engine.sources().loosen(false);
    trial.hear(&heartbeat(header("a", 1, 15)), 15);
    let source = &reports(&trial.engine)[0];
    assert_eq!((source.accepted, source.undeclared, source.next_seq), (1, 0, 1));
}

#[test]
fn numbers_that_the_journal_lost_are_its_loss_and_others_are_not() {
    for (have_holes, lost, undeclared) in [(true, 3, 0), (false, 0, 3)] {
        let trial = Trial::new();
        replay(&trial, &writes(header("a", 0, 0), "cart", &["k"], 0), WAS_OPEN, 1, 11);
        trial.engine.sources().loosen(have_holes);
        trial.hear(&heartbeat(header("a", 4, 15)), 15);
        let source = &reports(&trial.engine)[0];
        let of_journal = LossReason::ALL.iter().position(|reason| *reason == LossReason::Comparator).unwrap();
        assert_eq!((source.lost[of_journal], source.undeclared), (lost, undeclared), "{have_holes}");
    }
}

#[test]
fn what_is_not_covered_any_more_is_counted_and_forgotten_by_the_journal_alone() {
    let trial = Trial::new();
    replay(&trial, &writes(header("a", 0, 0), "cart", &["k", "l"], 0), WAS_OPEN, 3, 11);
    replay(&trial, &writes(header("a", 2, 0), "cart", &["m"], 0), WAS_OPEN, 9, 12);
    let sources = trial.engine.sources();
    assert_eq!((sources.uncover(9), sources.open_places()), (2, vec![9]));
    assert_eq!(trial.engine.table().census()[0].open, 3, "they are judged all the same");
}

#[test]
fn the_prints_of_a_batch_are_those_of_its_events_and_come_again_with_it() {
    let mut batch = writes(header("a", 0, 0), "cart", &["k", "l"], 0);
    batch.field_counts = vec![1, 2];
    batch.field_prints = [[7; 8], [8; 8], [9; 8]].concat().into();
    let trial = Trial::new();
    replay(&trial, &batch, WAS_OPEN, 1, 11);
    let probes = trial.engine.table().due(CART, Class::Fresh, at(2_000), 10, 0);
    let mut told: Vec<_> =
        probes.iter().map(|it| (&it.key[..], it.against.fields.as_ref().unwrap())).collect();
    told.sort_by_key(|(key, _)| key.to_vec());
    let told: Vec<_> = told.iter().map(|(key, of)| (*key, of.id.seq, of.prints.len())).collect();
    assert_eq!(told, [(&b"k"[..], 0, 1), (&b"l"[..], 1, 2)]);
}
