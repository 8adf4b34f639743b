//! A Python with the stock libraries of protobuf and gRPC, for the tests whose client or server is not ours.

use crate::{cargo, tools};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What must be there to import, what brings it with pip, and what with apt-get.
const MODULES: &str = "import google.protobuf, grpc, grpc_tools";
const FROM_PIP: [&str; 3] = ["protobuf", "grpcio", "grpcio-tools"];
const FROM_DEBIAN: [&str; 3] = ["python3-protobuf", "python3-grpcio", "python3-grpc-tools"];

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
    if make(&environment) && has_libraries(&own) {
        return Ok(own);
    }
    tools::apt_install(&FROM_DEBIAN)?;
    if has_libraries(&debian) { Ok(debian) } else { Err(tools::please_install(&FROM_DEBIAN)) }
}

fn has_libraries(python: &Path) -> bool {
    python.is_file() && tools::succeeds(quiet(python).args(["-c", MODULES]))
}

fn make(environment: &Path) -> bool {
    eprintln!("making a Python environment with protobuf and gRPC in {}", environment.display());
    let made = tools::succeeds(quiet("python3").args(["-m", "venv", "--clear"]).arg(environment));
    made && tools::succeeds(
        quiet(environment.join("bin/python")).args(["-m", "pip", "install", "--quiet"]).args(FROM_PIP),
    )
}

fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
