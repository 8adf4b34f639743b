//! The handle of the writer thread.

use crate::identity::{Identity, IdentityError};
use crate::limits::{DROP_WAIT, FAREWELL, Options};
use crate::map::MapEmitter;
use crate::shared::Shared;
use crate::stats::Stats;
use crate::writer::{Socket, Writer};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use thiserror::Error;

/// Why there is no emitter. That the sidecar is absent is no reason.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The identity is incomplete.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No socket can have this path.
    #[error("socket path {} has more than 107 bytes or a zero byte; give a shorter one", .0.display())]
    Path(PathBuf),
    /// The process has no descriptor left.
    #[error("no descriptor for the writer thread's signal: {0}")]
    Descriptor(io::Error),
    /// The process has no thread left.
    #[error("no writer thread: {0}")]
    Thread(io::Error),
}

/// Reports the writes of this process's maps to the sidecar. One is enough for a process; share it, or the
/// [`MapEmitter`]s made from it. Dropping it closes it, and waits half a second at most.
pub struct Emitter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Emitter {
    /// Starts reporting to the sidecar that listens at `path`, now or later. Does not wait for it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]; an absent sidecar is none.
    pub fn connect(path: impl AsRef<Path>, identity: Identity) -> Result<Self, ConnectError> {
        Self::connect_with(path, identity, Options::default())
    }

    /// As [`Emitter::connect`], with other bounds.
    ///
    /// # Errors
    ///
    /// As [`Emitter::connect`].
    pub fn connect_with(
        path: impl AsRef<Path>,
        identity: Identity,
        options: Options,
    ) -> Result<Self, ConnectError> {
        identity.check()?;
        let path = path.as_ref();
        let socket = Socket::new(path).ok_or_else(|| ConnectError::Path(path.to_owned()))?;
        let shared = Arc::new(Shared::new(&options).map_err(ConnectError::Descriptor)?);
        let writer = Writer::new(Arc::clone(&shared), socket, identity, &options);
        let thread = Builder::new().name("counterfoil-emitter".to_owned());
        let thread = thread.spawn(move || writer.run()).map_err(ConnectError::Thread)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The handle that reports the writes of the map `name`. The name is one that the sidecar knows, of 256 bytes at
    /// most; writes to other maps are counted as lost.
    #[must_use]
    pub fn map(&self, name: &str) -> MapEmitter {
        MapEmitter::new(Arc::clone(&self.shared), name)
    }

    /// What the emitter did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot(self.shared.open.count())
    }

    /// Waits until everything reported before this call is acknowledged, declared losses included, but no longer than
    /// `timeout`; says whether it is. Writes that are open are not waited for.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        if self.is_idle() {
            return true;
        }
        let ticket = self.shared.tickets.draw();
        self.shared.waker.wake();
        self.shared.tickets.wait(ticket, timeout)
    }

    /// Flushes, declares writes that are still open as lost, says goodbye and ends the writer thread, within `timeout`
    /// and a tenth of a second. Says whether everything was acknowledged. Handles that are used afterwards report to
    /// nobody.
    #[must_use]
    pub fn close(mut self, timeout: Duration) -> bool {
        self.end(timeout)
    }

    fn end(&mut self, timeout: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        let started = now();
        let flushed = self.flush(timeout);
        let left = timeout.saturating_sub(since(started)).max(FAREWELL);
        self.shared.end(now().plus(i64::try_from(left.as_nanos()).unwrap_or(i64::MAX)));
        // The thread waits for nothing but its socket and its signal, so it ends in time; should the machine not let
        // it run, it is left behind rather than waited for.
        let ended = self.shared.tickets.wait_end(left.saturating_add(FAREWELL));
        if ended {
            // An error would be a panic of the writer thread, which the runtime has reported.
            thread.join().ok();
        }
        let stats = self.stats();
        ended && flushed && stats.issued == stats.acknowledged.saturating_add(stats.lost.after_close)
    }

    /// Whether everything reported so far is acknowledged. A sequence number is taken for nothing else, so the counts
    /// are equal only then.
    fn is_idle(&self) -> bool {
        let stats = self.stats();
        stats.issued == stats.acknowledged
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        self.end(DROP_WAIT);
    }
}

fn since(earlier: Time) -> Duration {
    Duration::from_nanos(u64::try_from(now().since(earlier)).unwrap_or_default())
}
