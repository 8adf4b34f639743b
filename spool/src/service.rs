//! The service: a handle for many tasks, and one thread that writes for all of them.
//!
//! `append` gives a number at once; the thread takes all that waits, writes it in one call, and says in [`Progress`] how far
//! everything would survive. What cannot be written stays in the queue, in order, and is tried again: `append` waits then, and
//! whoever uses it decides what to leave out.
//!
//! The disk cap is looked at before an entry gets its number, so that nothing in the queue waits for room and a reserved
//! entry always finds the reserve free.

mod options;
mod pace;
mod queue;
mod writer;

pub use options::{Progress, Refused, SpoolOptions, State};

use crate::catalogue::Shared;
use crate::entry::Entry;
use crate::files::{Directory, Files};
use crate::log::{Log, OpenError, Recovered};
use crate::reader::Reader;
use bytes::Bytes;
use queue::Queue;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;
use writer::Writer;

/// A handle of the service. When the last one is dropped, the thread writes what it has and ends; so it does on
/// [`Spool::close`], which waits for it.
pub struct Spool<F: Files = Directory> {
    inner: Arc<Inner<F>>,
}

struct Inner<F: Files> {
    shared: Arc<Shared<F>>,
    queue: Arc<Queue>,
    options: SpoolOptions,
    progress: watch::Receiver<Progress>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a closed spool ended with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed {
    /// How far it came.
    pub progress: Progress,
    /// How many entries could not be written, the last ones that were appended.
    pub unwritten: u64,
}

impl Spool<Directory> {
    /// Opens the log in a directory, recovers it, and starts the thread.
    ///
    /// # Errors
    ///
    /// The directory cannot be used.
    pub fn start(directory: &Path, options: SpoolOptions) -> Result<(Spool, Recovered), OpenError> {
        let files = Directory::open(directory)
            .map_err(|source| OpenError::Io { doing: "open or create the directory", source })?;
        Spool::start_on(files, options)
    }
}

impl<F: Files> Spool<F> {
    /// [`Spool::start`] on other files.
    ///
    /// # Errors
    ///
    /// The files cannot be used, or no thread can be started.
    pub fn start_on(files: F, options: SpoolOptions) -> Result<(Spool<F>, Recovered), OpenError> {
        let (log, recovered) = Log::open(files, options.log.clone())?;
        let queue = Arc::new(Queue::new(&options, recovered.next));
        let (sender, progress) = watch::channel(Progress::recovered(&recovered));
        let shared = log.shared();
        let writer = Writer::new(log, Arc::clone(&queue), sender, options.sync_ms);
        let thread = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io { doing: "start a thread", source })?;
        let inner = Inner { shared, queue, options, progress, thread: Mutex::new(Some(thread)) };
        Ok((Spool { inner: Arc::new(inner) }, recovered))
    }

    /// Gives an entry its number, once there is room for it: in the queue, and on disk by the cap. It is written soon.
    ///
    /// # Errors
    ///
    /// It is too long, or the spool is closed.
    pub async fn append(&self, entry: Entry) -> Result<u64, Refused> {
        self.inner.append(entry, false).await
    }

    /// [`Spool::append`] for an entry that is wanted on disk: it is synced within [`SpoolOptions::sync_ms`].
    ///
    /// # Errors
    ///
    /// Those of [`Spool::append`], or the log is not durable.
    pub async fn append_durable(&self, entry: Entry) -> Result<u64, Refused> {
        self.inner.append(entry, true).await
    }

    /// [`Spool::append`] without waiting.
    ///
    /// # Errors
    ///
    /// Those of [`Spool::append`], or there is no room now.
    pub fn try_append(&self, entry: Entry) -> Result<u64, Refused> {
        self.inner.check(&entry, false)?;
        self.inner.queue.try_push(entry, false, || self.used_bytes())
    }

    /// [`Spool::append_durable`] without waiting.
    ///
    /// # Errors
    ///
    /// Those of [`Spool::append_durable`], or there is no room now.
    pub fn try_append_durable(&self, entry: Entry) -> Result<u64, Refused> {
        self.inner.check(&entry, true)?;
        self.inner.queue.try_push(entry, true, || self.used_bytes())
    }

    /// How far everything would survive, and whether writing works. It ends when the thread does.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.inner.progress.clone()
    }

    /// Removes, soon, the segments that lie wholly below the number `below`.
    pub fn trim(&self, below: u64) {
        self.inner.queue.trim(below);
    }

    /// Replaces the cursor, soon. Of several that wait, the latest is written.
    pub fn set_cursor(&self, bytes: Bytes) {
        self.inner.queue.set_cursor(bytes);
    }

    /// A new reader.
    pub fn reader(&self) -> Reader<F> {
        Reader::new(Arc::clone(&self.inner.shared), self.inner.options.log.subjects_max)
    }

    /// How many bytes of the disk cap are used.
    pub fn used_bytes(&self) -> u64 {
        self.inner.shared.catalogue().used_bytes()
    }

    /// How much of the room that is not reserved is taken, on disk and by what waits, from 0 to 1.
    pub fn occupancy(&self) -> f64 {
        self.inner.queue.occupancy(self.used_bytes())
    }

    /// Takes no more entries, writes and syncs what is there, and ends the thread. Every handle may call it.
    pub async fn close(&self) -> Closed {
        self.inner.queue.close();
        let mut progress = self.progress();
        // It is an error when the thread has ended, and that is what is waited for.
        while progress.changed().await.is_ok() {}
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has dropped its sender too; what it left is told below.
        thread.and_then(|thread| thread.join().ok());
        Closed { progress: *progress.borrow(), unwritten: self.inner.queue.unwritten() }
    }
}

impl<F: Files> Clone for Spool<F> {
    fn clone(&self) -> Spool<F> {
        Spool { inner: Arc::clone(&self.inner) }
    }
}

impl<F: Files> Inner<F> {
    async fn append(&self, entry: Entry, is_durable: bool) -> Result<u64, Refused> {
        self.check(&entry, is_durable)?;
        let mut waiting = self.queue.room();
        loop {
            // Whatever makes room after this is noticed.
            waiting.borrow_and_update();
            let used_bytes = || self.shared.catalogue().used_bytes();
            match self.queue.try_push(entry.clone(), is_durable, used_bytes) {
                Err(Refused::NoRoom) => waiting.changed().await.map_err(|_| Refused::Closed)?,
                pushed => return pushed,
            }
        }
    }

    fn check(&self, entry: &Entry, is_durable: bool) -> Result<(), Refused> {
        entry.check()?;
        if is_durable && !self.options.log.is_durable { Err(Refused::NotDurable) } else { Ok(()) }
    }
}

impl<F: Files> Drop for Inner<F> {
    fn drop(&mut self) {
        self.queue.close();
    }
}
