//! What a disk in memory has, and what of it would survive a power cut.

use super::node::{Node, Random};
use crate::bounds::{bytes_in_file, bytes_in_memory};
use std::collections::BTreeMap;
use std::io;

/// A kind of call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "each is named as the call that it is")]
pub enum Operation {
    List,
    Create,
    Open,
    Write,
    Read,
    Sync,
    SyncDirectory,
    Allocate,
    Cut,
    Rename,
    Remove,
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The disk fails.
    Io,
    /// The disk is full.
    NoSpace,
    /// No file can be opened: nothing is said about its content.
    NoDescriptor,
    /// So many bytes are written, and then the disk fails.
    Short(usize),
}

type Names = BTreeMap<String, usize>;

/// The names that one call sets or removes, all or none of them.
type Change = Vec<(String, Option<usize>)>;

#[derive(Debug)]
pub(super) struct Disk {
    nodes: Vec<Node>,
    names: Names,
    durable_names: Names,
    /// What happened to names since the last sync.
    changes: Vec<Change>,
    pub(super) faults: Vec<(Operation, u32, Fault)>,
    pub(super) capacity: u64,
    pub(super) is_locked: bool,
    calls: BTreeMap<Operation, u64>,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk {
            nodes: Vec::new(),
            names: Names::new(),
            durable_names: Names::new(),
            changes: Vec::new(),
            faults: Vec::new(),
            capacity: u64::MAX,
            is_locked: false,
            calls: BTreeMap::new(),
        }
    }
}

impl Disk {
    /// Counts a call, and lets it fail if that is due. A short write says how many bytes it may write.
    pub(super) fn begin(&mut self, operation: Operation) -> io::Result<Option<usize>> {
        *self.calls.entry(operation).or_default() += 1;
        let due = self.faults.iter().position(|(kind, after, _)| *kind == operation && *after == 0);
        let fault = due.map(|index| self.faults.remove(index).2);
        for (kind, after, _) in &mut self.faults {
            *after = after.saturating_sub(u32::from(*kind == operation));
        }
        let error = |errno: rustix::io::Errno| Err(errno.into());
        match fault {
            Some(Fault::Io) => error(rustix::io::Errno::IO),
            Some(Fault::NoSpace) => error(rustix::io::Errno::NOSPC),
            Some(Fault::NoDescriptor) => error(rustix::io::Errno::MFILE),
            Some(Fault::Short(bytes)) => {
                self.faults.push((operation, 0, Fault::Io));
                Ok(Some(bytes))
            }
            None => Ok(None),
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.changes.push(change);
    }

    fn node(&mut self, file: usize) -> &mut Node {
        self.nodes.get_mut(file).expect("a file is a node for ever")
    }

    pub(super) fn calls(&self, operation: Operation) -> u64 {
        self.calls.get(&operation).copied().unwrap_or(0)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn content(&mut self, name: &str) -> Vec<u8> {
        self.find(name).map(|file| self.node(file).bytes.clone()).unwrap_or_default()
    }

    pub(super) fn put(&mut self, name: &str, content: Option<Vec<u8>>) {
        let file = self.nodes.len();
        self.change(vec![(name.to_owned(), content.as_ref().map(|_| file))]);
        self.sync_names();
        self.nodes.extend(content.map(|bytes| Node { durable: bytes.clone(), bytes, is_deaf: false }));
    }

    pub(super) fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn create(&mut self, name: &str) -> usize {
        let file = self.nodes.len();
        self.nodes.push(Node::default());
        self.change(vec![(name.to_owned(), Some(file))]);
        file
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.find(from)?;
        self.change(vec![(from.to_owned(), None), (to.to_owned(), Some(file))]);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.find(name)?;
        self.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn length(&mut self, file: usize) -> u64 {
        bytes_in_file(self.node(file).bytes.len())
    }

    pub(super) fn read(&mut self, file: usize, bytes: &mut [u8], at: u64) -> usize {
        let rest = self.node(file).bytes.get(bytes_in_memory(at)..).unwrap_or_default();
        let length = rest.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(rest) {
            *to = *from;
        }
        length
    }

    pub(super) fn write(
        &mut self,
        file: usize,
        bytes: &[u8],
        at: u64,
        short: Option<usize>,
    ) -> io::Result<usize> {
        let at = bytes_in_memory(at);
        let end_max = self.node(file).bytes.len().saturating_add(bytes_in_memory(self.room()));
        let end = (at + bytes.len().min(short.unwrap_or(usize::MAX))).min(end_max);
        let Some(length) = end.checked_sub(at).filter(|length| *length > 0 || short == Some(0)) else {
            return Err(rustix::io::Errno::NOSPC.into());
        };
        let node = self.node(file);
        node.bytes.resize(node.bytes.len().max(end), 0);
        for (to, from) in node.bytes.iter_mut().skip(at).zip(bytes.iter().take(length)) {
            *to = *from;
        }
        Ok(length)
    }

    /// How much all files may grow.
    fn room(&mut self) -> u64 {
        let linked: Vec<usize> = self.names.values().copied().collect();
        let used: u64 = linked.into_iter().map(|file| self.length(file)).sum();
        self.capacity.saturating_sub(used)
    }

    pub(super) fn resize(&mut self, file: usize, bytes: u64) -> io::Result<()> {
        if bytes.saturating_sub(self.length(file)) > self.room() {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        self.node(file).bytes.resize(bytes_in_memory(bytes), 0);
        Ok(())
    }

    pub(super) fn sync(&mut self, file: usize, is_successful: bool) {
        let node = self.node(file);
        node.is_deaf |= !is_successful;
        if !node.is_deaf {
            node.durable = node.bytes.clone();
        }
    }

    pub(super) fn sync_names(&mut self) {
        self.changes.clear();
        self.durable_names = self.names.clone();
    }

    pub(super) fn cut_power(&mut self, seed: u64) {
        let mut random = Random(seed);
        self.names = self.durable_names.clone();
        for change in std::mem::take(&mut self.changes) {
            if random.below(2) == 0 {
                apply(&mut self.names, &change);
            }
        }
        self.sync_names();
        let linked: Vec<usize> = self.names.values().copied().collect();
        for (file, node) in self.nodes.iter_mut().enumerate() {
            node.cut_power(&mut random);
            if !linked.contains(&file) {
                *node = Node::default();
            }
        }
    }
}

fn apply(names: &mut Names, change: &Change) {
    for (name, file) in change {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}
