//! Private servers of Postgres, MariaDB and Redis, on free ports, with their data in temporary folders.
//!
//! Invariant: no server outlives this process, however it ends. Each runs under a shell that waits for the end of its
//! standard input, which is a pipe from here: when this process is done, or killed, the pipe closes and the shell stops
//! the server by its id and removes its folder.

use crate::Done;
use crate::certificates::Certificates;
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
    /// Where clients find it that speak TLS from the first byte on; the same if they agree about that there.
    pub(crate) tls_url: String,
    guard: Child,
}

impl Server {
    /// Starts a Postgres that trusts everybody on this machine and syncs nothing.
    pub(crate) fn postgres(tools: &Tools, certificates: &Certificates) -> Result<Self, String> {
        let folder = folder("postgres")?;
        certificates.copy_to(&folder)?;
        let mut initdb = POSTGRES.command(&tools.postgres.join("initdb"), &folder)?;
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "--pgdata"]);
        finish("initdb", initdb.arg(folder.join("data")).current_dir(&folder))?;
        Self::start_postgres(tools, &folder)
    }

    /// Starts a hot standby of that Postgres. It has to be stopped first.
    pub(crate) fn postgres_standby(
        tools: &Tools,
        certificates: &Certificates,
        primary: &Self,
    ) -> Result<Self, String> {
        let folder = folder("postgres-standby")?;
        certificates.copy_to(&folder)?;
        let mut backup = POSTGRES.command(&tools.postgres.join("pg_basebackup"), &folder)?;
        backup.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--dbname", &primary.url]);
        finish("pg_basebackup", backup.arg("--pgdata").arg(folder.join("data")).current_dir(&folder))?;
        Self::start_postgres(tools, &folder)
    }

    fn start_postgres(tools: &Tools, folder: &Path) -> Result<Self, String> {
        let port = free_port()?;
        let mut command = POSTGRES.command(&tools.postgres.join("postgres"), folder)?;
        command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
        let socket_folder = format!("unix_socket_directories={}", folder.display());
        let settings = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=200",
            "ssl=on",
        ];
        for setting in settings.into_iter().chain([socket_folder.as_str()]) {
            command.args(["-c", setting]);
        }
        for (setting, file) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
            command.args(["-c", &format!("{setting}={}", folder.join(file).display())]);
        }
        let ready = tools.postgres.join("pg_isready");
        let answers = || {
            let mut ask = Command::new(&ready);
            ask.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
            tools::succeeds(&mut ask)
        };
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        // SIGINT: stop at once. SIGTERM would wait for clients to leave.
        Self::start(&command, folder, url, "INT", answers)
    }

    /// Starts a MariaDB with one user, `counterfoil`, who may do everything and has no password.
    pub(crate) fn mariadb(tools: &Tools, certificates: &Certificates) -> Result<Self, String> {
        let folder = folder("mariadb")?;
        certificates.copy_to(&folder)?;
        let data = folder.join("data");
        let mut install = MARIADB.command(&tools.mariadb_install, &folder)?;
        install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
        finish("mariadb-install-db", install.arg(option("datadir", &data)).current_dir(&folder))?;
        let users = folder.join("users.sql");
        fs::write(&users, MARIADB_USERS).map_err(|error| format!("{}: {error}", users.display()))?;
        let port = free_port()?;
        let mut command = MARIADB.command(&tools.mariadbd, &folder)?;
        command.args(["--no-defaults", "--skip-log-bin", "--skip-name-resolve", "--bind-address=127.0.0.1"]);
        command.args(["--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4"]);
        command.arg(format!("--port={port}")).arg(option("datadir", &data));
        command.arg(option("socket", &folder.join("socket"))).arg(option("init-file", &users));
        for (name, file) in [("ssl-ca", "ca.pem"), ("ssl-cert", "server.pem"), ("ssl-key", "server.key")] {
            command.arg(option(name, &folder.join(file)));
        }
        let url = format!("mysql://counterfoil@127.0.0.1:{port}/counterfoil");
        Self::start(&command, &folder, url, "TERM", || mariadb_answers(port))
    }

    /// Starts a Redis that keeps everything in memory.
    pub(crate) fn redis(tools: &Tools, certificates: &Certificates) -> Result<Self, String> {
        let folder = folder("redis")?;
        certificates.copy_to(&folder)?;
        let (port, tls_port) = (free_port()?, free_port()?);
        let mut command = redis_at(port, tools, &folder);
        command.args(["--tls-port", &tls_port.to_string(), "--tls-auth-clients", "optional"]);
        for (name, file) in [
            ("--tls-ca-cert-file", "ca.pem"),
            ("--tls-cert-file", "server.pem"),
            ("--tls-key-file", "server.key"),
        ] {
            command.arg(name).arg(folder.join(file));
        }
        let url = format!("redis://127.0.0.1:{port}");
        let mut started = Self::start(&command, &folder, url, "TERM", || redis_answers(port))?;
        started.tls_url = format!("rediss://127.0.0.1:{tls_port}");
        Ok(started)
    }

    /// Starts a Redis cluster of one node, which has all slots.
    pub(crate) fn redis_cluster(tools: &Tools) -> Result<Self, String> {
        let folder = folder("redis-cluster")?;
        let (port, bus_port) = (free_port()?, free_port()?);
        let mut command = redis_at(port, tools, &folder);
        command.args(["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"]);
        command.args(["--cluster-port", &bus_port.to_string()]);
        let url = format!("redis://127.0.0.1:{port}");
        Self::start(&command, &folder, url, "TERM", || {
            // Slots that are there already are refused, and that changes nothing.
            redis_says(port, "CLUSTER ADDSLOTSRANGE 0 16383").is_some()
                && redis_says(port, "CLUSTER INFO").is_some_and(|info| info.contains("cluster_state:ok"))
        })
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
        let server = Self { tls_url: url.clone(), url, guard };
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

/// A server that refuses to run as root: root runs it as the user of its package, who then owns the folder.
struct Unprivileged {
    user: &'static str,
    package: &'static str,
}

const POSTGRES: Unprivileged = Unprivileged { user: "postgres", package: "postgresql" };
const MARIADB: Unprivileged = Unprivileged { user: "mysql", package: "mariadb-server" };

/// Run before the server listens.
const MARIADB_USERS: &str = "CREATE DATABASE counterfoil;
CREATE USER counterfoil@'%';
GRANT ALL ON *.* TO counterfoil@'%' WITH GRANT OPTION;
";

impl Unprivileged {
    fn command(&self, program: &Path, folder: &Path) -> Result<Command, String> {
        if !tools::is_root() {
            return Ok(Command::new(program));
        }
        let Self { user, package } = self;
        if !tools::succeeds(Command::new("chown").arg("-R").arg(format!("{user}:{user}")).arg(folder)) {
            return Err(tools::please_install(&[*package]));
        }
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
        command.args(["--init-groups", "--"]).arg(program);
        Ok(command)
    }
}

/// A Redis that keeps everything in memory.
fn redis_at(port: u16, tools: &Tools, folder: &Path) -> Command {
    let mut command = Command::new(&tools.redis);
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder);
    command
}

/// Runs what prepares a server to its end.
fn finish(name: &str, command: &mut Command) -> Done {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    let said = || format!("{name}: {}", String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(said()) }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// A MariaDB greets first: four bytes of a header, and the version of its protocol.
fn mariadb_answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).is_ok() && greeting.ends_with(&[10])
}

fn redis_answers(port: u16) -> bool {
    redis_says(port, "PING").is_some_and(|said| said == "+PONG\r\n")
}

/// All that a Redis says to a command and a goodbye, but for its goodbye.
fn redis_says(port: u16, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    said.strip_suffix("+OK\r\n").map(str::to_owned)
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
