//! `strace` on a running process: its system calls fail or take longer for as long as this lives.

use counterfoil_tests::wait;
use rustix::process::Signal;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long it may take to attach or to let go.
const PATIENCE: Duration = Duration::from_secs(20);

/// Traces a process until it is dropped.
pub(crate) struct Tracer {
    child: Child,
    calls: PathBuf,
}

impl Tracer {
    /// Attaches to the process `id` and all its threads, and injects what `injection` says, such as
    /// `fdatasync,fsync:error=EIO:when=1+2`.
    pub(crate) fn attach(id: u32, injection: &str, folder: &Path) -> Result<Self, String> {
        let log = folder.join(format!("{}.log", counterfoil_tests::unique("strace")));
        let errors = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let calls = folder.join(format!("{}.calls", counterfoil_tests::unique("strace")));
        let traced = injection.split(':').next().unwrap_or_default();
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &id.to_string(), "-o"]).arg(&calls);
        command.args(["-e", &format!("trace={traced}"), "-e", &format!("inject={injection}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        let child = command.spawn().map_err(|error| format!("strace: {error}"))?;
        let tracer = Self { child, calls };
        let attached = || fs::read_to_string(&log).is_ok_and(|said| said.contains("attached"));
        wait::within(PATIENCE, || attached().then_some(()))
            .ok_or_else(|| format!("strace: {}", fs::read_to_string(&log).unwrap_or_default()))?;
        Ok(tracer)
    }

    /// How many system calls it has changed so far.
    pub(crate) fn injected(&self) -> usize {
        let calls = fs::read_to_string(&self.calls).unwrap_or_default();
        calls.lines().filter(|call| call.ends_with("(INJECTED)") || call.ends_with("(DELAYED)")).count()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Asked to end, it lets the process go on; killed, the kernel does that.
        let _asked = crate::rig::signal(self.child.id(), Signal::TERM);
        let ended = wait::within(PATIENCE, || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}
