//! A private Postgres and a private Redis, on free ports, with their data in temporary folders.
//!
//! Invariant: no server outlives this process, however it ends. Each runs under a shell that waits for the end of its
//! standard input, which is a pipe from here: when this process is done, or killed, the pipe closes and the shell stops
//! the server by its id and removes its folder.

use crate::tools::{self, Tools};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Runs "$@" until standard input ends, then stops it by $SIGNAL and removes the folder $FOLDER.
const GUARD: &str =
    r#""$@" & server=$!; read -r _; kill -s "$SIGNAL" "$server"; wait "$server"; rm -rf -- "$FOLDER""#;

/// How often, and how many times, a server is asked whether it answers.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ASK_TIMES: u32 = 600;

/// A server that runs; it is stopped when this is dropped.
pub(crate) struct Server {
    /// Where clients find it.
    pub(crate) url: String,
    guard: Child,
}

impl Server {
    /// Starts a Postgres that trusts everybody on this machine and syncs nothing.
    pub(crate) fn postgres(tools: &Tools) -> Result<Self, String> {
        let folder = folder("postgres")?;
        let data = folder.join("data");
        let mut initdb = as_postgres(&tools.postgres.join("initdb"), &folder)?;
        initdb
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "--pgdata"])
            .arg(&data);
        let output = initdb.current_dir(&folder).output().map_err(|error| format!("initdb: {error}"))?;
        if !output.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let port = free_port()?;
        let mut command = as_postgres(&tools.postgres.join("postgres"), &folder)?;
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        let socket_folder = format!("unix_socket_directories={}", folder.display());
        let settings =
            ["listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "max_connections=200"];
        for setting in settings.into_iter().chain([socket_folder.as_str()]) {
            command.args(["-c", setting]);
        }
        let ready = tools.postgres.join("pg_isready");
        let answers = || {
            let mut ask = Command::new(&ready);
            ask.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
            tools::succeeds(&mut ask)
        };
        // SIGINT: stop at once. SIGTERM would wait for clients to leave.
        Self::start(
            &command,
            &folder,
            format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            "INT",
            answers,
        )
    }

    /// Starts a Redis that keeps everything in memory.
    pub(crate) fn redis(tools: &Tools) -> Result<Self, String> {
        let folder = folder("redis")?;
        let port = free_port()?;
        let mut command = Command::new(&tools.redis);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
        ]);
        command.arg(&folder);
        Self::start(&command, &folder, format!("redis://127.0.0.1:{port}"), "TERM", || redis_answers(port))
    }

    fn start(
        command: &Command,
        folder: &Path,
        url: String,
        signal: &str,
        answers: impl Fn() -> bool,
    ) -> Result<Self, String> {
        let log = folder.join("log");
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "guard"]).arg(command.get_program()).args(command.get_args());
        shell.env("FOLDER", folder).env("SIGNAL", signal).current_dir(folder).process_group(0);
        shell.stdin(Stdio::piped()).stdout(file).stderr(errors);
        let guard = shell.spawn().map_err(|error| format!("sh: {error}"))?;
        let server = Self { url, guard };
        for _ in 0..ASK_TIMES {
            if answers() {
                return Ok(server);
            }
            sleep(ASK_EVERY);
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        Err(format!("{} does not answer; it said:\n{said}", server.url))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("xtask: waiting for {} to stop: {error}", self.url);
        }
    }
}

fn folder(name: &str) -> Result<PathBuf, String> {
    let made = tempfile::Builder::new().prefix(&format!("counterfoil-{name}-")).tempdir();
    Ok(made.map_err(|error| format!("a temporary folder: {error}"))?.keep())
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    Ok(listener.map_err(|error| format!("a free port: {error}"))?.port())
}

/// Postgres refuses to run as root: root runs it as the user `postgres`, who then owns the folder.
fn as_postgres(program: &Path, folder: &Path) -> Result<Command, String> {
    if !tools::is_root() {
        return Ok(Command::new(program));
    }
    if !tools::succeeds(Command::new("chown").arg("postgres:postgres").arg(folder)) {
        return Err(tools::please_install(&["postgresql"]));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    Ok(command)
}

fn redis_answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = [0; 5];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"+PONG"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_ends_and_its_folder_goes_when_its_owner_is_done() {
        let folder = folder("test").expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > pid; exec sleep 600"]);
        let pid_file = folder.join("pid");
        let server = Server::start(&command, &folder, "test".to_owned(), "TERM", || {
            fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n'))
        });
        let pid = fs::read_to_string(&pid_file).expect("the server wrote its id");
        let process = Path::new("/proc").join(pid.trim());
        assert!(server.is_ok() && process.exists());
        drop(server);
        assert!(!process.exists() && !folder.exists());
    }
}
