//! Reads of one file, in line: a thread that has made one takes the next at once, without anybody being woken in between.
//!
//! # Invariants
//!
//! - There are no more threads than `threads_max`, each with a connection of its own, and none without a read.
//! - A read has its time from when it begins, not from when it was put in line. One that nobody waits for is not begun.

use super::super::{Reading, StoreError};
use super::{File, Open};
use counterfoil_clock::now;
use counterfoil_judge::{Interval, Time};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Makes a read with the connection of a thread, which it opens first if there is none.
type Job = Box<dyn FnOnce(&mut Option<Open>) + Send>;

/// The reads of one file that wait, and the threads that make them.
pub(super) struct Line {
    file: Arc<File>,
    threads_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    threads: usize,
    /// Connections of threads that have ended.
    idle: Vec<Open>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({:?}, {} threads at most)", self.file.path, self.threads_max)
    }
}

impl Line {
    pub(super) fn new(file: File, threads_max: usize) -> Self {
        Self { file: Arc::new(file), threads_max, state: Mutex::default() }
    }

    /// The file.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Puts a read in line and waits for what it tells.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Reading<T> {
        let begun = Arc::<OnceLock<Time>>::default();
        let (done, told) = oneshot::channel();
        let (file, begin) = (Arc::clone(&self.file), Arc::clone(&begun));
        self.push(Box::new(move |open| {
            if !done.is_closed() {
                let begin = *begin.get_or_init(now);
                let told = file.read(open, read);
                // Whoever asked may have gone meanwhile.
                _ = done.send(Reading { at: Interval::new(begin, now()), told });
            }
        }));
        self.wait(told, &begun).await
    }

    /// Waits until the read is made, or has taken longer than it may. It then ends by itself, unless the disk hangs.
    async fn wait<T>(&self, mut told: oneshot::Receiver<Reading<T>>, begun: &OnceLock<Time>) -> Reading<T> {
        loop {
            let left = begun.get().map_or(self.file.timeout, |begin| self.left(*begin));
            match tokio::time::timeout(left, &mut told).await {
                Ok(Ok(reading)) => return reading,
                Ok(Err(_)) => {
                    return Reading::without_read(Err(StoreError::query("the read stopped in its middle")));
                }
                Err(_) => {}
            }
            if let Some(begin) = begun.get().filter(|begin| self.left(**begin).is_zero()) {
                return Reading { at: Interval::new(*begin, now()), told: Err(StoreError::Timeout) };
            }
        }
    }

    /// How much longer a read may take that began at `begin`.
    fn left(&self, begin: Time) -> Duration {
        let spent = Duration::from_nanos(u64::try_from(now().since(begin)).unwrap_or(0));
        self.file.timeout.saturating_sub(spent)
    }

    fn push(self: &Arc<Self>, job: Job) {
        let mut state = self.state();
        state.waiting.push_back(job);
        if state.threads < self.threads_max {
            state.threads += 1;
            let line = Arc::clone(self);
            tokio::task::spawn_blocking(move || line.work_off());
        }
    }

    /// Makes reads until none waits.
    fn work_off(&self) {
        let mut open = self.state().idle.pop();
        while let Some(job) = self.next(&mut open) {
            // A read that panicked leaves a connection behind of which nothing is known.
            if catch_unwind(AssertUnwindSafe(|| job(&mut open))).is_err() {
                open = None;
            }
        }
    }

    /// The next read; when there is none the thread ends and leaves its connection.
    fn next(&self, open: &mut Option<Open>) -> Option<Job> {
        let mut state = self.state();
        let job = state.waiting.pop_front();
        if job.is_none() {
            state.threads -= 1;
            state.idle.extend(open.take());
        }
        job
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
    use super::*;

    fn line(folder: &tempfile::TempDir, timeout_ms: u64) -> Arc<Line> {
        let path = folder.path().join("store.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (k)").unwrap();
        Arc::new(Line::new(File { path, timeout: Duration::from_millis(timeout_ms) }, 1))
    }

    #[tokio::test]
    async fn reads_are_made_one_behind_the_other_and_each_has_its_own_time() {
        let folder = tempfile::tempdir().unwrap();
        let line = line(&folder, 10_000);
        let (free, held) = std::sync::mpsc::sync_channel::<()>(1);
        let first = line.read(move |_| held.recv().map_err(|_| StoreError::Timeout));
        let second = line.read(|_| Ok(()));
        let freed = async {
            while line.state().waiting.is_empty() {
                tokio::task::yield_now().await;
            }
            assert_eq!(line.state().threads, 1);
            free.send(()).unwrap();
        };
        let (first, second, ()) = tokio::join!(first, second, freed);
        assert!(first.told.is_ok() && second.told.is_ok());
        assert!(second.at.begin >= first.at.end, "the second began when the first had ended");
    }

    #[tokio::test]
    async fn a_read_that_panics_costs_itself_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let line = line(&folder, 10_000);
        let broken = line.read::<()>(|_| panic!("on purpose")).await;
        assert_eq!(broken.told.unwrap_err().label(), "query");
        assert!(line.read(|_| Ok(())).await.told.is_ok());
        while line.state().threads > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(line.state().idle.len(), 1, "one connection is at rest");
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let line = line(&folder, 10_000);
        let (free, held) = std::sync::mpsc::sync_channel::<()>(1);
        let first = tokio::spawn({
            let line = Arc::clone(&line);
            async move { line.read(move |_| held.recv().map_err(|_| StoreError::Timeout)).await }
        });
        while line.state().threads == 0 || !line.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        let given_up = line.read::<()>(|_| panic!("nobody waits for this one"));
        assert!(tokio::time::timeout(Duration::from_millis(1), given_up).await.is_err());
        free.send(()).unwrap();
        assert!(first.await.unwrap().told.is_ok() && line.read(|_| Ok(())).await.told.is_ok());
    }

    #[tokio::test]
    async fn a_read_that_takes_too_long_is_a_timeout_though_it_cannot_be_ended() {
        let folder = tempfile::tempdir().unwrap();
        let line = line(&folder, 20);
        let (free, held) = std::sync::mpsc::sync_channel::<()>(1);
        let hung = line.read(move |_| held.recv().map_err(|_| StoreError::Timeout)).await;
        assert_eq!(hung.told, Err(StoreError::Timeout));
        assert!(hung.at.end.since(hung.at.begin) >= 20_000_000);
        free.send(()).unwrap();
        assert!(line.read(|_| Ok(())).await.told.is_ok());
    }
}
