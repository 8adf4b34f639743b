//! What the kernel counted for a process or a thread.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// CPU time of another process from some instant on.
pub(crate) struct CpuTime {
    pid: u32,
    /// What each thread had used by then, in nanoseconds.
    before: HashMap<OsString, f64>,
}

impl CpuTime {
    /// From now on.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, before: threads(pid).collect() }
    }

    /// What its threads used since, in nanoseconds. Of a thread that ended since, nothing is counted: runtimes end threads
    /// that had nothing to do for long.
    pub(crate) fn spent_ns(&self) -> f64 {
        let spent = threads(self.pid).map(|(id, ns)| ns - self.before.get(&id).copied().unwrap_or_default());
        spent.sum()
    }
}

/// The threads of a process, and what each has used so far, in nanoseconds.
fn threads(pid: u32) -> impl Iterator<Item = (OsString, f64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    tasks.flatten().filter_map(|task| Some((task.file_name(), cpu_ns(&task.path())?)))
}

/// CPU time of this thread so far, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> f64 {
    cpu_ns(Path::new("/proc/thread-self")).expect("the kernel counts CPU time (CONFIG_SCHED_INFO)")
}

/// The first figure of `schedstat`: time on a processor. `None` if the thread has just ended.
fn cpu_ns(task: &Path) -> Option<f64> {
    let stat = fs::read_to_string(task.join("schedstat")).ok()?;
    stat.split(' ').next()?.parse().ok()
}
