//! What is counted of a check, and of a tenant's losses, as far as the gate asks.

use std::ops::{Add, Sub};

/// How events ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ended {
    /// The store was seen to agree.
    pub confirmed: u64,
    /// The sides differed past the deadline.
    pub divergent: u64,
    /// A later write came first: nothing is known of this one, and nothing needs to be.
    pub superseded: u64,
    /// Undetermined, or shed for want of room. Events outside the contract's sample are nowhere here.
    pub unknown: u64,
}

impl Ended {
    /// Events of which it is known how they ended.
    #[must_use]
    pub fn samples(self) -> u64 {
        self.confirmed + self.divergent
    }
}

impl Add for Ended {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            confirmed: self.confirmed + other.confirmed,
            divergent: self.divergent + other.divergent,
            superseded: self.superseded + other.superseded,
            unknown: self.unknown + other.unknown,
        }
    }
}

impl Sub for Ended {
    type Output = Self;

    /// What came since. The counts are not read at one instant, so one may seem to have gone back.
    fn sub(self, earlier: Self) -> Self {
        Self {
            confirmed: self.confirmed.saturating_sub(earlier.confirmed),
            divergent: self.divergent.saturating_sub(earlier.divergent),
            superseded: self.superseded.saturating_sub(earlier.superseded),
            unknown: self.unknown.saturating_sub(earlier.unknown),
        }
    }
}

/// Events of a tenant's sources that did not come.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Lost {
    /// Declared lost.
    pub declared: u64,
    /// Missing, though nobody declared them lost.
    pub undeclared: u64,
}

impl Lost {
    /// All of them.
    #[must_use]
    pub fn all(self) -> u64 {
        self.declared + self.undeclared
    }
}

impl Sub for Lost {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            declared: self.declared.saturating_sub(earlier.declared),
            undeclared: self.undeclared.saturating_sub(earlier.undeclared),
        }
    }
}
