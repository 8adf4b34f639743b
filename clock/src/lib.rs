//! The one place where a clock is read.
//!
//! Events are stamped with `CLOCK_BOOTTIME`: it goes on during suspend, nobody can set it, and all processes of a
//! machine that share a [`Domain`] read the same one. The wall clock is for display, and for certificates, which hold by it.
//! [`Throttle`] is for what must not be said too often.

mod throttle;

pub use throttle::Throttle;

use counterfoil_judge::Time;
use rustix::time::{ClockId, clock_gettime};

/// The present instant of `CLOCK_BOOTTIME`.
#[must_use]
pub fn now() -> Time {
    read(ClockId::Boottime)
}

/// The present wall-clock time in nanoseconds since 1970, for display and certificates: it never changes a verdict.
#[must_use]
pub fn wall_unix_ns() -> i64 {
    read(ClockId::Realtime).0
}

/// CPU time this process has used so far, in nanoseconds.
#[must_use]
pub fn process_cpu_ns() -> i64 {
    read(ClockId::ProcessCPUTime).0
}

fn read(clock: ClockId) -> Time {
    let at = clock_gettime(clock);
    Time(at.tv_sec.saturating_mul(1_000_000_000).saturating_add(at.tv_nsec))
}

/// Names a clock: readings of two processes may be compared exactly only if their domains are equal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Domain {
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// The boottime offset of the process's time namespace, in nanoseconds.
    pub offset_ns: i64,
}

impl Domain {
    /// The domain of this process. Where `/proc` does not tell the boot id, a domain that equals no other is given:
    /// clocks are then compared through round trips, as between machines.
    #[must_use]
    pub fn of_this_process() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .unwrap_or_else(|_| format!("unknown-{}-{}", std::process::id(), now().0));
        let offset_ns = std::fs::read_to_string("/proc/self/timens_offsets")
            .ok()
            .and_then(|offsets| boottime_offset(&offsets))
            .unwrap_or_default();
        Self { boot_id, offset_ns }
    }
}

/// The boottime line of `/proc/self/timens_offsets`: name, seconds, nanoseconds.
fn boottime_offset(offsets: &str) -> Option<i64> {
    let line = offsets.lines().find(|line| line.starts_with("boottime"))?;
    let mut numbers = line.split_whitespace().skip(1).map(str::parse::<i64>);
    let seconds = numbers.next()?.ok()?;
    let nanoseconds = numbers.next()?.ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_run_backwards() {
        let first = now();
        assert!(now() >= first);
    }

    #[test]
    fn the_domain_is_stable_within_a_process() {
        assert_eq!(Domain::of_this_process(), Domain::of_this_process());
    }

    #[test]
    fn the_boottime_offset_is_read_from_its_own_line() {
        let file = "monotonic           3         0\nboottime           -2  500000000\n";
        assert_eq!(boottime_offset(file), Some(-1_500_000_000));
        assert_eq!(boottime_offset("monotonic 0 0\n"), None);
    }
}
