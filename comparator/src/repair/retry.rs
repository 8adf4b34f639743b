//! When what could not be done yet is tried again: after 1, 2, 4 … 60 seconds, about 10 minutes long.
//!
//! In memory alone: a comparator that is started over tries at once, and as often again.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use counterfoil_judge::Time;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The first wait.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest one.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// So many times: 63 seconds until the longest wait is reached, and 9 of those.
const RETRIES_MAX: usize = 15;

/// What is to be tried again, by the repair's id.
#[derive(Default)]
pub(super) struct Retries(Mutex<HashMap<String, Retry>>);

struct Retry {
    waits: ExponentialBackoff,
    due: Time,
}

impl Retries {
    /// Whether a repair may be tried at `now`.
    pub(super) fn is_due(&self, id: &str, now: Time) -> bool {
        self.all().get(id).is_none_or(|retry| retry.due <= now)
    }

    /// A repair could not be done at `now`, and not before `at_least` has passed; whether it is to be tried again.
    pub(super) fn later(&self, id: &str, at_least: Duration, now: Time) -> bool {
        let mut all = self.all();
        let retry = all.entry(id.to_owned()).or_insert_with(|| Retry { waits: waits(), due: now });
        let Some(wait) = retry.waits.next() else { return false };
        let wait_ns = i64::try_from(wait.max(at_least).as_nanos()).unwrap_or(i64::MAX);
        retry.due = now.plus(wait_ns);
        true
    }

    /// A repair came to its end.
    pub(super) fn forget(&self, id: &str) {
        self.all().remove(id);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Retry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waits() -> ExponentialBackoff {
    let builder = ExponentialBuilder::new().with_min_delay(WAIT_MIN).with_max_delay(WAIT_MAX);
    builder.with_max_times(RETRIES_MAX).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn waits_double_up_to_a_minute_and_end_after_ten() {
        let (retries, mut now, mut waited_s) = (Retries::default(), Time(0), Vec::new());
        while retries.later("a", Duration::ZERO, now) {
            let wait_s = (1..=60).find(|s| retries.is_due("a", now.plus(s * S)));
            waited_s.extend(wait_s);
            now = now.plus(wait_s.unwrap_or(0) * S);
        }
        assert_eq!(waited_s, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60, 60, 60]);
        assert!(retries.is_due("b", now), "another one is not held up");
        retries.forget("a");
        assert!(retries.is_due("a", now) && retries.later("a", Duration::ZERO, now), "it begins anew");
    }

    #[test]
    fn whoever_asks_for_a_longer_wait_gets_it() {
        let retries = Retries::default();
        assert!(retries.later("a", Duration::from_secs(30), Time(0)));
        assert!(!retries.is_due("a", Time(30 * S - 1)) && retries.is_due("a", Time(30 * S)));
        assert!(retries.later("a", Duration::from_secs(1), Time(30 * S)));
        assert!(!retries.is_due("a", Time(32 * S - 1)), "its own wait goes on doubling");
    }
}
