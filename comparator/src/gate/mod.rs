//! The gate: whether what was seen of a check within a window of time allows traffic to be moved over. Pure: facts and the time
//! are handed in.
//!
//! # Design
//!
//! - [`past`] remembers what the tallies had counted at instants of the last 24 hours. A window is the difference of two such
//!   counts, so an event costs nothing here; [`watch`] has one for each check and cohort.
//! - What somebody ignores does not count: [`ignored`] knows which divergences these are.
//! - [`bounds`] says how far the true ratio may be from the one that was seen.
//! - [`decision`] makes an answer of the facts, with every one of the [`reasons`] against a pass.
//!
//! # Invariants
//!
//! - In doubt there is no pass: it takes every condition of [`Terms`], and a fail takes certainty.
//! - Worse facts never make a better answer.

mod bounds;
mod counts;
mod decision;
mod ignored;
mod past;
mod reasons;
mod watch;

pub use bounds::{Bounds, Confidence, Share};
pub use counts::{Ended, Lost};
pub use decision::{Decision, Facts, Ruling, decide};
pub(crate) use ignored::{IgnoredOne, IgnoredOnes};
pub use reasons::Reason;
pub(crate) use watch::Watch;

use counterfoil_judge::Time;

/// From one note of the counts to the next, in nanoseconds: as often as the gauges are set.
const FINE_EVERY: i64 = 5 * S;

/// How far back such notes go.
const FINE_SPAN: i64 = 3_600 * S;

/// The same further back.
const COARSE_EVERY: i64 = 300 * S;

const COARSE_SPAN: i64 = WINDOW_MAX;

/// Nanoseconds in a second.
const S: i64 = 1_000_000_000;

/// The shortest window, in nanoseconds: within a shorter one the counts are noted too seldom.
pub const WINDOW_MIN: i64 = 10 * S;

/// The longest window, in nanoseconds.
pub const WINDOW_MAX: i64 = 86_400 * S;

const _: () = assert!(WINDOW_MIN >= 2 * FINE_EVERY && FINE_SPAN >= 2 * COARSE_EVERY);

/// What a contract demands of a pass.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Terms {
    /// Most of the events of which it is known how they ended that may diverge, above 0 and below 1.
    pub bad_ratio_max: f64,
    /// How certain that must be.
    pub confidence: Confidence,
    /// Fewest events confirmed or divergent.
    pub samples_min: u64,
    /// The smallest share of the events of which it must be known how they ended, from 0 to 1.
    pub coverage_min: f64,
    /// How old the instant may be until which every event has an outcome, in nanoseconds.
    pub lag_max: i64,
    /// Most confirmed divergences that may be open.
    pub open_divergences_max: u64,
}

/// The instant up to which every event has an outcome: sources have told of everything begun before `horizon`, and of what
/// they told the oldest that waits was begun at `oldest_open`. `None` while a source has promised nothing that can be placed.
#[must_use]
pub fn verified_through(horizon: Time, oldest_open: Option<Time>, now: Time) -> Option<Time> {
    let through = horizon.min(oldest_open.unwrap_or(Time::MAX)).min(now);
    (through > Time::MIN).then_some(through)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_verified_up_to_the_oldest_event_that_waits_or_the_oldest_promise() {
        let now = Time(100);
        for (horizon, oldest_open, through) in [
            (Time(80), None, Some(Time(80))),
            (Time(80), Some(Time(70)), Some(Time(70))),
            (Time(80), Some(Time(90)), Some(Time(80))),
            (Time(120), None, Some(now)),
            (Time::MAX, None, Some(now)),
            (Time::MIN, None, None),
            (Time::MIN, Some(Time(70)), None),
        ] {
            assert_eq!(verified_through(horizon, oldest_open, now), through, "{horizon:?} {oldest_open:?}");
        }
    }
}
