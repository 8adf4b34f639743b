//! Whether the two sides of a check write values in the same form at all.
//!
//! Where one side writes `1.0` and the other `1`, every value differs, and each key would be a divergence of its own: a
//! value that no source reported. That is one thing to tell, about the contract, and not a million about the data. So a check
//! begins *calibrating*, and what only a difference of form need be is held back until it is known to be more.
//!
//! The decision is a sequential test (Wald 1945) of "the values agree" against "four in five do not", cut off after
//! [`DECIDED_MAX`] reads. Where four in five do not, five that agree in a row come about once in three thousand times;
//! one that does not makes it likelier by as much as two that agree make it less likely. Time proves nothing here.
//!
//! Counted are reads that ended an event because they agreed, and writes beside which an unknown value was found, each once.
//! That both sides have no value says nothing about the form of values.
//!
//! Of some writes the map's side tells how else their values may be spelled ([`samples`]). Where a read finds an unknown value
//! beside one of them, it says in which fields the two differ and under which rules they would not; that is counted over all
//! of them ([`hints`]), and shown while the check is uncalibrated.
//!
//! Where nothing agrees because the store gives another value for the same row each time, the form is not what is wrong: so some keys
//! are read twice in a row, and what differs is counted too ([`noise`]).

mod hints;
mod noise;
mod samples;

pub use hints::{FieldHint, Hints};
pub use noise::StoreNoise;

use super::{Arrival, MapId, Printed, Table};
use bytes::Bytes;
use counterfoil_digest::Hint;
use counterfoil_keys::KeyNumber;
use hints::Tally;
use noise::Noise;
use samples::Samples;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many more reads have to agree than twice those that found an unknown value.
const AGREEING_MIN: u32 = 5;

/// After so many the decision is made.
const DECIDED_MAX: u32 = 20;

/// Four of this many are nearly all.
const NEARLY_IN: u32 = 5;

/// What is known of the form of a check's values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calibration {
    /// Too few were compared.
    Calibrating,
    /// Both sides write them in the same form. It stays so.
    Calibrated,
    /// Nearly all of the store's are in a form that the map's side never reported.
    Uncalibrated,
}

impl Calibration {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Calibrating, Self::Calibrated, Self::Uncalibrated];

    /// As a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Calibrating => "calibrating",
            Self::Calibrated => "calibrated",
            Self::Uncalibrated => "uncalibrated",
        }
    }
}

impl Table {
    /// What is known of the form in which the two sides of `map` write values.
    #[must_use]
    pub fn calibration(&self, map: MapId) -> Calibration {
        self.rules.calibrations.of(map)
    }

    /// While `map` is uncalibrated, a key whose value in the store is in a form that nobody reported: who may see values
    /// can look there for what differs.
    #[must_use]
    pub fn calibration_sample(&self, map: MapId) -> Option<Bytes> {
        self.rules.calibrations.sample(map)
    }

    /// While `map` is uncalibrated, where values of the two sides differ, and the rules under which they would not.
    #[must_use]
    pub fn calibration_hints(&self, map: MapId) -> Option<Hints> {
        self.rules.calibrations.hints(map)
    }

    /// Takes it as known that both sides write values in the same form.
    #[cfg(test)]
    pub(crate) fn assume_calibrated(&self) {
        self.rules.calibrations.assume();
    }
}

/// The calibrations of all checks.
pub(super) struct Calibrations(Box<[Check]>);

/// Of one check. What is decided for good costs no lock.
#[derive(Default)]
struct Check {
    is_calibrated: AtomicBool,
    progress: Mutex<Progress>,
    noise: Mutex<Noise>,
}

/// What was counted since the last decision.
#[derive(Default)]
struct Progress {
    agreeing: u32,
    unknown: u32,
    is_uncalibrated: bool,
    /// A key whose value in the store was an unknown one.
    sample: Option<Bytes>,
    /// Writes that a read may yet explain.
    samples: Samples,
    /// What reads explained so far.
    tally: Tally,
}

impl Calibrations {
    /// All begin calibrating.
    pub(super) fn new(checks: usize) -> Self {
        Self((0..checks).map(|_| Check::default()).collect())
    }

    /// What is known of `map`.
    pub(super) fn of(&self, map: MapId) -> Calibration {
        match self.0.get(map.index()) {
            Some(check) if check.is_calibrated.load(Ordering::Relaxed) => Calibration::Calibrated,
            Some(check) if check.lock().is_uncalibrated => Calibration::Uncalibrated,
            _ => Calibration::Calibrating,
        }
    }

    /// A key whose value in the store was an unknown one, while `map` is uncalibrated.
    pub(super) fn sample(&self, map: MapId) -> Option<Bytes> {
        let progress = self.0.get(map.index())?.lock();
        progress.sample.clone().filter(|_| progress.is_uncalibrated)
    }

    /// Keeps what is told of how else the value of a write may be spelled, until its check is calibrated.
    pub(super) fn sampled(&self, arrival: &Arrival<'_>) {
        if arrival.spellings.is_empty() || !arrival.write.pending {
            return;
        }
        if let Some(check) = self.uncalibrated(arrival.map) {
            check.lock().samples.keep(arrival);
        }
    }

    /// What was told of how else the value of a write of `map` to `key` may be spelled.
    pub(super) fn spellings_of(
        &self,
        map: MapId,
        key: &[u8],
        digested_under: KeyNumber,
    ) -> Option<Arc<Printed>> {
        self.uncalibrated(map)?.lock().samples.of(key, digested_under)
    }

    /// While `map` is uncalibrated, where the values of the two sides differ.
    pub(super) fn hints(&self, map: MapId) -> Option<Hints> {
        let progress = self.0.get(map.index())?.lock();
        progress.is_uncalibrated.then(|| progress.tally.hints())
    }

    /// The check of `map`, unless it is calibrated.
    fn uncalibrated(&self, map: MapId) -> Option<&Check> {
        self.0.get(map.index()).filter(|check| !check.is_calibrated.load(Ordering::Relaxed))
    }

    /// A read of `map` agreed with a write of some value. Gives what that changed.
    pub(super) fn agreed(&self, map: MapId) -> Option<Calibration> {
        self.0.get(map.index())?.learn(|progress| progress.agreeing += 1)
    }

    /// Beside a write of `map` to `key` a read found a value that nobody reported, and that would be the write's under the
    /// rules of `hints`, if its spellings were told. Gives what that changed.
    pub(super) fn found_unknown(
        &self,
        map: MapId,
        key: &[u8],
        hints: Option<&[Hint]>,
    ) -> Option<Calibration> {
        self.0.get(map.index())?.learn(|progress| {
            progress.unknown += 1;
            progress.sample.get_or_insert_with(|| Bytes::copy_from_slice(key));
            if let Some(hints) = hints {
                progress.samples.forget(key);
                progress.tally.add(hints);
            }
        })
    }

    /// Takes it as known that all are calibrated.
    #[cfg(test)]
    pub(super) fn assume(&self) {
        self.0.iter().for_each(|check| check.is_calibrated.store(true, Ordering::Relaxed));
    }
}

impl Check {
    fn learn(&self, count: impl FnOnce(&mut Progress)) -> Option<Calibration> {
        let mut progress = self.lock();
        if self.is_calibrated.load(Ordering::Relaxed) {
            return None;
        }
        count(&mut progress);
        let decided = decide(progress.agreeing, progress.unknown)?;
        let is_uncalibrated = decided == Calibration::Uncalibrated;
        let before = std::mem::replace(&mut progress.is_uncalibrated, is_uncalibrated);
        (progress.agreeing, progress.unknown) = (0, 0);
        if !is_uncalibrated {
            self.is_calibrated.store(true, Ordering::Relaxed);
            *progress = Progress::default();
        }
        (!(before && is_uncalibrated)).then_some(decided)
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noise(&self) -> MutexGuard<'_, Noise> {
        self.noise.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The decision, once there is one.
fn decide(agreeing: u32, unknown: u32) -> Option<Calibration> {
    let all = agreeing + unknown;
    match are_nearly_all(unknown, all) {
        _ if agreeing >= AGREEING_MIN + 2 * unknown => Some(Calibration::Calibrated),
        _ if all < DECIDED_MAX => None,
        true => Some(Calibration::Uncalibrated),
        false => Some(Calibration::Calibrated),
    }
}

/// Whether four in five of `all` are so, or more.
const fn are_nearly_all(so: u32, all: u32) -> bool {
    so * NEARLY_IN >= all * (NEARLY_IN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: MapId = MapId(0);

    /// What changes, and after how many, where `+` agrees and `-` does not.
    fn changes(reads: &str) -> Vec<(usize, Calibration)> {
        let calibrations = Calibrations::new(1);
        let learn = |read| match read {
            '+' => calibrations.agreed(MAP),
            _ => calibrations.found_unknown(MAP, b"k", None),
        };
        reads.chars().zip(1..).filter_map(|(read, count)| Some((count, learn(read)?))).collect()
    }

    #[test]
    fn a_check_is_calibrated_soon_where_values_agree_and_uncalibrated_after_twenty_where_four_in_five_do_not()
    {
        use Calibration::{Calibrated, Uncalibrated};
        let minus = |count: usize| "-".repeat(count);
        for (reads, expected) in [
            ("+++++".to_owned(), vec![(5, Calibrated)]),
            ("++++".to_owned(), vec![]),
            ("-+++++++".to_owned(), vec![(8, Calibrated)]),
            ("-+++++".to_owned(), vec![]),
            (minus(19), vec![]),
            (minus(20), vec![(20, Uncalibrated)]),
            (format!("++++{}", minus(16)), vec![(20, Uncalibrated)]),
            (format!("--+++++{}", minus(13)), vec![(20, Calibrated)]),
            (minus(200), vec![(20, Uncalibrated)]),
            (minus(23) + "+++++++++++", vec![(20, Uncalibrated), (34, Calibrated)]),
            (format!("+++++{}", minus(100)), vec![(5, Calibrated)]),
        ] {
            assert_eq!(changes(&reads), expected, "{reads}");
        }
    }

    #[test]
    fn a_sample_is_shown_while_the_form_differs() {
        let calibrations = Calibrations::new(1);
        for count in 0..20 {
            assert_eq!(calibrations.sample(MAP), None, "after {count}");
            calibrations.found_unknown(MAP, format!("k{count}").as_bytes(), None);
        }
        assert_eq!(
            (calibrations.of(MAP), calibrations.sample(MAP)),
            (Calibration::Uncalibrated, Some("k0".into()))
        );
        (0..5).for_each(|_| _ = calibrations.agreed(MAP));
        assert_eq!((calibrations.of(MAP), calibrations.sample(MAP)), (Calibration::Calibrated, None));
        assert_eq!(calibrations.of(MapId(7)), Calibration::Calibrating, "there is no such check");
    }
}
