//! How long several of the same took.

use crate::report::Figure;
use crate::rounds::{share, sorted};
use counterfoil_clock::now;

/// How long each of them took, the shortest first, in milliseconds.
pub(super) struct Timing(Vec<f64>);

impl Timing {
    pub(super) fn of(took_ms: impl IntoIterator<Item = f64>) -> Self {
        Self(sorted(took_ms))
    }

    /// The middle one.
    pub(super) fn median(&self) -> f64 {
        share(&self.0, 0.5)
    }

    /// The longest.
    pub(super) fn worst(&self) -> f64 {
        share(&self.0, 1.0)
    }

    /// Its figures, both of which should not be larger than `target_ms`.
    pub(super) fn figures(&self, what: &str, target_ms: f64) -> [Figure; 2] {
        [("worst", self.worst()), ("median", self.median())]
            .map(|(which, ms)| Figure::most(format!("{what}: {which}"), ms, target_ms, "ms", 1))
    }

    /// The same, without a target.
    pub(super) fn plain(&self, what: &str) -> [Figure; 2] {
        [("worst", self.worst()), ("median", self.median())]
            .map(|(which, ms)| Figure::plain(format!("{what}: {which}"), ms, "ms", 1))
    }
}

/// What `run` gives, and how long it took, in milliseconds.
pub(super) fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let begun = now();
    let done = run();
    (done, now().since(begun) as f64 / 1e6)
}
