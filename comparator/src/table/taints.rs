//! Buckets of keys about which something was not reported, and until when.

use counterfoil_digest::BUCKETS;
use counterfoil_judge::{Reason, Time};
use counterfoil_proto::BucketSet;
use std::sync::{Mutex, PoisonError};

/// For each bucket until when unreported writes may have landed, and why.
pub(crate) struct Taints(Mutex<Box<[(Time, Reason)]>>);

impl Taints {
    pub(crate) fn none() -> Self {
        Self(Mutex::new(vec![(Time::MIN, Reason::Gap); BUCKETS].into()))
    }

    /// Unreported writes to keys of `buckets` may land until `until`.
    pub(crate) fn add(&self, buckets: &BucketSet, until: Time, reason: Reason) {
        let mut taints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, taint) in taints.iter_mut().enumerate() {
            if until > taint.0 && buckets.contains(bucket) {
                *taint = (until, reason);
            }
        }
    }

    /// Until when unreported writes to keys of `bucket` may have landed; `MIN` if there are none.
    pub(crate) fn of(&self, bucket: usize) -> (Time, Reason) {
        let taints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taints.get(bucket).copied().unwrap_or((Time::MAX, Reason::Gap))
    }
}
