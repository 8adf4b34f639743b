//! Times on the wire: unsigned nanoseconds, the two ends of a clock cut off.

use counterfoil_judge::Time;

/// A time from the wire; times past 2⁶³ ns (292 years of uptime) are taken as that.
#[must_use]
pub fn time(nanoseconds: u64) -> Time {
    Time(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}

/// A time for the wire; times before boot are taken as the boot.
#[must_use]
pub fn nanoseconds(time: Time) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}
