//! Instants and intervals in one timeline.

use std::fmt;

/// An instant in nanoseconds. Which clock it counts is the caller's business: inside the judge all instants of one
/// history are in the comparator's timeline (its `CLOCK_BOOTTIME`).
///
/// [`Time::MIN`] and [`Time::MAX`] stand for "before everything" and "not known to have ended"; arithmetic saturates,
/// so they stay what they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

impl Time {
    /// Before every instant.
    pub const MIN: Self = Self(i64::MIN);
    /// After every instant; the end of a leg that has not ended as far as anyone knows.
    pub const MAX: Self = Self(i64::MAX);

    /// This instant moved later by `nanoseconds` (earlier if negative). `MIN` and `MAX` do not move.
    #[must_use]
    pub const fn plus(self, nanoseconds: i64) -> Self {
        match self {
            Self::MIN | Self::MAX => self,
            Self(at) => Self(at.saturating_add(nanoseconds)),
        }
    }

    /// This instant moved earlier by `nanoseconds`. `MIN` and `MAX` do not move.
    #[must_use]
    pub const fn minus(self, nanoseconds: i64) -> Self {
        match self {
            Self::MIN | Self::MAX => self,
            Self(at) => Self(at.saturating_sub(nanoseconds)),
        }
    }

    /// Nanoseconds from `earlier` to this instant, negative if it is the later one. Saturates.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => f.write_str("-inf"),
            Self::MAX => f.write_str("+inf"),
            Self(at) => write!(f, "{at}ns"),
        }
    }
}

/// A closed interval of time in which something happened at one unknown instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Interval {
    /// Not earlier than this.
    pub begin: Time,
    /// Not later than this; [`Time::MAX`] if it has not ended as far as anyone knows.
    pub end: Time,
}

impl Interval {
    /// The interval from `begin` to `end`. An end before its begin is taken as `begin`: a clock that ran backwards
    /// proves nothing about order, and the wider reading is the safe one for a point.
    #[must_use]
    pub fn new(begin: Time, end: Time) -> Self {
        Self { begin: begin.min(end), end: end.max(begin) }
    }

    /// Both ends moved outwards by `error` nanoseconds, the clock error of whoever measured it. Widening can lose a
    /// detection, never invent one.
    #[must_use]
    pub const fn widened(self, error: i64) -> Self {
        Self { begin: self.begin.minus(error), end: self.end.plus(error) }
    }

    /// The shortest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { begin: self.begin.min(other.begin), end: self.end.max(other.end) }
    }

    /// Whether every instant of this interval is before every instant of `later`.
    #[must_use]
    pub fn is_before(self, later: Self) -> bool {
        self.end < later.begin
    }

    /// Whether the two share an instant.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.begin <= other.end && other.begin <= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time_are_shown_by_name() {
        assert_eq!(format!("{:?} {:?} {:?}", Time::MIN, Time(7), Time::MAX), "-inf 7ns +inf");
    }
}
