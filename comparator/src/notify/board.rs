//! How each receiver is doing, for whoever asks.

use super::Receiver;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// How all receivers are doing.
#[derive(Debug)]
pub(crate) struct Board(Vec<Arc<Entry>>);

/// How one receiver is doing.
#[derive(Debug)]
pub(crate) struct Entry {
    /// His name.
    pub(crate) name: Arc<str>,
    /// What he understands.
    pub(crate) kind: &'static str,
    standing: Mutex<Standing>,
}

/// What came of the last attempts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Standing {
    /// How often the present message was sent without success.
    pub(crate) attempts: u32,
    /// Why the last attempt that had no success had none: `timeout`, `connect`, `broken`, `client`, or a status.
    pub(crate) last_error: Option<String>,
    /// When that was: wall-clock time, nanoseconds since 1970.
    pub(crate) last_error_unix_ns: Option<i64>,
}

impl Board {
    /// None of them has been sent anything.
    pub(super) fn new(receivers: &[Receiver]) -> Self {
        let entry = |receiver: &Receiver| {
            let (name, kind) = (receiver.name.clone(), receiver.channel.label());
            Arc::new(Entry { name, kind, standing: Mutex::default() })
        };
        Self(receivers.iter().map(entry).collect())
    }

    /// All of them, in the order of the configuration.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.0.iter()
    }
}

impl Entry {
    /// What came of the last attempts.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An attempt had no success, and why; how many there were of this message.
    pub(super) fn failed(&self, why: &str, at_unix_ns: i64) -> u32 {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = standing.attempts.saturating_add(1);
        *standing =
            Standing { attempts, last_error: Some(why.to_owned()), last_error_unix_ns: Some(at_unix_ns) };
        attempts
    }

    /// The message is settled; how often it was sent without success.
    pub(super) fn settled(&self) -> u32 {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut standing.attempts)
    }
}
