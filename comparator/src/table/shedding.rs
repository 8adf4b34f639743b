//! Which buckets of keys a shard has no room for.
//!
//! Load is shed by key hash, never by event: a key that is kept has its whole history, a key that is shed has none. When
//! a shard is full of keys that wait, one bucket after the other is closed to new keys; keys that are in already stay.
//! When there is room again, buckets are opened one by one. What was shed in between is doubt about the bucket.

use counterfoil_digest::BUCKETS;
use counterfoil_judge::Time;

/// How many buckets fall into one shard.
const SHARD_BUCKETS: usize = BUCKETS / super::SHARDS;

/// How long a bucket stays closed at least, in nanoseconds: a key that is let in and thrown out again by turns would be
/// doubted all the time.
const CLOSED_NS_MIN: i64 = 1_000_000_000;

/// Closed buckets of one shard.
pub(super) struct Shedding {
    /// Bucket `n` of the shard is closed if bit `n` is set.
    closed: u16,
    /// How often a bucket was opened again.
    reopened: u64,
    reopen_at: Time,
}

const _: () = assert!(SHARD_BUCKETS == 16, "a bit of `closed` for each bucket of a shard");

impl Shedding {
    pub(super) const fn new() -> Self {
        Self { closed: 0, reopened: 0, reopen_at: Time::MIN }
    }

    /// Whether a new key of `bucket` is turned away. Opens the bucket if there `is_room` again.
    pub(super) fn turns_away(&mut self, bucket: usize, is_room: bool, now: Time) -> bool {
        let is_closed = self.closed & bit(bucket) != 0;
        let reopens = is_closed && is_room && now >= self.reopen_at;
        if reopens {
            self.closed &= !bit(bucket);
            self.reopened += 1;
            self.reopen_at = now.plus(CLOSED_NS_MIN);
        }
        is_closed && !reopens
    }

    /// Closes `bucket`, because there is no room for a key of it.
    pub(super) fn close(&mut self, bucket: usize, now: Time) {
        self.closed |= bit(bucket);
        self.reopen_at = now.plus(CLOSED_NS_MIN);
    }

    /// How many buckets are closed.
    pub(super) fn closed(&self) -> u32 {
        self.closed.count_ones()
    }

    /// How often one was opened again.
    pub(super) fn reopened(&self) -> u64 {
        self.reopened
    }
}

fn bit(bucket: usize) -> u16 {
    1 << (bucket % SHARD_BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_bucket_opens_when_there_is_room_and_not_at_once() {
        let mut shedding = Shedding::new();
        assert!(!shedding.turns_away(17, false, Time(0)), "open");
        shedding.close(17, Time(0));
        assert!(shedding.turns_away(17, false, Time(CLOSED_NS_MIN)), "no room");
        assert!(shedding.turns_away(17, true, Time(CLOSED_NS_MIN - 1)), "too soon");
        assert!(!shedding.turns_away(18, false, Time(1)), "others are not concerned");
        assert!(!shedding.turns_away(17, true, Time(CLOSED_NS_MIN)));
        assert_eq!((shedding.closed(), shedding.reopened()), (0, 1));
    }
}
