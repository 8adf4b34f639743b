//! A Python with the stock libraries of protobuf and gRPC, for the tests whose client or server is not ours; and reladiff,
//! which a bench compares with.

use crate::{cargo, tools};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What must be there to import, what brings it with pip, and what with apt-get.
const MODULES: &str = "import google.protobuf, grpc, grpc_tools";
const FROM_PIP: [&str; 3] = ["protobuf", "grpcio", "grpcio-tools"];
const FROM_DEBIAN: [&str; 3] = ["python3-protobuf", "python3-grpcio", "python3-grpc-tools"];

/// What a sweep is compared with: the program that it is installed as, and how pip names it.
const RELADIFF: &str = "reladiff";
const RELADIFF_FROM_PIP: [&str; 1] = ["reladiff[postgresql]==0.6.0"];

/// Gives a Python that can import protobuf and gRPC: one that is here, else a virtual environment in `target/`, else
/// Debian's.
///
/// # Errors
///
/// One line that says what to install.
pub(crate) fn with_libraries() -> Result<PathBuf, String> {
    let environment = cargo::root().join("target/xtask/venv");
    let own = environment.join("bin/python");
    let debian = PathBuf::from("/usr/bin/python3");
    let candidates = [Some(own.clone()), tools::on_path("python3"), Some(debian.clone())];
    if let Some(python) = candidates.into_iter().flatten().find(|python| has_libraries(python)) {
        return Ok(python);
    }
    if make(&environment, &FROM_PIP) && has_libraries(&own) {
        return Ok(own);
    }
    tools::apt_install(&FROM_DEBIAN)?;
    if has_libraries(&debian) { Ok(debian) } else { Err(tools::please_install(&FROM_DEBIAN)) }
}

fn has_libraries(python: &Path) -> bool {
    python.is_file() && tools::succeeds(quiet(python).args(["-c", MODULES]))
}

/// Gives the program `reladiff`, in a virtual environment of its own in `target/`.
///
/// # Errors
///
/// One line that says what did not work.
pub(crate) fn with_reladiff() -> Result<PathBuf, String> {
    let environment = cargo::root().join("target/xtask/reladiff");
    let program = environment.join("bin").join(RELADIFF);
    let is_there = || program.is_file() && tools::succeeds(quiet(&program).arg("--version"));
    if is_there() || (make(&environment, &RELADIFF_FROM_PIP) && is_there()) {
        return Ok(program);
    }
    let [package] = RELADIFF_FROM_PIP;
    Err(format!("reladiff cannot be installed; see that `python3 -m venv` and `pip install {package}` work"))
}

fn make(environment: &Path, packages: &[&str]) -> bool {
    eprintln!("making a Python environment with {} in {}", packages.join(", "), environment.display());
    let made = tools::succeeds(quiet("python3").args(["-m", "venv", "--clear"]).arg(environment));
    made && tools::succeeds(
        quiet(environment.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(packages),
    )
}

fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
