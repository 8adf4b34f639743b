#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;

const BOUNDS: Bounds = Bounds {
    concurrency: 2,
    keys_per_read_max: 100,
    keys_per_s: f64::INFINITY,
    keys_per_s_min: 10.0,
    latency_target: None,
    shares: Shares { open: 0.1, idle: 0.1 },
};

const MAP: MapId = MapId(0);

/// From one look of the scheduler to the next.
const TICK: i64 = 5 * MS;

/// A store that is read, in virtual time, for as many fresh keys as its budget allows.
struct Trial {
    budget: Budget,
    now: Time,
    reads: Vec<Interval>,
    sizes: Vec<usize>,
}

impl Trial {
    fn new(bounds: Bounds) -> Self {
        Self { budget: Budget::new(bounds), now: Time(0), reads: Vec::new(), sizes: Vec::new() }
    }

    /// Goes on for `ms`; each read takes `latency` milliseconds and ends as `ending`. Gives how many keys were asked for a
    /// second, and in how many reads.
    fn run(&mut self, ms: i64, latency: i64, ending: Ending) -> (f64, usize) {
        let (begin, mut keys, mut reads) = (self.now, 0, 0);
        while self.now < begin.plus(ms * MS) {
            self.now = self.now.plus(TICK);
            self.take_back(ending);
            self.budget.tick(self.now);
            let mut room = self.budget.room(self.now);
            while room.reads > 0 && room.keys > 0 {
                let size = room.keys.min(BOUNDS.keys_per_read_max);
                self.budget.sent(&fresh(size), 0);
                self.reads.push(Interval::new(self.now, self.now.plus(latency * MS)));
                self.sizes.push(size);
                (room, keys, reads) =
                    (Room { reads: room.reads - 1, keys: room.keys - size }, keys + size, reads + 1);
            }
            self.budget.sent_all(true, self.now);
        }
        (keys as f64 * 1_000.0 / ms as f64, reads)
    }

    fn take_back(&mut self, ending: Ending) {
        while let Some(place) = self.reads.iter().position(|read| read.end <= self.now) {
            let (at, size) = (self.reads.remove(place), self.sizes.remove(place));
            self.budget.back(MAP, size, at, ending);
        }
    }

    fn state(&self) -> State {
        self.budget.status(self.now).state
    }
}

fn fresh(keys: usize) -> PerClass<usize> {
    PerClass::of(|class| if class == Class::Fresh { keys } else { 0 })
}

const DOWN: Ending = Ending::Unanswered("timeout");

#[test]
fn no_more_keys_are_read_than_the_rate_and_a_tenth_of_a_second_allow() {
    for (keys_per_s, ms) in [(500.0, 1_000), (500.0, 10_000), (12.0, 5_000), (1.0, 20_000), (60_000.0, 1_000)]
    {
        let mut trial = Trial::new(Bounds { keys_per_s, concurrency: 64, ..BOUNDS });
        let (per_s, _) = trial.run(ms, 1, Ending::Answered);
        let burst = (keys_per_s / 10.0).max(1.0);
        let (read, most) = (per_s * ms as f64 / 1_000.0, keys_per_s * ms as f64 / 1_000.0 + burst);
        assert!(read <= most + 0.01 && read > most * 0.9 - 1.0, "{keys_per_s}: {read} of {most}");
    }
}

#[test]
fn where_more_is_wanted_than_there_is_it_is_gathered_into_few_reads() {
    let mut trial = Trial::new(Bounds { keys_per_s: 500.0, ..BOUNDS });
    let (_, reads) = trial.run(1_000, 1, Ending::Answered);
    assert!(reads <= 21, "{reads} reads");
}

#[test]
fn a_store_without_a_rate_is_read_as_fast_as_its_reads_come_back() {
    let mut trial = Trial::new(BOUNDS);
    let (per_s, _) = trial.run(1_000, 5, Ending::Answered);
    assert!(per_s >= 39_000.0, "two reads of 100 keys each 5 ms: {per_s}");
    assert_eq!((trial.state(), trial.budget.status(trial.now).keys_per_s), (State::Healthy, None));
}

#[test]
fn a_store_that_slows_down_tenfold_is_read_less_within_two_seconds_and_as_before_when_it_is_fast_again() {
    for keys_per_s in [f64::INFINITY, 20_000.0] {
        let mut trial = Trial::new(Bounds { keys_per_s, ..BOUNDS });
        let (before, _) = trial.run(5_000, 10, Ending::Answered);
        trial.run(2_000, 100, Ending::Answered);
        let slow = trial.budget.status(trial.now);
        let allowed = slow.keys_per_s.expect("something holds it back");
        assert!(allowed < before / 50.0 && slow.state == State::Slow, "{keys_per_s}: {allowed} of {before}");
        let (during, _) = trial.run(20_000, 100, Ending::Answered);
        assert!(during < before / 100.0, "{during} keys/s of {before}, and it goes on");
        trial.run(5_000, 10, Ending::Answered);
        let (after, _) = trial.run(1_000, 10, Ending::Answered);
        assert!(after > before * 0.9, "{keys_per_s}: {after} of {before}");
        trial.run(10_000, 10, Ending::Answered);
        assert_eq!(trial.state(), State::Healthy, "it has been well for a while");
    }
}

#[test]
fn a_store_that_stays_slow_is_taken_for_as_slow_as_it_is_after_some_minutes() {
    let mut trial = Trial::new(BOUNDS);
    trial.run(5_000, 10, Ending::Answered);
    trial.run(300_000, 60, Ending::Answered);
    let (per_s, _) = trial.run(1_000, 60, Ending::Answered);
    assert!(per_s > 2_500.0, "{per_s} of the 3,300 that two reads at a time can have");
}

#[test]
fn one_slow_read_among_fast_ones_and_reads_as_slow_as_their_size_change_nothing() {
    let mut budget = Budget::new(BOUNDS);
    for step in 0..2_000 {
        let now = Time(step * TICK);
        budget.tick(now);
        let (keys, took) = match step % 4 {
            0 => (100, 50),
            1 => (1, if step % 40 == 1 { 100 } else { 1 }),
            _ => (10, 6),
        };
        budget.sent(&fresh(keys), 0);
        budget.back(MAP, keys, Interval::new(now.minus(took * MS), now), Ending::Answered);
        assert_eq!(budget.status(now).state, State::Healthy, "step {step}");
    }
}

#[test]
fn a_target_takes_the_place_of_what_is_learned() {
    let slow_for = |target: Option<i64>| {
        let mut trial = Trial::new(Bounds { latency_target: target.map(|ms| ms * MS), ..BOUNDS });
        trial.run(3_000, 20, Ending::Answered);
        trial.state()
    };
    assert_eq!(slow_for(None), State::Healthy);
    assert_eq!(slow_for(Some(25)), State::Healthy);
    assert_eq!(slow_for(Some(15)), State::Slow);
}

#[test]
fn a_store_that_does_not_answer_is_asked_for_one_key_at_a_time_and_less_and_less_often() {
    let mut trial = Trial::new(BOUNDS);
    trial.run(1_000, 10, Ending::Answered);
    trial.run(50, 10, DOWN);
    assert_eq!(trial.state(), State::Down("timeout"));
    let (per_s, reads) = trial.run(30_000, 10, DOWN);
    assert!(per_s * 30.0 <= reads as f64 + 0.01, "one key in each");
    assert!((8..=13).contains(&reads), "after 0.1, 0.2, 0.4 ... 5, 5 s: {reads}");
}

#[test]
fn a_store_that_answers_again_is_not_stormed() {
    let mut trial = Trial::new(BOUNDS);
    let (before, _) = trial.run(2_000, 10, Ending::Answered);
    trial.run(3_000, 10, DOWN);
    while matches!(trial.state(), State::Down(_)) {
        trial.run(5, 10, Ending::Answered);
    }
    let mut last = 0.0;
    for tenth in 0..10 {
        let allowed = trial.budget.status(trial.now).keys_per_s.unwrap();
        assert!(allowed <= 10.0 + before * f64::from(tenth + 1) / 20.0, "{allowed} in tenth {tenth}");
        assert!(allowed >= last, "it grows");
        last = allowed;
        trial.run(100, 10, Ending::Answered);
    }
    trial.run(5_000, 10, Ending::Answered);
    assert_eq!(trial.budget.status(trial.now).keys_per_s, None, "all is as it was");
}

#[test]
fn a_query_that_is_not_understood_says_nothing_about_the_store() {
    let mut trial = Trial::new(BOUNDS);
    trial.run(1_000, 10, Ending::Answered);
    trial.run(1_000, 1, Ending::Refused);
    trial.run(1_000, 10, Ending::Answered);
    assert_eq!(trial.state(), State::Healthy);
}

#[test]
fn less_urgent_classes_keep_their_share_and_no_more() {
    let mut budget = Budget::new(BOUNDS);
    let mut taken = PerClass::<usize>::default();
    for _ in 0..1_000 {
        let (open, idle) = (budget.credit(Class::Open), budget.credit(Class::Idle).min(7));
        let one = PerClass::of(|class| match class {
            Class::Fresh => 100 - open - idle,
            Class::Open => open,
            Class::Idle => idle,
        });
        budget.sent(&one, 0);
        taken = PerClass::of(|class| taken.get(class) + one.get(class));
    }
    let share = |class| *taken.get(class) as f64 / 100_000.0;
    assert!((share(Class::Open) - 0.1).abs() < 0.001, "{taken:?}");
    assert!((share(Class::Idle) - 0.07).abs() < 0.001, "it did not ask for more: {taken:?}");
}

#[test]
fn a_class_that_asked_for_nothing_for_long_does_not_crowd_out_the_others_then() {
    let mut budget = Budget::new(BOUNDS);
    (0..1_000).for_each(|_| budget.sent(&fresh(100), 0));
    assert_eq!(budget.credit(Class::Open), 10, "a tenth of one read");
    let mut slow = Budget::new(Bounds { keys_per_read_max: 1, ..BOUNDS });
    (0..1_000).for_each(|_| slow.sent(&fresh(1), 0));
    assert_eq!(slow.credit(Class::Open), 1, "but it is never left with nothing");
}

#[test]
fn a_key_is_kept_waiting_by_a_budget_that_was_short_all_the_while_and_by_a_store_that_is_away() {
    let mut budget = Budget::new(BOUNDS);
    let at = |ms: i64| Time(ms * MS);
    let pass = |budget: &mut Budget, from: i64, to: i64, short: bool| {
        for ms in (from..to).step_by(100) {
            budget.tick(at(ms));
            budget.sent_all(short, at(ms));
        }
    };
    let patience = 1_000 * MS;
    pass(&mut budget, 0, 900, true);
    assert_eq!(budget.keeps_waiting(patience, at(900)), None, "not for long enough");
    pass(&mut budget, 900, 1_100, true);
    assert_eq!(budget.keeps_waiting(patience, at(1_100)), Some(Reason::Budget));
    pass(&mut budget, 1_100, 1_200, false);
    pass(&mut budget, 1_200, 2_100, true);
    assert_eq!(budget.keeps_waiting(patience, at(2_100)), None, "there was enough in between");
    pass(&mut budget, 5_000, 5_900, true);
    assert_eq!(budget.keeps_waiting(patience, at(5_900)), None, "the comparator itself stood still");
    budget.sent(&fresh(1), 0);
    budget.back(MAP, 1, Interval::new(at(5_900), at(5_950)), DOWN);
    assert_eq!(budget.keeps_waiting(patience, at(5_950)), Some(Reason::Store));
}

#[test]
fn a_store_that_refuses_the_query_of_one_map_says_so_until_that_map_is_answered() {
    let (mut budget, other) = (Budget::new(BOUNDS), MapId(1));
    let mut state_after = |map, ending| {
        budget.sent(&fresh(1), 0);
        budget.back(map, 1, Interval::new(Time(0), Time(MS)), ending);
        budget.status(Time(MS)).state.label()
    };
    for (map, ending, expected) in [
        (MAP, Ending::Answered, "healthy"),
        (MAP, Ending::Refused, "refusing"),
        (other, Ending::Answered, "refusing"),
        (MAP, Ending::Answered, "healthy"),
    ] {
        assert_eq!(state_after(map, ending), expected, "{map:?} {ending:?}");
    }
}
