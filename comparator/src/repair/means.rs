//! By what a map is repaired.

use super::Webhook;
use crate::store::{Changer, Writing};

/// Who makes the two sides agree.
#[derive(Debug)]
pub(crate) enum Means {
    /// The comparator itself.
    Own(Box<Own>),
    /// Somebody who is handed the task.
    Webhook(Box<Webhook>),
}

/// How the comparator writes to the map's store, with a credential for that alone.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) changer: Changer,
    pub(crate) writing: Writing,
}

impl Means {
    /// Whether tasks are handed over.
    pub(super) fn is_webhook(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }

    /// How the comparator itself writes, if it does.
    pub(super) fn own(&self) -> Option<&Own> {
        match self {
            Self::Own(own) => Some(own),
            Self::Webhook(_) => None,
        }
    }

    /// Whether a key can be put, and whether it can be removed.
    pub(super) fn can(&self) -> (bool, bool) {
        match self {
            Self::Own(own) => own.writing.can(),
            Self::Webhook(_) => (true, true),
        }
    }
}
