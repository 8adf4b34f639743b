//! The programs that tests run, and the Debian packages they come from.

use crate::{Done, python};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian keeps the server programs of each major version of Postgres.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// Debian names the program as its package.
const ALERTMANAGER: &str = "prometheus-alertmanager";

/// Everything the tests run.
pub(crate) struct Tools {
    /// The directory of `initdb`, `postgres`, `pg_isready` and `pg_basebackup`.
    pub(crate) postgres: PathBuf,
    /// `mariadb-install-db`.
    pub(crate) mariadb_install: PathBuf,
    /// `mariadbd`.
    pub(crate) mariadbd: PathBuf,
    /// `redis-server`.
    pub(crate) redis: PathBuf,
    /// `prometheus`, which scrapes and answers expressions.
    pub(crate) prometheus: PathBuf,
    /// `promtool`, which tests alerting rules.
    pub(crate) promtool: PathBuf,
    /// `prometheus-alertmanager`, which tells people of alerts.
    pub(crate) alertmanager: PathBuf,
    /// `chromium`, which shows the comparator's pages.
    pub(crate) chromium: PathBuf,
    /// A Python that can import protobuf and gRPC.
    pub(crate) python: PathBuf,
}

impl Tools {
    /// Finds the programs; installs their packages where this user may.
    ///
    /// # Errors
    ///
    /// One line that says which Debian packages to install.
    pub(crate) fn find_or_install() -> Result<Self, String> {
        let missing = missing_packages();
        if !missing.is_empty() {
            apt_install(&missing)?;
        }
        let postgres = postgres().ok_or_else(|| please_install(&["postgresql"]))?;
        let redis = on_path("redis-server").ok_or_else(|| please_install(&["redis-server"]))?;
        let mariadb = |program| server(program).ok_or_else(|| please_install(&["mariadb-server"]));
        let (mariadb_install, mariadbd) = (mariadb("mariadb-install-db")?, mariadb("mariadbd")?);
        let of_prometheus = |program| on_path(program).ok_or_else(|| please_install(&["prometheus"]));
        let (prometheus, promtool) = (of_prometheus("prometheus")?, of_prometheus("promtool")?);
        let alertmanager = on_path(ALERTMANAGER).ok_or_else(|| please_install(&[ALERTMANAGER]))?;
        let chromium = on_path("chromium").ok_or_else(|| please_install(&["chromium"]))?;
        on_path("socat").ok_or_else(|| please_install(&["socat"]))?;
        Ok(Self {
            postgres,
            mariadb_install,
            mariadbd,
            redis,
            prometheus,
            promtool,
            alertmanager,
            chromium,
            python: python::with_libraries()?,
        })
    }
}

fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if postgres().is_none() {
        missing.push("postgresql");
    }
    if server("mariadbd").is_none() {
        missing.push("mariadb-server");
    }
    for (program, package) in [
        ("redis-server", "redis-server"),
        ("socat", "socat"),
        ("curl", "curl"),
        ("python3", "python3-venv"),
        ("promtool", "prometheus"),
        (ALERTMANAGER, ALERTMANAGER),
        ("chromium", "chromium"),
    ] {
        if on_path(program).is_none() {
            missing.push(package);
        }
    }
    missing
}

/// Installs Debian packages, without starting the services they bring.
///
/// # Errors
///
/// One line that says which packages to install, where this user may not or it did not work.
pub(crate) fn apt_install(packages: &[&str]) -> Done {
    if !is_root() || on_path("apt-get").is_none() {
        return Err(please_install(packages));
    }
    eprintln!("installing {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        succeeds(command.stdin(Stdio::null()).stdout(Stdio::null()))
    };
    // An old list may still be good enough, so only the installation has to succeed.
    let updated = apt(&["update"]);
    if apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat()) {
        return Ok(());
    }
    let hint = if updated { "" } else { " (apt-get update did not work either)" };
    Err(format!("{}{hint}", please_install(packages)))
}

pub(crate) fn please_install(packages: &[&str]) -> String {
    format!("tests need programs that are not here; run: apt-get install {}", packages.join(" "))
}

/// Whether a command can be run and ends well.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// Whether this process runs as root: who owns /proc/self says so.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The first program of that name on the search path.
#[allow(clippy::disallowed_methods, reason = "the search path of programs is what this is about")]
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// A program on the search path, or where Debian keeps servers, which is on root's path only.
fn server(program: &str) -> Option<PathBuf> {
    on_path(program).or_else(|| Some(Path::new("/usr/sbin").join(program)).filter(|file| file.is_file()))
}

/// The newest version that Debian's packages brought, or what is on the path.
fn postgres() -> Option<PathBuf> {
    let has_all = |directory: &Path| {
        ["initdb", "postgres", "pg_isready", "pg_basebackup"].iter().all(|it| directory.join(it).is_file())
    };
    let version =
        |directory: &PathBuf| directory.parent().and_then(|it| it.file_name()?.to_str()?.parse::<u32>().ok());
    let installed = std::fs::read_dir(POSTGRES_VERSIONS).into_iter().flatten().flatten();
    let newest = installed.map(|it| it.path().join("bin")).filter(|it| has_all(it)).max_by_key(version);
    newest.or_else(|| Some(on_path("initdb")?.parent()?.to_owned()).filter(|it| has_all(it)))
}
