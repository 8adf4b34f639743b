//! What happens when a store does not answer: it is left alone, each time twice as long, then asked for one key.

use super::MS;
use counterfoil_judge::Time;

/// The first pause, and the longest one, in nanoseconds.
const FIRST: i64 = 100 * MS;
const LONGEST: i64 = 5_000 * MS;

/// Whether a store answers.
#[derive(Default)]
pub(super) struct Pause(Option<Down>);

/// A store that does not.
struct Down {
    /// Why, as a metric label.
    reason: &'static str,
    lasts: i64,
    until: Time,
    /// A read that shall show whether it answers again is under way.
    is_asked: bool,
}

impl Pause {
    /// Why it does not answer.
    pub(super) fn reason(&self) -> Option<&'static str> {
        self.0.as_ref().map(|down| down.reason)
    }

    /// It may be asked for one key, to see whether it answers again.
    pub(super) fn is_to_be_asked(&self, now: Time) -> bool {
        self.0.as_ref().is_some_and(|down| now >= down.until && !down.is_asked)
    }

    /// A read is sent off.
    pub(super) fn sent(&mut self) {
        if let Some(down) = &mut self.0 {
            down.is_asked = true;
        }
    }

    /// A read that began at `begin` was answered. One from before the pause shows nothing.
    pub(super) fn answered(&mut self, begin: Time) {
        self.0.take_if(|down| begin >= down.until);
    }

    /// A read that began at `begin` was not answered.
    pub(super) fn failed(&mut self, begin: Time, reason: &'static str, now: Time) {
        let lasts = match &self.0 {
            None => FIRST,
            Some(down) if begin >= down.until => (down.lasts * 2).min(LONGEST),
            Some(_) => return,
        };
        self.0 = Some(Down { reason, lasts, until: now.plus(lasts), is_asked: false });
    }
}
