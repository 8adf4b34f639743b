//! How far a true ratio may be from the one that was seen.
//!
//! The bounds of one ratio are those of the score interval (E. B. Wilson, "Probable inference, the law of succession, and
//! statistical inference", Journal of the American Statistical Association 22, 1927), which hold where few events or none
//! diverge, as others do not. Those of a difference of two are made of them (R. G. Newcombe, "Interval estimation for the
//! difference between independent proportions", Statistics in Medicine 17, 1998, method 10). Each bound is one-sided: it is
//! exceeded as often as the confidence says, whatever the other one does.

use super::Ended;

/// How certain a bound is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Confidence {
    /// How often the bound holds.
    level: f64,
    /// The quantile of the normal distribution at that level.
    z: f64,
}

impl Confidence {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self { level: 0.9, z: 1.281_551_565_544_600_8 },
        Self { level: 0.95, z: 1.644_853_626_951_471_5 },
        Self { level: 0.99, z: 2.326_347_874_040_840_8 },
        Self { level: 0.999, z: 3.090_232_306_167_813 },
    ];

    /// That of a level; `None` if there is no such one.
    #[must_use]
    pub fn of(level: f64) -> Option<Self> {
        Self::ALL.into_iter().find(|known| (known.level - level).abs() < f64::EPSILON)
    }

    /// The level.
    #[must_use]
    pub fn level(self) -> f64 {
        self.level
    }

    /// How many events it takes, of which none diverged, until the upper bound is down to `ratio`.
    #[must_use]
    pub fn samples_for(self, ratio: f64) -> f64 {
        (self.z * self.z * (1.0 - ratio) / ratio).ceil()
    }
}

impl Default for Confidence {
    fn default() -> Self {
        let [_, usual, ..] = Self::ALL;
        usual
    }
}

/// What lies between two bounds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bounds {
    /// What was seen; `None` where there was nothing to be seen.
    pub seen: Option<f64>,
    /// The truth is not less,
    pub lower: f64,
    /// and not more.
    pub upper: f64,
}

/// The share of events that diverged, of those of which it is known how they ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    bad: f64,
    samples: f64,
    z: f64,
}

impl Share {
    /// That of events that ended so.
    #[must_use]
    pub fn of(ended: Ended, confidence: Confidence) -> Self {
        Self { bad: ended.divergent as f64, samples: ended.samples() as f64, z: confidence.z }
    }

    /// Its bounds: 0 and 1 where there are no samples.
    #[must_use]
    pub fn bounds(self) -> Bounds {
        let Self { bad, samples, z } = self;
        if samples == 0.0 {
            return Bounds { seen: None, lower: 0.0, upper: 1.0 };
        }
        let (seen, spread) = (bad / samples, z * z / samples);
        let middle = seen + spread / 2.0;
        let half = z * (seen * (1.0 - seen) / samples + spread / (4.0 * samples)).sqrt();
        // What floating point leaves over at both ends is cut off.
        let bound = |at: f64| (at / (1.0 + spread)).clamp(0.0, 1.0);
        let lower = if bad == 0.0 { 0.0 } else { bound(middle - half) };
        let upper = if bad == samples { 1.0 } else { bound(middle + half) };
        Bounds { seen: Some(seen), lower, upper }
    }

    /// Bounds of how much greater it is than another one: -1 and 1 where one of them has no samples.
    #[must_use]
    pub fn beyond(self, other: Self) -> Bounds {
        let (own, others) = (self.bounds(), other.bounds());
        let (Some(seen), Some(other)) = (own.seen, others.seen) else {
            return Bounds { seen: None, lower: -1.0, upper: 1.0 };
        };
        let difference = seen - other;
        let below = (seen - own.lower).hypot(others.upper - other);
        let above = (own.upper - seen).hypot(other - others.lower);
        Bounds { seen: Some(difference), lower: difference - below, upper: difference + above }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two-sided 95 %, as the papers' tables have it.
    const TABLES: Confidence = Confidence { level: 0.975, z: 1.959_963_984_540_053_6 };

    fn share(divergent: u64, samples: u64, confidence: Confidence) -> Share {
        Share::of(Ended { divergent, confirmed: samples - divergent, ..Ended::default() }, confidence)
    }

    #[test]
    fn the_bounds_are_those_of_published_tables() {
        // Newcombe 1998, "Two-sided confidence intervals for the single proportion", method 3.
        for (bad, samples, lower, upper) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = share(bad, samples, TABLES).bounds();
            assert!(
                (found.lower - lower).abs() < 5e-5 && (found.upper - upper).abs() < 5e-5,
                "{bad}: {found:?}"
            );
        }
        // Newcombe 1998, the difference of two, table II, method 10.
        for ((one, of_one), (other, of_other), lower, upper) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((10, 10), (0, 20), 0.6791, 1.0),
        ] {
            let found = share(one, of_one, TABLES).beyond(share(other, of_other, TABLES));
            assert!(
                (found.lower - lower).abs() < 5e-5 && (found.upper - upper).abs() < 5e-5,
                "{one}: {found:?}"
            );
        }
    }

    #[test]
    fn without_samples_nothing_is_known() {
        let [none, some] = [share(0, 0, TABLES), share(1, 9, TABLES)];
        assert_eq!(none.bounds(), Bounds { seen: None, lower: 0.0, upper: 1.0 });
        assert_eq!(some.beyond(none), Bounds { seen: None, lower: -1.0, upper: 1.0 });
        assert_eq!(none.beyond(some), Bounds { seen: None, lower: -1.0, upper: 1.0 });
    }

    #[test]
    fn so_many_samples_as_are_asked_for_are_enough_and_one_less_is_not() {
        for confidence in Confidence::ALL {
            for (ratio, samples) in [(0.001, 0..200_000_u64), (0.5, 0..20)] {
                let enough = |samples: &u64| share(0, *samples, confidence).bounds().upper <= ratio;
                let first = samples.into_iter().find(enough).expect("enough");
                assert!((confidence.samples_for(ratio) - first as f64).abs() < 0.5, "{confidence:?} {first}");
            }
        }
        assert_eq!(Confidence::of(0.97), None);
    }

    proptest! {
        #[test]
        fn bounds_enclose_what_was_seen_and_close_in_with_more_samples(samples in 1_u64..100_000, part in 0.0..=1.0_f64) {
            let bad = (0..=samples).rev().find(|bad| *bad as f64 <= samples as f64 * part).unwrap_or(0);
            let bounds = |times: u64| share(bad * times, samples * times, TABLES).bounds();
            let (few, many) = (bounds(1), bounds(10));
            let seen = few.seen.expect("samples");
            prop_assert!(0.0 <= few.lower && few.lower <= seen && seen <= few.upper && few.upper <= 1.0, "{few:?}");
            prop_assert!(few.lower <= many.lower && many.upper <= few.upper, "{few:?} {many:?}");
        }

        #[test]
        fn a_difference_the_other_way_round_has_the_opposite_bounds(
            one in (0_u64..50, 50_u64..100), other in (0_u64..50, 50_u64..100)
        ) {
            let [one, other] = [one, other].map(|(bad, samples)| share(bad, samples, TABLES));
            let (there, back) = (one.beyond(other), other.beyond(one));
            prop_assert!((there.lower + back.upper).abs() < 1e-12 && (there.upper + back.lower).abs() < 1e-12);
        }
    }
}
