//! Both processes and the application, running: each can be started, killed and frozen by itself.

use crate::application::Application;
use crate::machine::Machine;
use crate::plan::{Place, Plan};
use crate::told::{self, Life};
use crate::tools;
use counterfoil_tests::{Process, free_port, http, unique, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a process may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The sidecar may take no more memory than this, in KiB.
const SIDECAR_KIB_MAX: u64 = 192 << 10;
/// The comparator may take no more memory than this, in KiB.
const COMPARATOR_KIB_MAX: u64 = 384 << 10;

/// Everything of a round. Fields go in this order: processes before the folder that they write to.
pub(crate) struct Rig<'a> {
    pub(crate) app: Option<Application>,
    sidecar: Option<Process>,
    comparator: Option<Process>,
    /// What each life of the comparator said last, but for the present one.
    pub(crate) lives: Vec<Life>,
    /// Memory beyond its bound.
    pub(crate) swollen: Vec<String>,
    apps: u32,
    pub(crate) plan: Plan,
    pub(crate) place: Place,
    pub(crate) machine: &'a Machine,
    folder: TempDir,
}

impl<'a> Rig<'a> {
    /// A folder with key and store; nothing runs yet.
    pub(crate) fn new(plan: Plan, machine: &'a Machine) -> Result<Self, String> {
        let made = tempfile::Builder::new().prefix("counterfoil-faults-").tempdir();
        let folder = made.map_err(|error| format!("a temporary folder: {error}"))?;
        let key = folder.path().join("key");
        write(&key, &"07".repeat(32))?;
        let only_mine = fs::set_permissions(&key, fs::Permissions::from_mode(0o400));
        only_mine.map_err(|error| format!("{}: {error}", key.display()))?;
        let store = folder.path().join("store.db").display().to_string();
        let place = Place {
            folder: folder.path().to_owned(),
            grpc: free_port(),
            http: free_port(),
            admin: free_port(),
            store: machine.given.redis.clone().unwrap_or(store),
            map: unique("cart"),
        };
        let (lives, swollen) = (Vec::new(), Vec::new());
        Ok(Self {
            app: None,
            sidecar: None,
            comparator: None,
            lives,
            swollen,
            apps: 0,
            plan,
            place,
            machine,
            folder,
        })
    }

    /// Leaves the folder behind, for a person to look at.
    pub(crate) fn keep_folder(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// Whether `process` (`sidecar` or `comparator`) takes its configuration.
    pub(crate) fn check(&self, process: &str) -> Result<(), String> {
        let file = self.configure(process)?;
        let binary = self.binary().to_string_lossy();
        tools::run(&[&binary, "config", "check", &file.to_string_lossy()]).map(drop)
    }

    /// Starts the comparator and waits until it is ready.
    pub(crate) fn start_comparator(&mut self) -> Result<(), String> {
        let mut command = self.command("comparator")?;
        let process = Process::start("comparator", &mut command, &self.place.folder);
        let port = self.place.http;
        let is_ready = || http::is_ok(port, "/readyz");
        await_ready("comparator", self.comparator.insert(process), is_ready)
    }

    /// Starts the sidecar and waits until it listens.
    pub(crate) fn start_sidecar(&mut self) -> Result<(), String> {
        let mut command = self.command("sidecar")?;
        let socket = self.socket();
        let process = Process::start("sidecar", &mut command, &self.place.folder);
        await_ready("sidecar", self.sidecar.insert(process), || UnixStream::connect(&socket).is_ok())
    }

    /// Starts the application and waits until the sidecar has welcomed it.
    pub(crate) fn start_app(&mut self) -> Result<(), String> {
        let own = std::env::current_exe().map_err(|error| format!("this program's file: {error}"))?;
        let Plan { level, rate, bugs, emitters, seed, .. } = &self.plan;
        let mut command = Command::new(own);
        command.arg("app").arg("--socket").arg(self.socket());
        command.args(["--store", &self.place.store, "--map", &self.place.map, "--level", level.name()]);
        command.args(["--rate", &rate.to_string(), "--bugs", &bugs.to_string()]);
        command.args(["--emitters", &emitters.to_string(), "--seed", &seed.to_string()]);
        command.args(["--life", &self.apps.to_string()]);
        self.apps += 1;
        self.app = Some(Application::start(&mut command, &self.place.folder)?);
        Ok(())
    }

    /// The application.
    pub(crate) fn app(&self) -> Result<&Application, String> {
        self.app.as_ref().ok_or_else(|| "no application runs".to_owned())
    }

    /// The sidecar's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.at("emit.sock")
    }

    /// The sidecar's id as a process.
    pub(crate) fn sidecar_id(&self) -> Result<u32, String> {
        self.sidecar.as_ref().map(Process::id).ok_or_else(|| "no sidecar runs".to_owned())
    }

    /// The comparator's id as a process.
    pub(crate) fn comparator_id(&self) -> Result<u32, String> {
        self.comparator.as_ref().map(Process::id).ok_or_else(|| "no comparator runs".to_owned())
    }

    /// Kills the sidecar (SIGKILL).
    pub(crate) fn kill_sidecar(&mut self) {
        self.weigh();
        drop(self.sidecar.take());
    }

    /// Kills the comparator (SIGKILL); what it says just before is the end of this life.
    pub(crate) fn kill_comparator(&mut self) -> Result<(), String> {
        self.weigh();
        let life = Life::of(self.place.http)?;
        drop(self.comparator.take());
        self.lives.push(life);
        Ok(())
    }

    /// Takes note that a process has ended by itself; for the comparator, `said` is what it said last.
    pub(crate) fn ended_by_itself(&mut self, process: &str, said: Option<Life>) {
        if process == "sidecar" {
            drop(self.sidecar.take());
        } else {
            drop(self.comparator.take());
            self.lives.extend(said);
        }
    }

    /// Whether a process (`sidecar` or `comparator`) runs.
    pub(crate) fn is_running(&mut self, process: &str) -> bool {
        let process = if process == "sidecar" { &mut self.sidecar } else { &mut self.comparator };
        process.as_mut().is_some_and(Process::is_running)
    }

    /// The sum of the next numbers that the comparator expects of the application's sources.
    pub(crate) fn known(&self) -> Result<u64, String> {
        let names = self.app()?.names();
        let told = told::sources(self.place.http)?;
        Ok(told.iter().filter(|told| names.contains(&told.source)).map(|told| told.next_seq).sum())
    }

    /// Notes whether a process has taken more memory than it may.
    pub(crate) fn weigh(&mut self) {
        let weights = [
            ("sidecar", &self.sidecar, SIDECAR_KIB_MAX),
            ("comparator", &self.comparator, COMPARATOR_KIB_MAX),
        ];
        for (name, process, max) in weights {
            let peak = process.as_ref().and_then(|process| peak_kib(process.id())).unwrap_or_default();
            if peak > max {
                self.swollen.push(format!("{name} took {peak} KiB of memory, {max} at most were expected"));
            }
        }
    }

    fn binary(&self) -> &Path {
        let given = &self.machine.given;
        given.failpoints.as_deref().filter(|_| self.plan.with_failpoints).unwrap_or(&given.binary)
    }

    fn configure(&self, process: &str) -> Result<PathBuf, String> {
        let config = match process {
            "sidecar" => self.plan.sidecar(&self.place, self.machine),
            _ => self.plan.comparator(&self.place, self.machine),
        };
        let file = self.place.at(&format!("{process}.yaml"));
        // A JSON text is a YAML text.
        write(&file, &config.to_string())?;
        Ok(file)
    }

    fn command(&self, process: &str) -> Result<Command, String> {
        let (under, environment) = match process {
            "sidecar" => (self.plan.sidecar_under.as_slice(), &self.plan.sidecar_environment),
            _ => (&[][..], &self.plan.comparator_environment),
        };
        // It ends with the harness, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(under).arg(self.binary());
        command.arg(process).arg("--config").arg(self.configure(process)?);
        command.env("NO_COLOR", "1").envs(environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(id: u32, signal: Signal) -> Result<(), String> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or("no process has this id")?;
    kill_process(pid, signal).map_err(|error| format!("a signal to process {id}: {error}"))
}

/// The most memory that a process had, in KiB.
fn peak_kib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn await_ready(name: &str, process: &mut Process, mut is_ready: impl FnMut() -> bool) -> Result<(), String> {
    let ready = wait::within(READY_WITHIN, || {
        let ended = !process.is_running();
        (ended || is_ready()).then_some(!ended)
    });
    match ready {
        Some(true) => Ok(()),
        Some(false) => Err(format!("the {name} ended before it was ready: {}", process.log())),
        None => Err(format!("the {name} was not ready within {READY_WITHIN:?}: {}", process.log())),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
