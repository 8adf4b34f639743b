//! A Python with the stock protobuf library, for the test whose client is not ours.

use crate::{cargo, tools};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Gives a Python that can import `google.protobuf`: one that is here, else a virtual environment in `target/`, else
/// Debian's.
///
/// # Errors
///
/// One line that says what to install.
pub(crate) fn with_protobuf() -> Result<PathBuf, String> {
    let environment = cargo::root().join("target/xtask/venv");
    let own = environment.join("bin/python");
    let debian = PathBuf::from("/usr/bin/python3");
    let candidates = [Some(own.clone()), tools::on_path("python3"), Some(debian.clone())];
    if let Some(python) = candidates.into_iter().flatten().find(|python| has_protobuf(python)) {
        return Ok(python);
    }
    if make(&environment) && has_protobuf(&own) {
        return Ok(own);
    }
    tools::apt_install(&["python3-protobuf"])?;
    if has_protobuf(&debian) { Ok(debian) } else { Err(tools::please_install(&["python3-protobuf"])) }
}

fn has_protobuf(python: &Path) -> bool {
    python.is_file() && tools::succeeds(quiet(python).args(["-c", "import google.protobuf"]))
}

fn make(environment: &Path) -> bool {
    eprintln!("making a Python environment with protobuf in {}", environment.display());
    let made = tools::succeeds(quiet("python3").args(["-m", "venv", "--clear"]).arg(environment));
    made && tools::succeeds(
        quiet(environment.join("bin/python")).args(["-m", "pip", "install", "--quiet", "protobuf"]),
    )
}

fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
