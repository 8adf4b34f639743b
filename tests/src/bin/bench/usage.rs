//! What the kernel counted for a process or a thread.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Where `utime`, which `stime` follows, stands in `/proc/PID/stat` behind the program's name.
const USER_TIME: usize = 11;
/// In what Linux shows to programs, whatever it counts in itself.
const TICKS_PER_S: f64 = 100.0;

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

/// CPU time of a process so far, in seconds, with that of threads that have ended; counted in hundredths.
pub(crate) fn process_cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name of the program, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ").expect("a line of proc(5)");
    let ticks = fields.split(' ').skip(USER_TIME).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_S
}
