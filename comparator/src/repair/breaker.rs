//! When repairs of a map stop until somebody lets them go on: pure, from what was counted.
//!
//! It opens on the first of these that holds, each counted since it was closed last and over [`WINDOW_NS`] at most:
//!
//! 1. `recurrences_max` divergences came back after they were repaired: what writes them does so on purpose.
//! 2. Of [`TRIED_MIN`] repairs or more, more than half came to nothing: what is seen of the store is not what is there.
//! 3. The map has [`RISING_FACTOR`] times as many confirmed divergences as at its best, and [`RISING_MIN`] more: repairs may be
//!    what makes them.

/// What is older does not count, in nanoseconds: an hour.
pub(super) const WINDOW_NS: i64 = 3_600_000_000_000;
/// Fewer repairs say nothing about how many come to nothing.
const TRIED_MIN: u64 = 20;
/// So many times the fewest confirmed divergences are a rise.
const RISING_FACTOR: u64 = 2;
/// And so many more: from 1 to 3 is none.
const RISING_MIN: u64 = 10;

/// When the breaker of a map opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreakerTerms {
    /// So many divergences that came back.
    pub(crate) recurrences_max: u64,
}

/// What was counted of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    /// Repairs whose divergence came back.
    pub(super) recurred: u64,
    /// Repairs that came to their end.
    pub(super) tried: u64,
    /// Of these, those that came to nothing.
    pub(super) nothing: u64,
    /// Confirmed divergences now.
    pub(super) open: u64,
    /// The fewest of them while the map was repaired.
    pub(super) open_min: u64,
}

impl BreakerTerms {
    /// Why the breaker opens; `None` if it does not.
    pub(super) fn opens(&self, counts: &Counts) -> Option<String> {
        let Counts { recurred, tried, nothing, open, open_min } = *counts;
        if recurred >= self.recurrences_max {
            return Some(format!("{recurred} repaired divergences came back"));
        }
        if tried >= TRIED_MIN && nothing.saturating_mul(2) > tried {
            return Some(format!("of {tried} repairs {nothing} came to nothing"));
        }
        let limit = open_min.saturating_mul(RISING_FACTOR).saturating_add(RISING_MIN);
        (open >= limit).then(|| {
            format!("confirmed divergences rose from {open_min} to {open} while the map was repaired")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_for_what_came_back_for_what_came_to_nothing_and_for_a_rise() {
        let terms = BreakerTerms { recurrences_max: 3 };
        let counts = Counts::default();
        for (counts, expected) in [
            (counts, None),
            (Counts { recurred: 2, ..counts }, None),
            (Counts { recurred: 3, ..counts }, Some("3 repaired divergences came back")),
            (Counts { tried: 19, nothing: 19, ..counts }, None),
            (Counts { tried: 20, nothing: 10, ..counts }, None),
            (Counts { tried: 20, nothing: 11, ..counts }, Some("of 20 repairs 11 came to nothing")),
            (Counts { open: 9, open_min: 0, ..counts }, None),
            (Counts { open: 10, open_min: 0, ..counts }, Some("confirmed divergences rose from 0 to 10")),
            (Counts { open: 209, open_min: 100, ..counts }, None),
            (
                Counts { open: 210, open_min: 100, ..counts },
                Some("confirmed divergences rose from 100 to 210"),
            ),
        ] {
            let found = terms.opens(&counts);
            let is_told = match (&found, expected) {
                (Some(found), Some(expected)) => found.starts_with(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(is_told, "{counts:?} {found:?}");
        }
    }
}
