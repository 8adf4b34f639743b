//! One process under test.

use crate::wait;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Bytes of a log that are shown when a test fails.
const TAIL_BYTES: usize = 6_000;

/// A running process. It is killed if it is dropped while it runs, and its log is shown if the test is failing then.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Everything it wrote to standard error.
    pub log: String,
}

impl Process {
    /// Starts `command`, with its standard error in a file of `folder` that is named after it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(name: &'static str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{}.log", crate::unique(name)));
        let file = File::create(&log).expect("a log file");
        command.stdin(Stdio::null()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, child, log }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn ended(&mut self) -> Ended {
        let what = format!("the end of {}", self.name);
        let status = wait::until(&what, || self.child.try_wait().expect("a child can be waited for"));
        Ended { status, log: self.log() }
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    ///
    /// If it ends otherwise than with exit code 0.
    pub fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        // It may have ended already; its exit status will tell.
        let _sent = kill_process(pid, Signal::TERM);
        let ended = self.ended();
        assert!(ended.status.success(), "{} ended with {} after SIGTERM", self.name, ended.status);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(TAIL_BYTES);
            let tail = (tail..=log.len()).find_map(|at| log.get(at..)).unwrap_or_default();
            eprintln!("--- {} said:\n{tail}", self.name);
        }
    }
}
