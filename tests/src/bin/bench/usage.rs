//! What the kernel counted for a process or a thread.

use std::fs;
use std::path::Path;

/// CPU time of all threads of a process so far, in nanoseconds. Threads that ended are not in it: the processes under
/// measurement keep theirs.
pub(crate) fn process_cpu_ns(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    tasks.flatten().map(|task| cpu_ns(&task.path())).sum()
}

/// CPU time of this thread so far, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> f64 {
    cpu_ns(Path::new("/proc/thread-self"))
}

/// The first figure of `schedstat`: time on a processor.
fn cpu_ns(task: &Path) -> f64 {
    let stat =
        fs::read_to_string(task.join("schedstat")).expect("the kernel counts CPU time (CONFIG_SCHED_INFO)");
    stat.split(' ').next().and_then(|figure| figure.parse().ok()).expect("a figure")
}

/// The largest resident memory of a process so far, in bytes.
pub(crate) fn peak_bytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a figure");
    kib * 1024.0
}
