//! Files in memory that fail as told: for tests, and for simulation with the feature `faulty`.
//!
//! Clones are the same disk, so that a log can be dropped as a killed process is and opened again.

mod disk;
mod node;

pub use disk::{Fault, Operation};

use super::Files;
use disk::Disk;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A directory in memory.
#[derive(Clone, Default, Debug)]
pub struct Faulty {
    disk: Arc<Mutex<Disk>>,
}

/// Holds the lock of a [`Faulty`] directory.
#[derive(Debug)]
pub struct Held(Faulty);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.disk().is_locked = false;
    }
}

impl Faulty {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an operation fail: the one after the next `after` of its kind.
    pub fn fail(&self, operation: Operation, after: u32, fault: Fault) {
        self.disk().faults.push((operation, after, fault));
    }

    /// Forgets the faults that did not come about.
    pub fn heal(&self) {
        self.disk().faults.clear();
    }

    /// How many bytes all files may have together.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk().capacity = bytes;
    }

    /// Cuts the power: of what was not synced, each sector and each change of names is kept or lost as `seed`
    /// says. Drop everything that uses the directory before.
    pub fn cut_power(&self, seed: u64) {
        self.disk().cut_power(seed);
    }

    /// How many operations of a kind there were.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.disk().calls(operation)
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        self.disk().names()
    }

    /// The content of a file; empty when there is none.
    pub fn content(&self, name: &str) -> Vec<u8> {
        self.disk().content(name)
    }

    /// Replaces the content of a file, on disk at once; `None` makes it vanish.
    pub fn put(&self, name: &str, content: Option<Vec<u8>>) {
        self.disk().put(name, content);
    }
}

impl Files for Faulty {
    type File = usize;
    type Lock = Held;

    fn lock(&self) -> io::Result<Held> {
        let mut disk = self.disk();
        if std::mem::replace(&mut disk.is_locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Held(self.clone()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk().begin(Operation::List)?;
        Ok(self.names())
    }

    fn create(&self, name: &str) -> io::Result<usize> {
        let mut disk = self.disk();
        disk.begin(Operation::Create)?;
        Ok(disk.create(name))
    }

    fn open(&self, name: &str) -> io::Result<usize> {
        let mut disk = self.disk();
        disk.begin(Operation::Open)?;
        disk.find(name)
    }

    fn length(&self, file: &usize) -> io::Result<u64> {
        Ok(self.disk().length(*file))
    }

    fn write_at(&self, file: &usize, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut disk = self.disk();
        let short = disk.begin(Operation::Write)?;
        disk.write(*file, bytes, at, short)
    }

    fn read_at(&self, file: &usize, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let mut disk = self.disk();
        disk.begin(Operation::Read)?;
        Ok(disk.read(*file, bytes, at))
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        let mut disk = self.disk();
        let begun = disk.begin(Operation::Sync);
        disk.sync(*file, begun.is_ok());
        begun.map(drop)
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.begin(Operation::SyncDirectory)?;
        disk.sync_names();
        Ok(())
    }

    fn allocate(&self, file: &usize, bytes: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.begin(Operation::Allocate)?;
        disk.resize(*file, bytes)
    }

    fn cut(&self, name: &str, bytes: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.begin(Operation::Cut)?;
        let file = disk.find(name)?;
        disk.resize(file, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.begin(Operation::Rename)?;
        disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.begin(Operation::Remove)?;
        disk.remove(name)
    }
}
