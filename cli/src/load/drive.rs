//! The second pass: writes the workload to a map and to the store, and reports it.
//!
//! One thread reads the workload and hands each write to the worker of its key, so that the writes of a key keep their
//! order. What waits for a worker is bounded.

use super::trace::{BadLine, Change, TraceWrite};
use super::value::value;
use crate::app_store::{AppStore, Client, StoreError};
use crate::pace::Pace;
use crate::plant::Plant;
use counterfoil_digest::key_hash;
use counterfoil_emitter::{DualWrite, MapEmitter};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use thiserror::Error;

/// Writes that may wait for a worker.
const WAITING_MAX: usize = 256;

/// How the workload is to be driven.
pub(super) struct Drive<'a> {
    pub(super) store: &'a AppStore,
    pub(super) emitter: MapEmitter,
    pub(super) workers: usize,
    /// Writes per second; 0 for as many as can be.
    pub(super) rate: f64,
    pub(super) value_bytes_max: usize,
    /// Bugs by the number of the write.
    pub(super) plants: &'a BTreeMap<u64, Plant>,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Driven {
    pub(super) puts: u64,
    pub(super) removes: u64,
    /// Values that were cut to the limit.
    pub(super) truncated: u64,
    /// Bugs by key.
    pub(super) planted: BTreeMap<String, Plant>,
}

/// Why the workload was not driven to its end.
#[derive(Debug, Error)]
pub(super) enum DriveError {
    /// A line is malformed; the file changed since it was checked.
    #[error(transparent)]
    Line(#[from] BadLine),
    /// The store did not do as it was told.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A worker ended by a panic, which the runtime has reported.
    #[error("a worker panicked")]
    Panic,
}

type Numbered = (u64, TraceWrite);

impl Drive<'_> {
    /// Drives the whole workload. `watch` is called with the number of each write.
    pub(super) fn run(
        &self,
        writes: impl Iterator<Item = Result<TraceWrite, BadLine>>,
        watch: impl FnMut(u64),
    ) -> Result<Driven, DriveError> {
        thread::scope(|scope| {
            let mut hand_over = Vec::new();
            let mut workers = Vec::new();
            for _ in 0..self.workers.max(1) {
                let (sender, receiver) = sync_channel(WAITING_MAX);
                hand_over.push(sender);
                workers.push(scope.spawn(move || self.work(&receiver)));
            }
            let dispatched = self.dispatch(writes, &hand_over, watch);
            drop(hand_over);
            let mut all = Driven::default();
            for worker in workers {
                all.add(worker.join().map_err(|_| DriveError::Panic)??);
            }
            dispatched?;
            Ok(all)
        })
    }

    fn dispatch(
        &self,
        writes: impl Iterator<Item = Result<TraceWrite, BadLine>>,
        workers: &[SyncSender<Numbered>],
        mut watch: impl FnMut(u64),
    ) -> Result<(), BadLine> {
        let mut pace = Pace::new(self.rate);
        let count = u64::try_from(workers.len()).unwrap_or(u64::MAX);
        for (write, number) in writes.zip(0..) {
            let write = write?;
            pace.wait();
            watch(number);
            let at =
                usize::try_from(key_hash(self.emitter.name(), write.key.as_bytes()) % count).unwrap_or(0);
            let taken = workers.get(at).is_some_and(|worker| worker.send((number, write)).is_ok());
            if !taken {
                // The worker ended with an error, which its thread tells.
                break;
            }
        }
        Ok(())
    }

    fn work(&self, writes: &Receiver<Numbered>) -> Result<Driven, StoreError> {
        let mut worker = Worker {
            drive: self,
            client: self.store.client()?,
            stranger: self.store.stranger()?,
            map: HashMap::new(),
            driven: Driven::default(),
        };
        while let Ok((number, write)) = writes.recv() {
            worker.write(number, write)?;
        }
        Ok(worker.driven)
    }
}

/// One thread, and the part of the map that its keys make up: which write left each key's value.
struct Worker<'a> {
    drive: &'a Drive<'a>,
    client: Box<dyn Client>,
    stranger: Box<dyn Client>,
    map: HashMap<String, u64>,
    driven: Driven,
}

impl Worker<'_> {
    fn write(&mut self, number: u64, write: TraceWrite) -> Result<(), StoreError> {
        let TraceWrite { key, change } = write;
        let value = self.value(number, &key, change);
        let mut write = self.change_map(number, &key, value.as_deref());
        let plant = self.drive.plants.get(&number).copied();
        let Some(plant) = plant else {
            return write.store(|| match &value {
                Some(value) => self.client.put(&key, value),
                None => self.client.remove(&key),
            });
        };
        self.plant(plant, write, &key, value.as_deref())?;
        self.driven.planted.insert(key, plant);
        Ok(())
    }

    fn value(&mut self, number: u64, key: &str, change: Change) -> Option<Vec<u8>> {
        let limit = self.drive.value_bytes_max;
        let (value, bytes) = match change {
            Change::Remove => {
                self.driven.removes += 1;
                return None;
            }
            Change::Put(text) => {
                let (bytes, mut value) = (text.len(), text.into_bytes());
                value.truncate(limit);
                (value, bytes)
            }
            Change::PutSized(bytes) => {
                (value(self.drive.emitter.name(), key, number, bytes.min(limit)), bytes)
            }
        };
        self.driven.puts += 1;
        self.driven.truncated += u64::from(bytes > limit);
        Some(value)
    }

    fn change_map(&mut self, number: u64, key: &str, value: Option<&[u8]>) -> DualWrite {
        let mut write = match value {
            Some(value) => self.drive.emitter.begin_put(key, value),
            None => self.drive.emitter.begin_remove(key),
        };
        write.map(|| match value {
            Some(_) => self.map.insert(key.to_owned(), number),
            None => self.map.remove(key),
        });
        write
    }

    /// Tells the store something else, or nothing, and reports that all is well.
    fn plant(
        &mut self,
        plant: Plant,
        mut write: DualWrite,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let wrong = format!("wrong value of {key}").into_bytes();
        write.store(|| match (plant, value) {
            (Plant::Corrupted, _) => self.client.put(key, &wrong),
            (Plant::ForeignWriter, Some(value)) => self.client.put(key, value),
            _ => Ok(()),
        })?;
        if plant == Plant::ForeignWriter {
            self.stranger.put(key, &wrong)?;
        }
        Ok(())
    }
}

impl Driven {
    fn add(&mut self, other: Self) {
        self.puts += other.puts;
        self.removes += other.removes;
        self.truncated += other.truncated;
        self.planted.extend(other.planted);
    }
}
