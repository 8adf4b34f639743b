//! The bugs: each on a key of its own that is not written again. The application reports them as one would that knows
//! nothing of them.

use super::driver::House;
use super::store::Store;
use crate::book::{Bug, MS, Planted};
use counterfoil_clock::{now, wall_unix_ns};

/// How long before its bug a key gets its older value.
const OLDER_NS: i64 = 400 * MS;

/// The first bug comes after this.
const FIRST_NS: i64 = 200 * MS;

/// Plants bugs at an even rate.
pub(super) struct Planter {
    stranger: Store,
    life: u32,
    /// Between two bugs, in nanoseconds; none without it.
    every_ns: Option<i64>,
    /// Bugs whose older value was written.
    prepared: i64,
    planted: i64,
}

impl Planter {
    /// A planter of so many bugs per second. The stranger is somebody else who writes to the store.
    pub(super) fn new(stranger: Store, rate: f64, life: u32) -> Self {
        // A rate of at most a few hundred: the quotient fits, and what is cut off does not matter.
        #[allow(clippy::cast_possible_truncation, reason = "a float to integer cast saturates")]
        let every_ns = (rate > 0.0).then(|| (1e9 / rate) as i64);
        Self { stranger, life, every_ns, prepared: 0, planted: 0 }
    }

    /// Does what is due `elapsed_ns` after the begin; gives what was planted.
    pub(super) fn step(&mut self, house: &mut House, elapsed_ns: i64) -> Result<Vec<Planted>, String> {
        let Some(every_ns) = self.every_ns else { return Ok(Vec::new()) };
        while FIRST_NS + self.prepared * every_ns <= elapsed_ns {
            let (bug, key) = self.at(self.prepared);
            if bug.has_older_value() {
                house.write(place(self.prepared), &key, Some(b"the older value"))?;
            }
            self.prepared += 1;
        }
        let mut planted = Vec::new();
        while FIRST_NS + OLDER_NS + self.planted * every_ns <= elapsed_ns {
            planted.push(self.plant(house)?);
            self.planted += 1;
        }
        Ok(planted)
    }

    fn at(&self, number: i64) -> (Bug, String) {
        let bug = Bug::ALL.get(place(number) % Bug::ALL.len()).copied().unwrap_or(Bug::Missing);
        (bug, format!("bug:{}:{number}", self.life))
    }

    fn plant(&mut self, house: &mut House) -> Result<Planted, String> {
        let number = place(self.planted);
        let (bug, key) = self.at(self.planted);
        let value = Some(&b"the newer value"[..]);
        match bug {
            Bug::Missing | Bug::Stale => house.write_with(number, &key, value, |_| Ok(()))?,
            Bug::Resurrected => house.write_with(number, &key, None, |_| Ok(()))?,
            Bug::Foreign => house.write_with(number, &key, value, |store| {
                store.set(&key, value)?;
                // Before the call returns, so that nobody sees the right value afterwards.
                self.stranger.set(&key, Some(b"somebody else's value"))
            })?,
        }
        Ok(Planted { key, bug, at_ns: now().0, at_unix_ns: wall_unix_ns() })
    }
}

fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}
