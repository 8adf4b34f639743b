//! Declared gaps: sequence numbers known to be lost, and which keys they may have been about.

use crate::time::{nanoseconds, time};
use crate::wire::emit;
use bytes::Bytes;
use counterfoil_digest::BUCKETS;
use counterfoil_judge::Interval;
use thiserror::Error;

const SET_BYTES: usize = BUCKETS / 8;

/// A set of key buckets; see [`counterfoil_digest::bucket`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BucketSet {
    /// Any key may be concerned.
    All,
    /// Bit `b % 8` of byte `b / 8` stands for bucket `b`.
    Some(Box<[u8; SET_BYTES]>),
}

impl BucketSet {
    /// The set without a bucket.
    #[must_use]
    pub fn none() -> Self {
        Self::Some(Box::new([0; SET_BYTES]))
    }

    /// Whether `bucket` is in the set.
    #[must_use]
    pub fn contains(&self, bucket: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(bits) => bits.get(bucket / 8).is_some_and(|byte| byte & (1 << (bucket % 8)) != 0),
        }
    }

    /// Adds `bucket`; numbers that are no bucket are ignored.
    pub fn insert(&mut self, bucket: usize) {
        if let Self::Some(bits) = self
            && let Some(byte) = bits.get_mut(bucket / 8)
        {
            *byte |= 1 << (bucket % 8);
        }
    }
}

/// Why events were lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum LossReason {
    /// Not said.
    Unspecified,
    /// The emitter's ring was full.
    RingFull,
    /// The event broke a limit.
    Limit,
    /// The sidecar shed it, or lost it when it was started over.
    Sidecar,
    /// The comparator's journal lost it.
    Comparator,
}

impl LossReason {
    /// Every reason, in the order of the metrics.
    pub const ALL: [Self; 5] =
        [Self::Unspecified, Self::RingFull, Self::Limit, Self::Sidecar, Self::Comparator];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::RingFull => "ring_full",
            Self::Limit => "limit",
            Self::Sidecar => "sidecar",
            Self::Comparator => "comparator",
        }
    }
}

/// A range of a source's sequence numbers known to be lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// First lost number.
    pub first_seq: u64,
    /// How many; at least 1.
    pub count: u64,
    /// Why.
    pub reason: LossReason,
    /// When the lost writes happened, in the source's clock.
    pub during: Interval,
    /// Which keys may be concerned.
    pub buckets: BucketSet,
}

/// A loss record that cannot be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum LossError {
    /// The bucket set has a wrong length.
    #[error("loss.buckets has {0} bytes; send 128, or none for any key")]
    Buckets(usize),
    /// The count is 0, or the range passes the largest sequence number.
    #[error("loss.count is {count} from {first_seq}; send at least 1 and stay below 2^64")]
    Count {
        /// First lost number.
        first_seq: u64,
        /// The count.
        count: u64,
    },
}

impl TryFrom<emit::Loss> for Loss {
    type Error = LossError;

    fn try_from(wire: emit::Loss) -> Result<Self, LossError> {
        let (first_seq, count) = (wire.first_seq, wire.count);
        if count == 0 || first_seq.checked_add(count).is_none() {
            return Err(LossError::Count { first_seq, count });
        }
        let buckets = match wire.buckets.len() {
            0 => BucketSet::All,
            length => BucketSet::Some(Box::new(
                <[u8; SET_BYTES]>::try_from(&wire.buckets[..]).map_err(|_| LossError::Buckets(length))?,
            )),
        };
        let reason = match emit::LossReason::try_from(wire.reason) {
            Ok(emit::LossReason::RingFull) => LossReason::RingFull,
            Ok(emit::LossReason::Limit) => LossReason::Limit,
            Ok(emit::LossReason::Sidecar) => LossReason::Sidecar,
            Ok(emit::LossReason::Comparator) => LossReason::Comparator,
            Ok(emit::LossReason::Unspecified) | Err(_) => LossReason::Unspecified,
        };
        let during = Interval::new(time(wire.begin_ns), time(wire.end_ns));
        Ok(Self { first_seq, count, reason, during, buckets })
    }
}

impl From<Loss> for emit::Loss {
    fn from(loss: Loss) -> Self {
        let reason = match loss.reason {
            LossReason::Unspecified => emit::LossReason::Unspecified,
            LossReason::RingFull => emit::LossReason::RingFull,
            LossReason::Limit => emit::LossReason::Limit,
            LossReason::Sidecar => emit::LossReason::Sidecar,
            LossReason::Comparator => emit::LossReason::Comparator,
        };
        Self {
            first_seq: loss.first_seq,
            count: loss.count,
            reason: reason.into(),
            begin_ns: nanoseconds(loss.during.begin),
            end_ns: nanoseconds(loss.during.end),
            buckets: match loss.buckets {
                BucketSet::All => Bytes::new(),
                BucketSet::Some(bits) => Bytes::copy_from_slice(&bits[..]),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use counterfoil_judge::Time;

    #[test]
    fn a_loss_survives_the_wire() {
        let mut buckets = BucketSet::none();
        buckets.insert(0);
        buckets.insert(1023);
        for buckets in [buckets, BucketSet::All] {
            let during = Interval::new(Time(3), Time(9));
            let loss = Loss { first_seq: 7, count: 2, reason: LossReason::RingFull, during, buckets };
            assert_eq!(Loss::try_from(emit::Loss::from(loss.clone())).unwrap(), loss);
        }
    }

    #[test]
    fn a_malformed_loss_is_refused() {
        let good = emit::Loss { first_seq: 1, count: 1, ..Default::default() };
        assert!(Loss::try_from(good.clone()).is_ok());
        let none = emit::Loss { count: 0, ..good.clone() };
        assert_eq!(Loss::try_from(none), Err(LossError::Count { first_seq: 1, count: 0 }));
        let beyond = emit::Loss { first_seq: u64::MAX, ..good.clone() };
        assert!(Loss::try_from(beyond).is_err());
        let buckets = emit::Loss { buckets: Bytes::from_static(b"short"), ..good };
        assert_eq!(Loss::try_from(buckets), Err(LossError::Buckets(5)));
    }
}
