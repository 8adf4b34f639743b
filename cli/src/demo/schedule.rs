//! Which bug is planted when: decided before the run, from the seed alone.
//!
//! Every bug has a key of its own that nothing else writes to, so that it lasts. Some keys hold an older value, written
//! correctly and reported a while before. Hot keys are frozen: a few of them, each once at most.

use super::hot::HOT_KEYS;
use crate::plant::Plant;
use crate::random::stream;
use rand::Rng;
use rand::seq::SliceRandom;
use std::time::Duration;

/// Nothing is planted before this: the services are still getting to know each other.
const FIRST_AFTER: Duration = Duration::from_millis(1_200);

/// How long before its bug a key gets its older value.
pub(super) const OLDER_BY: Duration = Duration::from_secs(1);

/// Where a run is too short for bugs to become due within it, they are planted in this part of it.
const SHORT_RUN_SHARE: u32 = 2;

const STREAM: u64 = 1_000;

/// A freeze for so much of the run,
const FREEZE_EVERY: Duration = Duration::from_secs(4);
/// but so many at most: the other hot keys stay right all the time.
const FREEZES_MAX: u32 = 8;
/// How long a key that was frozen is written afterwards, where the run is long enough.
const AFTER_FREEZE: Duration = Duration::from_secs(1);

const FREEZE_STREAM: u64 = 1_001;

/// A bug to plant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Planned {
    /// Which.
    pub(super) plant: Plant,
    /// When, counted from the start of the run.
    pub(super) at: Duration,
    /// Whether its key holds an older value by then.
    pub(super) has_older_value: bool,
}

/// A hot key to freeze.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Freeze {
    /// Its number among the hot keys.
    pub(super) key: usize,
    /// When, counted from the start of the run.
    pub(super) at: Duration,
}

/// The bugs of a run of length `run` at `rate` bugs per second, spread evenly, as many of each kind as can be. The last one
/// is planted `due_within` before the end, so that it becomes due within the run where the run is long enough.
pub(super) fn schedule(run: Duration, due_within: Duration, rate: f64, seed: u64) -> Vec<Planned> {
    let shortest = FIRST_AFTER.max(run / SHORT_RUN_SHARE);
    let last = run.saturating_sub(due_within).max(shortest);
    let window = last.saturating_sub(FIRST_AFTER).as_secs_f64();
    let mut rng = stream(seed, STREAM);
    let slots = (0u32..).map(|slot| f64::from(slot) / rate).take_while(|offset| *offset < window);
    let offsets = slots.collect::<Vec<_>>();
    let mut bugs = bugs(offsets.len());
    bugs.shuffle(&mut rng);
    let planned = bugs.into_iter().zip(offsets).map(|((plant, has_older_value), offset)| {
        let jitter = rng.random_range(0.0..1.0 / rate);
        let at = FIRST_AFTER + Duration::from_secs_f64((offset + jitter).min(window));
        Planned { plant, at, has_older_value }
    });
    planned.collect()
}

/// The freezes of a run of length `run`, each on a key of its own and `lasting` so long; spread evenly. Each is over before
/// the end, where the run is long enough.
pub(super) fn freezes(run: Duration, lasting: Duration, seed: u64) -> Vec<Freeze> {
    let window = run.saturating_sub(FIRST_AFTER + lasting + AFTER_FREEZE);
    let wanted = u32::try_from(run.as_secs() / FREEZE_EVERY.as_secs()).unwrap_or(FREEZES_MAX);
    let count = wanted.clamp(1, FREEZES_MAX);
    let mut rng = stream(seed, FREEZE_STREAM);
    let mut keys = (0..HOT_KEYS).collect::<Vec<_>>();
    keys.shuffle(&mut rng);
    let planned = keys.into_iter().zip(0..count).map(|(key, slot)| {
        let share = (f64::from(slot) + rng.random_range(0.0..1.0)) / f64::from(count);
        Freeze { key, at: FIRST_AFTER + window.mul_f64(share) }
    });
    planned.collect()
}

/// `count` bugs in turn; each kind with and without an older value, as far as it has the choice.
fn bugs(count: usize) -> Vec<(Plant, bool)> {
    let rounds = [false, true].into_iter().cycle();
    let bugs = rounds.flat_map(|older| {
        Plant::OF_ONE_WRITE.map(|plant| match plant {
            Plant::RemoveLost => (plant, true),
            Plant::Reordered => (plant, false),
            _ => (plant, older),
        })
    });
    bugs.take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const DUE: Duration = Duration::from_secs(4);

    fn planned(seconds: u64, rate: f64, seed: u64) -> Vec<Planned> {
        schedule(Duration::from_secs(seconds), DUE, rate, seed)
    }

    #[test]
    fn twenty_seconds_at_the_usual_rate_plant_each_kind_more_than_twenty_five_times() {
        let planned = planned(20, super::super::PLANT_RATE, 1);
        for plant in Plant::OF_ONE_WRITE {
            let count = planned.iter().filter(|planned| planned.plant == plant).count();
            assert!(count >= 25, "{plant}: {count}");
        }
        let older = |plant| planned.iter().filter(move |p| p.plant == plant && p.has_older_value).count();
        assert!(older(Plant::Dropped) >= 10, "half of the dropped ones have an older value");
        assert!(planned.iter().all(|p| p.at >= FIRST_AFTER && p.at <= Duration::from_secs(16)));
    }

    #[test]
    fn bugs_are_spread_over_the_run_and_repeat_with_the_seed() {
        let twice = [planned(10, 12.0, 3), planned(10, 12.0, 3)];
        assert_eq!(twice[0], twice[1]);
        assert_ne!(twice[0], planned(10, 12.0, 4));
        let early = twice[0].iter().filter(|planned| planned.at < Duration::from_millis(3_600)).count();
        assert!((20..40).contains(&early), "{early} of {}", twice[0].len());
    }

    #[test]
    fn freezes_come_one_to_a_key_spread_over_the_run_and_are_over_before_its_end() {
        let lasting = Duration::from_secs(7);
        for seed in 0..100 {
            let freezes = freezes(Duration::from_secs(20), lasting, seed);
            assert!(freezes.len() >= 4, "{freezes:?}");
            assert!(freezes.iter().all(|freeze| freeze.key < HOT_KEYS));
            let keys = freezes.iter().map(|freeze| freeze.key).collect::<HashSet<_>>();
            assert_eq!(keys.len(), freezes.len(), "one freeze per key: {freezes:?}");
            let at = freezes.iter().map(|freeze| freeze.at).collect::<Vec<_>>();
            assert!(at.is_sorted() && at.iter().all(|at| *at >= FIRST_AFTER), "{at:?}");
            assert!(at.iter().all(|at| *at + lasting + AFTER_FREEZE <= Duration::from_secs(20)), "{at:?}");
            let early = at.iter().filter(|at| **at < Duration::from_millis(6_600)).count();
            assert!((2..=3).contains(&early), "half of them in the first half: {at:?}");
        }
    }

    #[test]
    fn freezes_repeat_with_the_seed_and_leave_half_of_the_hot_keys_alone_however_long_the_run() {
        let of = |seconds, seed| freezes(Duration::from_secs(seconds), Duration::from_secs(7), seed);
        assert_eq!(of(20, 3), of(20, 3));
        assert_ne!(of(20, 3), of(20, 4));
        assert_eq!(of(3_600, 1).len(), HOT_KEYS / 2);
        assert_eq!(of(2, 1).iter().map(|freeze| freeze.at).collect::<Vec<_>>(), [FIRST_AFTER]);
    }

    #[test]
    fn a_short_run_still_plants_and_a_rate_of_zero_plants_nothing() {
        assert!(planned(4, 12.0, 1).len() >= 6);
        assert_eq!(planned(20, 0.0, 1), []);
    }
}
