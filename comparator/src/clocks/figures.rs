//! How well other machines' clocks are known: for Prometheus in a few figures, for people domain by domain.

use super::{Clocks, Known};
use crate::metrics;
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use serde::Serialize;

/// A domain counts in the figures when it was heard of within this, in nanoseconds: one whose processes are gone would
/// hold the worst error up for ever.
const RECENT_NS: i64 = 300_000_000_000;

/// How well the clocks of the domains heard of lately are known; the comparator's own needs no bounds and is not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Figures {
    /// Domains with bounds.
    pub(crate) bounded: usize,
    /// Domains without.
    pub(crate) unbounded: usize,
    /// Half of the bounded ones have at most this error, in nanoseconds; `None` if there are none.
    pub(crate) error_median: Option<i64>,
    /// All of them have at most this error, in nanoseconds; `None` if there are none.
    pub(crate) error_worst: Option<i64>,
}

/// One domain in the API.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct ClockRow {
    /// The kernel's id of the boot.
    pub(crate) boot_id: String,
    /// The boottime offset of the time namespace, in nanoseconds.
    pub(crate) offset_ns: i64,
    /// To be added to its times; `null` while it is unbounded.
    pub(crate) shift_ns: Option<i64>,
    /// Bound of the error of that; `null` while it is unbounded.
    pub(crate) error_ns: Option<i64>,
    /// Since it was last heard of, in milliseconds.
    pub(crate) age_ms: f64,
    /// Clock epochs, the present one included: one more than the jumps that were noticed.
    pub(crate) epochs: u64,
}

impl Clocks {
    /// The comparator's own domain.
    pub(crate) fn own(&self) -> &Domain {
        &self.own
    }

    /// The figures at `now`.
    #[must_use]
    pub(crate) fn figures(&self, now: Time) -> Figures {
        let recent = self.known.iter().filter(|entry| now.since(entry.value().heard) <= RECENT_NS);
        let errors = recent.map(|entry| entry.value().error(now));
        let (bounded, unbounded): (Vec<_>, Vec<_>) = errors.partition(Option::is_some);
        let mut errors: Vec<i64> = bounded.into_iter().flatten().collect();
        errors.sort_unstable();
        Figures {
            bounded: errors.len(),
            unbounded: unbounded.len(),
            error_median: errors.get(errors.len().saturating_sub(1) / 2).copied(),
            error_worst: errors.last().copied(),
        }
    }

    /// Brings the gauges up to date at `now`. An error that nothing is known of is not a number, rather than 0.
    pub(crate) fn set_gauges(&self, now: Time) {
        let figures = self.figures(now);
        for (quantile, error) in [("0.5", figures.error_median), ("1", figures.error_worst)] {
            let seconds = error.map_or(f64::NAN, |error| error as f64 / 1e9);
            metrics::CLOCK_ERROR.gauge(&[("quantile", quantile)]).set(seconds);
        }
        for (state, domains) in [("bounded", figures.bounded), ("unbounded", figures.unbounded)] {
            metrics::CLOCK_DOMAINS.gauge(&[("state", state)]).set(domains as f64);
        }
    }

    /// At most `rows_max` domains at `now`, by boot id and offset, from behind `after` (a boot id and an offset) on; and
    /// whether more follow.
    #[must_use]
    pub(crate) fn rows(
        &self,
        now: Time,
        after: Option<(&str, i64)>,
        rows_max: usize,
    ) -> (Vec<ClockRow>, bool) {
        let follows =
            |domain: &Domain| after.is_none_or(|after| (&*domain.boot_id, domain.offset_ns) > after);
        let entries = self.known.iter().filter(|entry| follows(entry.key()));
        let mut rows: Vec<_> = entries.map(|entry| row(entry.key(), *entry.value(), now)).collect();
        rows.sort_unstable_by(|one, other| {
            (&one.boot_id, one.offset_ns).cmp(&(&other.boot_id, other.offset_ns))
        });
        let more = rows.len() > rows_max;
        rows.truncate(rows_max);
        (rows, more)
    }
}

impl Known {
    fn error(&self, now: Time) -> Option<i64> {
        self.bounds.map(|bounds| bounds.aged(now).translation().error)
    }
}

fn row(domain: &Domain, known: Known, now: Time) -> ClockRow {
    let translation = known.bounds.map(|bounds| bounds.aged(now).translation());
    ClockRow {
        boot_id: domain.boot_id.clone(),
        offset_ns: domain.offset_ns,
        shift_ns: translation.map(|it| it.shift),
        error_ns: translation.map(|it| it.error),
        age_ms: now.since(known.heard) as f64 / 1e6,
        epochs: known.epochs,
    }
}
