//! Waiting for what a test wants to see.

use std::thread::sleep;
use std::time::Duration;

/// How long a test waits before it gives up. Far above what anything takes, even on a busy machine: no test's result
/// depends on it.
pub const PATIENCE: Duration = Duration::from_secs(90);

const ASK_EVERY: Duration = Duration::from_millis(20);

/// Asks again and again until `ask` gives something.
///
/// # Panics
///
/// If it gives nothing within [`PATIENCE`]; the message names `what`.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).unwrap_or_else(|| panic!("{what}: not seen within {PATIENCE:?}"))
}

/// Asks again and again until `ask` gives something; `None` if it gives nothing within `limit`.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let limit_ns = i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX);
    let begun = counterfoil_clock::now();
    loop {
        // Asked once more after the limit, so that a machine that slept does not decide.
        let over = counterfoil_clock::now().since(begun) > limit_ns;
        if let Some(seen) = ask() {
            return Some(seen);
        }
        if over {
            return None;
        }
        sleep(ASK_EVERY);
    }
}
