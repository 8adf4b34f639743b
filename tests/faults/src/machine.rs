//! What can be injected on this machine into this build, found out before the first round.

mod probe;

use crate::promise::Level;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a scenario needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Need {
    /// Loop devices that may be mounted.
    Loop,
    /// Network namespaces that may be made.
    Netns,
    /// `nft`.
    Nft,
    /// `strace`, and the right to trace.
    Strace,
    /// The library that fakes the wall clock.
    Faketime,
    /// A writable cpu cgroup of version 1.
    CpuCgroup,
    /// A writable memory cgroup of version 1.
    MemoryCgroup,
    /// `prlimit`.
    Prlimit,
    /// A sidecar with a spool.
    Spool,
    /// A comparator with a journal.
    Journal,
    /// A build with failpoints.
    Failpoints,
}

impl Need {
    /// Every need.
    pub(crate) const ALL: [Self; 11] = [
        Self::Loop,
        Self::Netns,
        Self::Nft,
        Self::Strace,
        Self::Faketime,
        Self::CpuCgroup,
        Self::MemoryCgroup,
        Self::Prlimit,
        Self::Spool,
        Self::Journal,
        Self::Failpoints,
    ];
}

/// How a configuration names the deployment key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum KeyForm {
    /// `key: {id, file}`.
    #[default]
    One,
    /// `keys: [{id, file}]`.
    Many,
}

/// What the harness was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// The command under test.
    pub(crate) binary: PathBuf,
    /// The same, built with failpoints.
    pub(crate) failpoints: Option<PathBuf>,
    /// A Redis as the store, in place of an SQLite file.
    pub(crate) redis: Option<String>,
}

/// A build on a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) given: Given,
    pub(crate) key_form: KeyForm,
    /// The ack levels that the sidecar grants, the weakest first.
    pub(crate) levels: Vec<Level>,
    /// What is not there, and why.
    lacks: BTreeMap<Need, String>,
}

impl Machine {
    /// Why a need is not met; `None` if it is.
    pub(crate) fn lack(&self, need: Need) -> Option<&str> {
        self.lacks.get(&need).map(String::as_str)
    }

    /// Whether the sidecar keeps a spool.
    pub(crate) fn has_spool(&self) -> bool {
        self.lack(Need::Spool).is_none()
    }

    /// Whether the comparator keeps a journal.
    pub(crate) fn has_journal(&self) -> bool {
        self.lack(Need::Journal).is_none()
    }
}
