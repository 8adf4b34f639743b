//! The command under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Folders of the work tree that the command is not made of.
const NOT_ITS_SOURCES: [&str; 5] = ["target", "tests", "fuzz", "xtask", ".git"];

/// How the names of its sources end.
const SOURCES: [&str; 6] = ["rs", "proto", "html", "css", "js", "svg"];

/// The `counterfoil` command that belongs to this build: it lies beside the test programs. It is built first where it
/// is missing or older than its sources, as when only this package's tests are run.
///
/// # Panics
///
/// If it does not build.
#[must_use]
pub fn counterfoil() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let folder = profile_folder();
        let binary = folder.join("counterfoil");
        if !is_fresh(&binary) {
            build(&folder);
        }
        binary
    })
}

/// `target/debug` or `target/release`: the folder of this program, or the one above its `deps`.
fn profile_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its file");
    let folder = own.parent().expect("a file is in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps is in a folder").to_owned()
    } else {
        folder.to_owned()
    }
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn is_fresh(binary: &Path) -> bool {
    let Ok(built) = binary.metadata().and_then(|it| it.modified()) else { return false };
    std::fs::read_dir(root()).into_iter().flatten().flatten().all(|entry| {
        let skipped = NOT_ITS_SOURCES.iter().any(|name| entry.file_name() == *name);
        skipped || newest_source(&entry.path()).is_none_or(|changed| changed <= built)
    })
}

/// When the newest source at or below `path` changed.
fn newest_source(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        return entries.filter_map(|entry| newest_source(&entry.path())).max();
    }
    let is_source = path.extension().is_some_and(|it| SOURCES.iter().any(|kind| it == *kind));
    is_source.then(|| path.metadata().and_then(|it| it.modified()).ok()).flatten()
}

fn build(folder: &Path) {
    let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    command.current_dir(root()).args(["build", "--quiet", "--package", "counterfoil"]);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the command under test did not build");
}
