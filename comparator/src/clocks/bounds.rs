//! What one exchange proves about a clock's offset, and how that ages.
//!
//! Offset = comparator's clock − sender's clock. An upload sent at `t3` and received at `T2` shows `offset ≤ T2 − t3` at
//! its arrival. A reply sent at `T1` and received at `t0` shows `offset ≥ T1 − t0` at *its* arrival: the sender tells of
//! it later, with its next upload, so that this bound is as old as the exchange is long, and is loosened by the drift since.

use counterfoil_judge::{Interval, Time};

/// Two clocks drift apart by one nanosecond in so many at most: 200 parts per million.
const NS_PER_DRIFT_NS: i64 = 5_000;

/// Readings are cut to whole nanoseconds.
const RESOLUTION_NS: i64 = 1;

/// How to move a time of some domain into the comparator's timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    /// To be added, in nanoseconds.
    pub shift: i64,
    /// The true instant is at most this far from the translated one, in nanoseconds.
    pub error: i64,
}

impl Translation {
    /// `interval` moved into the comparator's timeline, not widened.
    #[must_use]
    pub fn interval(self, interval: Interval) -> Interval {
        Interval { begin: interval.begin.plus(self.shift), end: interval.end.plus(self.shift) }
    }

    /// The earliest instant that `time` may be in the comparator's timeline.
    #[must_use]
    pub fn earliest(self, time: Time) -> Time {
        time.plus(self.shift).minus(self.error)
    }
}

/// One exchange with a sender, in nanoseconds of whose clock is named.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Sender's clock: the upload left.
    pub sent: Time,
    /// Comparator's clock: it arrived.
    pub received: Time,
    /// The last reply that the sender had got: when it left (comparator's clock) and arrived (sender's clock).
    pub echo: Option<(Time, Time)>,
}

impl Exchange {
    /// The bounds it shows at the upload's arrival. `None` without an echo, and if its times are out of order on one of the
    /// clocks: a reply that left after the upload arrived, or arrived after the upload left, says nothing true.
    pub(super) fn bounds(self) -> Option<Bounds> {
        let (reply_sent, reply_received) = self.echo?;
        if reply_received > self.sent || reply_sent > self.received {
            return None;
        }
        let low = reply_sent.since(reply_received).saturating_sub(drift(self.received.since(reply_sent)));
        Some(Bounds { low, high: self.received.since(self.sent), at: self.received })
    }
}

/// The offset lies from `low` to `high`, at the instant `at` of the comparator's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    low: i64,
    high: i64,
    at: Time,
}

impl Bounds {
    /// What is left of them at `now`, be it later or, where threads overtake each other, a little earlier.
    pub(super) fn aged(self, now: Time) -> Self {
        if now == self.at {
            return self;
        }
        let growth = drift(now.since(self.at).saturating_abs());
        Self { low: self.low.saturating_sub(growth), high: self.high.saturating_add(growth), at: now }
    }

    /// What both allow, at the later of their instants.
    pub(super) fn intersected(self, other: Self) -> Self {
        let at = self.at.max(other.at);
        let (one, other) = (self.aged(at), other.aged(at));
        Self { low: one.low.max(other.low), high: one.high.min(other.high), at }
    }

    /// Themselves; `None` if they allow no offset.
    pub(super) fn nonempty(self) -> Option<Self> {
        (self.low <= self.high).then_some(self)
    }

    /// The middle, and how far the ends are from it.
    pub(super) fn translation(self) -> Translation {
        let shift = i64::midpoint(self.low, self.high);
        let reach = self.high.saturating_sub(shift).max(shift.saturating_sub(self.low));
        Translation { shift, error: reach.saturating_add(RESOLUTION_NS) }
    }
}

/// How far two clocks may drift apart within `elapsed_ns`, rounded up: however short the steps in which bounds age, they
/// age by no less than the clocks drift.
pub(super) fn drift(elapsed_ns: i64) -> i64 {
    elapsed_ns.max(0) / NS_PER_DRIFT_NS + 1
}
