//! All checkers over all scenes.

use super::scene::{SECOND, Scene};
use super::tally::Tally;
use super::timer::{Rival, Timer};
use super::{Findings, ours};
use crate::plan::MS;
use crate::watch::watch;
use crate::world::World;
use std::ops::Range;

/// Shares of the writes that go to hot keys.
pub const HOT_SHARES: [f64; 3] = [0.0, 0.5, 0.95];

/// How well the clocks of other machines can be known, in nanoseconds.
pub const CLOCK_ERRORS: [i64; 4] = [0, MS, 5 * MS, 20 * MS];

/// A rival and what it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named {
    /// What it does, in a few words.
    pub name: &'static str,
    /// How it waits.
    pub timer: Timer,
}

/// The rivals.
pub const RIVALS: [Named; 5] = [
    Named { name: "5 s, reset", timer: Timer { delay: 5 * SECOND, resets: true } },
    Named { name: "60 s, reset", timer: Timer { delay: 60 * SECOND, resets: true } },
    Named { name: "5 s, kept", timer: Timer { delay: 5 * SECOND, resets: false } },
    Named { name: "60 s, kept", timer: Timer { delay: 60 * SECOND, resets: false } },
    Named { name: "at once", timer: Timer { delay: 0, resets: false } },
];

/// Counterfoil under one clock error.
#[derive(Clone, Default, Debug)]
pub struct Ours {
    /// Measured by what it opened.
    pub opened: Tally,
    /// Measured by what it confirmed.
    pub confirmed: Tally,
    /// How well it knew the worst clock in the end, in nanoseconds.
    pub clock_error: i64,
}

/// Everyone under one hot share.
#[derive(Clone, Debug)]
pub struct Round {
    /// Share of the writes that go to hot keys.
    pub hot_share: f64,
    /// The rivals, in the order of [`RIVALS`]. Clocks are nothing to them.
    pub rivals: [Tally; RIVALS.len()],
    /// Counterfoil, in the order of [`CLOCK_ERRORS`].
    pub ours: [Ours; CLOCK_ERRORS.len()],
}

/// Everyone over everything.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The seeds; each scene is run with each of them.
    pub seeds: Range<u64>,
    /// In the order of [`HOT_SHARES`].
    pub rounds: Vec<Round>,
    /// Virtual events of all runs of Counterfoil.
    pub events: u64,
    /// Runs of Counterfoil, each as long as a scene.
    pub runs: u64,
}

impl Contest {
    /// Lets everyone watch every scene under each of `seeds`. Each run that is over is told to `progress`.
    #[must_use]
    pub fn hold(seeds: Range<u64>, mut progress: impl FnMut(u64, f64)) -> Self {
        let mut contest = Self { seeds: seeds.clone(), rounds: Vec::new(), events: 0, runs: 0 };
        for hot_share in HOT_SHARES {
            let mut round = Round { hot_share, rivals: Default::default(), ours: Default::default() };
            for seed in seeds.clone() {
                contest.play(seed, &mut round);
                progress(seed, hot_share);
            }
            contest.rounds.push(round);
        }
        contest
    }

    fn play(&mut self, seed: u64, round: &mut Round) {
        let hot_share = round.hot_share;
        for (it, tally) in RIVALS.iter().zip(&mut round.rivals) {
            let (world, findings) = watched(it.timer, &Scene { hot_share, clock_error: 0 }, seed);
            tally.add(&world, &findings);
        }
        for (clock_error, sum) in CLOCK_ERRORS.into_iter().zip(&mut round.ours) {
            let run = ours::run(Scene { hot_share, clock_error }.plan(seed));
            sum.opened.add(&run.world, &run.opened);
            sum.confirmed.add(&run.world, &run.confirmed);
            sum.clock_error = sum.clock_error.max(run.clock_error);
            self.events += run.events;
            self.runs += 1;
        }
    }

    /// A rival, over all hot shares.
    #[must_use]
    pub fn rival(&self, place: usize) -> Tally {
        sum(self.rounds.iter().filter_map(|round| round.rivals.get(place)))
    }

    /// Counterfoil over all hot shares, under the clock error at `place` of [`CLOCK_ERRORS`], by what it confirmed.
    #[must_use]
    pub fn confirmed(&self, place: usize) -> Tally {
        sum(self.rounds.iter().filter_map(|round| round.ours.get(place)).map(|ours| &ours.confirmed))
    }

    /// The same by what it opened.
    #[must_use]
    pub fn opened(&self, place: usize) -> Tally {
        sum(self.rounds.iter().filter_map(|round| round.ours.get(place)).map(|ours| &ours.opened))
    }
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
    tallies.fold(Tally::default(), |mut sum, tally| {
        sum.merge(tally);
        sum
    })
}

/// What a rival finds in a scene, and the world at its end.
fn watched(timer: Timer, scene: &Scene, seed: u64) -> (World, Findings) {
    let mut world = World::new(scene.plan(seed));
    let mut rival = Rival::new(timer);
    watch(&mut world, &mut rival);
    (world, rival.findings)
}
