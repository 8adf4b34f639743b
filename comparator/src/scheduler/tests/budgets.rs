//! What becomes of keys where a store may be read less than is wanted, or does not answer.

use super::*;
use crate::budget::State;
use crate::table::Seen;
use counterfoil_proto::Header;

/// From one look of the scheduler to the next, in milliseconds.
const TICK: usize = 5;

/// As [`scheduler`], with so many keys a second.
pub(super) fn budgeted(trial: &Trial, keys_per_s: f64) -> Scheduler {
    let unbounded = trial.engine.contracts().readers()[0].bounds();
    Scheduler::new(trial.engine.clone(), vec![Bounds { keys_per_s, ..unbounded }])
}

/// What came of some time.
#[derive(Default)]
pub(super) struct Past {
    pub(super) ended: Vec<Outcome>,
    pub(super) turns: Vec<Turn>,
    /// The keys read, in order.
    pub(super) read: Vec<String>,
}

impl Past {
    pub(super) fn count(&self, outcome: impl Fn(&Outcome) -> bool) -> usize {
        self.ended.iter().filter(|ended| outcome(ended)).count()
    }

    pub(super) fn confirmed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Confirmed { .. }))
    }
}

/// Goes on from `from` to `to` milliseconds; each read is answered at once with what `seen` gives for its key. Every live source
/// has told all by then.
pub(super) fn pass(
    scheduler: &mut Scheduler,
    (from, to): (i64, i64),
    seen: impl Fn(&str) -> Result<Digest, Reason>,
) -> Past {
    let mut past = Past::default();
    for now in (from..to).step_by(TICK) {
        let effects = scheduler.tick(at(now));
        past.ended.extend(outcomes(&effects));
        past.turns.extend(effects.turned.iter().map(|turned| turned.turn));
        for request in scheduler.send_off(at(now)) {
            let keys: Vec<_> =
                request.probes.iter().map(|probe| String::from_utf8(probe.key.to_vec()).unwrap()).collect();
            let failed = keys.iter().any(|key| seen(key).is_err());
            let mut read = answer(request, now, if failed { Err(Reason::Store) } else { Ok(A) });
            for (observed, key) in read.observed.iter_mut().zip(&keys) {
                observed.seen = seen(key).map(|digest| Seen::new(digest, None));
            }
            past.read.extend(keys);
            scheduler.take_back(read, at(now));
        }
    }
    past
}

pub(super) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

/// A source that says bye writes `keys` of the cart from `begin` to `begin + 10`.
pub(super) fn write(trial: &Trial, instance: &str, keys: &[String], begin: i64) {
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let header = Header { bye: true, ..header(instance, 0, begin + 10) };
    trial.hear(&writes(header, "cart", &keys, begin), begin + 10);
}

fn open(trial: &Trial) -> u64 {
    trial.engine.table().census().iter().map(|census| census.open).sum()
}

#[test]
fn what_there_is_no_time_to_read_ends_undetermined_and_everything_once() {
    let trial = Trial::new();
    let mut scheduler = budgeted(&trial, 100.0);
    write(&trial, "a", &names("k", 1_000), 0);
    let past = pass(&mut scheduler, (20, 4_000), |_| Ok(A));
    let given_up = past.count(|outcome| *outcome == Outcome::Undetermined(Reason::Budget));
    assert_eq!((past.ended.len(), open(&trial)), (1_000, 0));
    assert_eq!(past.confirmed() + given_up, 1_000, "nothing else comes of it");
    assert!((190..=215).contains(&past.confirmed()), "100 a second until 1 s after the deadline: {given_up}");
    assert_eq!(past.read.len(), past.confirmed(), "what was given up is not read");
    assert!(past.turns.is_empty());
}

#[test]
fn a_store_that_can_be_read_as_fast_as_is_written_leaves_nothing_undetermined() {
    let trial = Trial::new();
    let mut scheduler = budgeted(&trial, 1_000.0);
    write(&trial, "a", &names("k", 1_000), 0);
    assert_eq!(pass(&mut scheduler, (20, 4_000), |_| Ok(A)).confirmed(), 1_000);
}

#[test]
fn while_fresh_writes_take_all_there_is_divergences_resolve_all_the_same() {
    let trial = Trial::new();
    let mut scheduler = budgeted(&trial, 100.0);
    let lost = names("lost", 20);
    write(&trial, "a", &lost, 0);
    let found = pass(&mut scheduler, (20, 3_000), |_| Ok(Digest::ABSENT));
    assert_eq!(found.turns.iter().filter(|turn| **turn == Turn::Confirmed).count(), 20);
    for second in 3..13 {
        write(&trial, &second.to_string(), &names(&format!("{second}-"), 1_000), second * 1_000);
    }
    let past = pass(&mut scheduler, (3_000, 13_000), |_| Ok(A));
    let resolved = past.turns.iter().filter(|turn| matches!(turn, Turn::Resolved(_))).count();
    assert_eq!(resolved, 20, "{:?}", past.turns);
    let of_divergences = past.read.iter().filter(|key| lost.contains(key)).count();
    assert!(of_divergences <= 110, "a tenth of what was read: {of_divergences} of {}", past.read.len());
    assert!(past.read.len() >= 950, "the budget was used: {}", past.read.len());
}

#[test]
fn of_fresh_writes_those_with_the_earliest_deadline_are_read_first_whatever_came_first() {
    let trial = Trial::new();
    let mut scheduler = budgeted(&trial, 200.0);
    write(&trial, "late", &names("late", 2_000), 300);
    write(&trial, "early", &names("early", 2_000), 0);
    let past = pass(&mut scheduler, (320, 1_200), |_| Ok(A));
    assert!(past.read.len() > 150, "{}", past.read.len());
    assert!(past.read.iter().all(|key| key.starts_with("early")), "{:?}", past.read);
}

#[test]
fn while_a_store_is_away_events_end_for_that_and_its_return_finds_what_differs() {
    let trial = Trial::new();
    let mut scheduler = budgeted(&trial, f64::INFINITY);
    write(&trial, "a", &names("k", 100), 0);
    let past = pass(&mut scheduler, (20, 5_000), |_| Err(Reason::Store));
    assert_eq!(
        past.count(|outcome| *outcome == Outcome::Undetermined(Reason::Store)),
        100,
        "{:?}",
        past.ended
    );
    assert!(past.read.len() < 110, "the first read, then one key at a time: {}", past.read.len());
    assert_eq!(scheduler.statuses(at(5_000)).next().unwrap().state, State::Down("timeout"));
    let past = pass(&mut scheduler, (5_000, 15_000), |_| Ok(Digest::ABSENT));
    let opened = past.turns.iter().filter(|turn| **turn == Turn::Opened).count();
    assert_eq!(opened, 100, "the keys are read though no event waits");
}

#[test]
fn a_comparator_that_stood_still_reads_what_waited_instead_of_giving_it_up() {
    let trial = Trial::new();
    let mut scheduler = budgeted(&trial, 200.0);
    write(&trial, "a", &names("k", 100), 0);
    let before = pass(&mut scheduler, (20, 40), |_| Ok(A));
    assert!(before.read.len() < 40, "{}", before.read.len());
    let past = pass(&mut scheduler, (60_000, 62_000), |_| Ok(A));
    assert_eq!(before.confirmed() + past.confirmed(), 100, "{:?}", past.ended);
}
