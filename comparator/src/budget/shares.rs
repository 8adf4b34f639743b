//! Who gets what where a store may be read less than is wanted.

use super::bucket::whole;
use crate::table::{Class, PerClass};

/// What is left to the less urgent classes however much is urgent, as parts of the keys read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shares {
    /// Of keys with an open divergence.
    pub open: f64,
    /// Of keys for which neither an event nor a divergence waits.
    pub idle: f64,
}

impl Shares {
    fn of(&self, class: Class) -> f64 {
        match class {
            Class::Fresh => 0.0,
            Class::Open => self.open,
            Class::Idle => self.idle,
        }
    }
}

/// What each class has left of its share.
pub(super) struct Credit {
    shares: Shares,
    keys: PerClass<f64>,
    /// Most keys that a class with all shares could have left.
    most: f64,
}

impl Credit {
    /// A class that asks for little of its share keeps as much of it as one read of `keys_per_read_max` has.
    pub(super) fn new(shares: Shares, keys_per_read_max: usize) -> Self {
        Self { shares, keys: PerClass::default(), most: keys_per_read_max as f64 }
    }

    /// How many keys of the class may go before all that is more urgent.
    pub(super) fn of(&self, class: Class) -> usize {
        whole(*self.keys.get(class))
    }

    /// Keys of these classes are read.
    pub(super) fn taken(&mut self, taken: &PerClass<usize>) {
        let sum: usize = taken.iter().sum();
        for class in Class::ALL {
            let share = self.shares.of(class);
            let left = self.keys.get_mut(class);
            let most = if share > 0.0 { (share * self.most).max(1.0) } else { 0.0 };
            *left = (*left + share * sum as f64 - *taken.get(class) as f64).clamp(0.0, most);
        }
    }
}
