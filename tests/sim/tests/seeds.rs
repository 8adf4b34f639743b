//! Seeds of everything at once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_sim::plan::Options;
use counterfoil_sim::report::Report;
use counterfoil_sim::run::run;

const SEEDS: u64 = 500;

#[test]
fn five_hundred_seeds_raise_no_false_alarm_and_miss_nothing() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let of_thread =
        |thread: u64| Report::of((0..SEEDS).filter(|seed| seed % threads == thread), &Options::default());
    let mut sum = Report::default();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        parts.into_iter().for_each(|part| sum.merge(part.join().unwrap()));
    });
    assert_eq!(sum.seeds, SEEDS);
    assert!(sum.is_good(), "{sum}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_twice() {
    for seed in [1, 2, 3, 40, 41, 42] {
        let (one, other) = (run(seed, &Options::default(), true), run(seed, &Options::default(), true));
        assert!(one.transcript.bytes().unwrap().len() > 10_000, "seed {seed} did something");
        assert!(one.transcript.bytes() == other.transcript.bytes(), "seed {seed}");
        assert_eq!(one.transcript.fingerprint(), other.transcript.fingerprint());
        assert_eq!(one.events, other.events);
    }
    let fingerprint = |seed| run(seed, &Options::default(), false).transcript.fingerprint();
    assert_ne!(fingerprint(1), fingerprint(2));
}
