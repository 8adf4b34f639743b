//! What is known of other machines' clocks.
//!
//! Times on the wire are in the sender's `CLOCK_BOOTTIME`. A sender in the comparator's own clock domain needs no
//! translation. For any other domain the round trips of the stream bound its offset, as Cristian (1989) and Marzullo &
//! Owicki (1983) do: an upload sent at `t3` and received at `T2` shows `offset ≤ T2 − t3`; a reply sent at `T1` and
//! received at `t0` shows `offset ≥ T1 − t0`, where offset = comparator's clock − sender's clock. Bounds are intersected
//! and grow with age, since clocks drift. An empty intersection means that a clock jumped (a suspended machine, a new
//! boot id reused): the old bounds are dropped and a new clock epoch begins.

use counterfoil_clock::Domain;
use counterfoil_judge::{Interval, Time};
use dashmap::DashMap;

/// How fast two clocks may drift apart: 200 parts per million.
const DRIFT_PPM: i64 = 200;

/// Most domains remembered; those that were not heard of for longest make room.
const DOMAINS_MAX: usize = 10_000;

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

#[derive(Clone, Copy, Debug)]
struct Bounds {
    low: i64,
    high: i64,
    at: Time,
}

impl Bounds {
    fn aged(self, now: Time) -> Self {
        let growth = now.since(self.at).max(0) / 1_000_000 * DRIFT_PPM;
        Self {
            low: self.low.saturating_sub(growth),
            high: self.high.saturating_add(growth),
            at: now.max(self.at),
        }
    }
}

/// The offsets of all clock domains.
pub struct Clocks {
    own: Domain,
    bounds: DashMap<Domain, Bounds>,
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

impl Clocks {
    /// Knows the comparator's own domain only.
    #[must_use]
    pub fn new(own: Domain) -> Self {
        Self { own, bounds: DashMap::new() }
    }

    /// Learns from one exchange with a sender of `domain`. Gives whether a new clock epoch began.
    pub fn observe(&self, domain: &Domain, exchange: Exchange) -> bool {
        let Some((reply_sent, reply_received)) = exchange.echo else { return false };
        if *domain == self.own {
            return false;
        }
        let measured = Bounds {
            low: reply_sent.since(reply_received),
            high: exchange.received.since(exchange.sent),
            at: exchange.received,
        };
        let mut jumped = false;
        let known = self.bounds.get(domain).map(|bounds| bounds.aged(exchange.received));
        let joined = known.map_or(measured, |known| {
            let (low, high) = (known.low.max(measured.low), known.high.min(measured.high));
            jumped = low > high;
            if jumped { measured } else { Bounds { low, high, at: measured.at } }
        });
        if known.is_none() && self.bounds.len() >= DOMAINS_MAX {
            self.forget_oldest();
        }
        self.bounds.insert(domain.clone(), joined);
        jumped
    }

    /// How to translate times of `domain` at `now`; `None` while nothing bounds its offset.
    #[must_use]
    pub fn translation(&self, domain: &Domain, now: Time) -> Option<Translation> {
        if *domain == self.own {
            return Some(Translation { shift: 0, error: 0 });
        }
        let bounds = self.bounds.get(domain).map(|bounds| bounds.aged(now))?;
        let (low, high) = (bounds.low.min(bounds.high), bounds.high);
        let error = high.saturating_sub(low) / 2 + 1;
        Some(Translation { shift: low.saturating_add(error), error })
    }

    fn forget_oldest(&self) {
        let oldest = self.bounds.iter().min_by_key(|entry| entry.value().at).map(|entry| entry.key().clone());
        if let Some(domain) = oldest {
            self.bounds.remove(&domain);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn domain(name: &str) -> Domain {
        Domain { boot_id: name.into(), offset_ns: 0 }
    }

    /// A sender whose clock is `offset` behind; each way takes `delay`.
    fn exchange(offset: i64, delay: i64, at: i64) -> Exchange {
        let (reply_sent, reply_received) = (at, at + delay - offset);
        let sent = reply_received + 10;
        let received = sent + offset + delay;
        Exchange {
            sent: Time(sent),
            received: Time(received),
            echo: Some((Time(reply_sent), Time(reply_received))),
        }
    }

    #[test]
    fn the_own_domain_needs_no_translation() {
        let clocks = Clocks::new(domain("here"));
        assert_eq!(clocks.translation(&domain("here"), Time(5)), Some(Translation { shift: 0, error: 0 }));
        assert_eq!(clocks.translation(&domain("there"), Time(5)), None);
    }

    #[test]
    fn the_true_offset_is_always_within_the_error() {
        for offset in [-7_000_000_000, 0, 123_456_789_000] {
            let clocks = Clocks::new(domain("here"));
            for (at, delay) in [(1_000_000, 900_000), (2_000_000, 40_000), (9_000_000_000, 500_000)] {
                assert!(!clocks.observe(&domain("there"), exchange(offset, delay, at)));
                let found = clocks.translation(&domain("there"), Time(at)).unwrap();
                assert!((found.shift - offset).abs() <= found.error, "{offset} {found:?}");
            }
        }
    }

    #[test]
    fn bounds_grow_with_age_and_shrink_with_a_better_round_trip() {
        let clocks = Clocks::new(domain("here"));
        clocks.observe(&domain("there"), exchange(0, 1_000, 0));
        let error = |now| clocks.translation(&domain("there"), Time(now)).unwrap().error;
        let fresh = error(2_000);
        assert!(error(1_000_000_000) >= fresh + 190_000, "200 us per second");
        clocks.observe(&domain("there"), exchange(0, 1_000, 1_000_000_000));
        assert!(error(1_000_002_000) <= fresh + 2);
    }

    #[test]
    fn a_clock_that_jumped_begins_a_new_epoch() {
        let clocks = Clocks::new(domain("here"));
        clocks.observe(&domain("there"), exchange(0, 1_000, 0));
        assert!(clocks.observe(&domain("there"), exchange(3_600_000_000_000, 1_000, 1_000)));
        let found = clocks.translation(&domain("there"), Time(4_000)).unwrap();
        assert!((found.shift - 3_600_000_000_000).abs() <= found.error);
    }
}
