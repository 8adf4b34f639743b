//! What a read told and when it was made, and whose turn it is to read.

use super::{Reader, StoreError};
use counterfoil_clock::now;
use counterfoil_judge::Interval;
use std::pin::Pin;

/// What a read of a store told.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// From when the read began, not from when it was asked for, until it was over.
    pub at: Interval,
    /// What it told, or why nothing.
    pub told: Result<T, StoreError>,
}

impl<T> Reading<T> {
    /// Of what needs no read.
    pub(crate) fn without_read(told: Result<T, StoreError>) -> Self {
        let now = now();
        Self { at: Interval::new(now, now), told }
    }
}

impl Reader {
    /// Makes a read once it is its turn. It has its time from then on. It is boxed, as what it holds of a client library is large.
    pub(super) async fn in_turn<T>(
        &self,
        read: Pin<Box<impl Future<Output = Result<T, StoreError>>>>,
    ) -> Reading<T> {
        let _turn = self.turns.acquire().await.expect("nothing closes the semaphore");
        let begin = now();
        let told = tokio::time::timeout(self.timeout, read).await.unwrap_or(Err(StoreError::Timeout));
        Reading { at: Interval::new(begin, now()), told }
    }

    /// That so many keys may be asked for at once.
    pub(super) fn may_ask_for(&self, keys: usize) -> Result<(), StoreError> {
        let keys_per_read_max = self.bounds.keys_per_read_max;
        if keys > keys_per_read_max {
            return Err(StoreError::TooManyKeys { keys, keys_per_read_max });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::super::WrittenStore;
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn reads_have_their_turns_and_their_time_from_when_they_begin() {
        let written =
            WrittenStore { concurrency: 1, timeout_ms: 50, ..WrittenStore::new("redis://127.0.0.1:1") };
        let (reader, under_way) = (Reader::new("main", &written).unwrap(), Cell::new(0));
        let read = async || {
            under_way.set(under_way.get() + 1);
            assert_eq!(under_way.get(), 1, "one at a time");
            tokio::task::yield_now().await;
            under_way.set(under_way.get() - 1);
            Ok(())
        };
        let hung = async { std::future::pending::<Result<(), _>>().await };
        let (first, late, last) = tokio::join!(
            reader.in_turn(Box::pin(read())),
            reader.in_turn(Box::pin(hung)),
            reader.in_turn(Box::pin(read()))
        );
        assert_eq!((first.told, late.told, last.told), (Ok(()), Err(StoreError::Timeout), Ok(())));
        assert!(first.at.end <= late.at.begin && late.at.end <= last.at.begin);
        assert!(late.at.end.since(late.at.begin) >= 50_000_000);
    }
}
