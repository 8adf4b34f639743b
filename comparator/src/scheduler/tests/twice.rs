//! Keys that are read twice in a row, until their check is calibrated.

use super::budgets::{budgeted, names, write};
use super::*;

/// How many keys are to be read at `now`, and how many of them twice. Each read is answered at once.
fn sent(scheduler: &mut Scheduler, now: i64, ending: Ending) -> (usize, usize) {
    let (mut keys, mut twice) = (0, 0);
    for request in scheduler.send_off(at(now)) {
        keys += request.probes.len();
        twice += request.probes.iter().filter(|probe| probe.is_read_twice).count();
        let seen = if ending == Ending::Answered { Ok(A) } else { Err(Reason::Store) };
        scheduler.take_back(Read { ending, ..answer(request, now, seen) }, at(now));
    }
    (keys, twice)
}

/// Whose cart was written to under so many keys.
fn with(trial: Trial, keys: usize) -> Trial {
    write(&trial, "a", &names("k", keys), 0);
    trial
}

#[test]
fn until_a_check_is_calibrated_so_many_keys_are_read_twice_and_no_key_again() {
    let trial = with(Trial::calibrating(), 400);
    let mut scheduler = scheduler(&trial, 4, 100);
    assert_eq!(sent(&mut scheduler, 30, Ending::Answered), (400, 256));
    let trial = with(Trial::new(), 400);
    let mut scheduler = super::scheduler(&trial, 4, 100);
    assert_eq!(sent(&mut scheduler, 30, Ending::Answered), (400, 0), "it is calibrated");
}

#[test]
fn a_key_that_is_read_twice_counts_twice_for_the_budget() {
    let trial = with(Trial::calibrating(), 400);
    let mut scheduler = budgeted(&trial, 100.0);
    let mut all = 0;
    for now in (30..2_030).step_by(5) {
        let (keys, twice) = sent(&mut scheduler, now, Ending::Answered);
        assert!(keys - twice <= 1 && keys + twice <= 10, "{keys} keys, {twice} of them twice: ten at once");
        all += keys + twice;
    }
    assert!((190..=211).contains(&all), "a hundred a second for two seconds: {all}");
}

#[test]
fn where_there_is_room_for_one_key_it_is_read_once() {
    let trial = with(Trial::calibrating(), 10);
    let mut scheduler = budgeted(&trial, 10.0);
    assert_eq!(sent(&mut scheduler, 30, Ending::Answered), (1, 0));
}

#[test]
fn keys_of_a_read_that_told_nothing_may_be_read_twice_another_time() {
    let trial = with(Trial::calibrating(), 200);
    let mut scheduler = scheduler(&trial, 4, 100);
    for now in [30, 500, 1_000] {
        assert_eq!(sent(&mut scheduler, now, Ending::Refused), (200, 200), "at {now} ms");
        assert_eq!(scheduler.tick(at(now)).verdicts.len(), 200);
    }
}
