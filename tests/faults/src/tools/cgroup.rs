//! A control group of version 1.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where controllers of version 1 are mounted.
pub(super) const ROOT: &str = "/sys/fs/cgroup";
/// How groups are called; this process's id and a number follow.
pub(super) const PREFIX: &str = "counterfoil-faults-";

/// A group under one controller. Its processes go back to the controller's root when it is dropped.
pub(crate) struct Cgroup {
    controller: &'static str,
    path: PathBuf,
}

impl Cgroup {
    /// Makes a group under `controller`: `cpu` or `memory`.
    pub(crate) fn make(controller: &'static str) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("{ROOT}/{controller}/{PREFIX}{}-{count}", process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { controller, path })
    }

    /// Sets one of the controller's values.
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<(), String> {
        let file = self.path.join(name);
        fs::write(&file, value).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// One of the controller's values.
    pub(crate) fn get(&self, name: &str) -> Result<String, String> {
        let file = self.path.join(name);
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Puts a process, with all its threads, into the group.
    pub(crate) fn add(&self, id: u32) -> Result<(), String> {
        self.set("cgroup.procs", &id.to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let inside = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for id in inside.lines() {
            // A process that has ended meanwhile is gone from the group as well.
            let _moved = fs::write(format!("{ROOT}/{}/cgroup.procs", self.controller), id);
        }
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("faults: cleaning up: {}: {error}", self.path.display());
        }
    }
}
