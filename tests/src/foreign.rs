//! Clients that are not ours: what they are run with.

use counterfoil_proto::wire::DESCRIPTORS;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a Python script of `tests/foreign` with the stock protobuf library. Its first argument is a file with the
/// descriptors of all messages, as `protoc --descriptor_set_out` writes them.
///
/// # Panics
///
/// If no Python is named by the test run, or it cannot be run.
#[must_use]
pub fn python(folder: &Path, script: &str, arguments: &[&str]) -> Output {
    let python = crate::environment("COUNTERFOIL_TEST_PYTHON")
        .expect("COUNTERFOIL_TEST_PYTHON is not set; run `cargo xtask test`, which finds or makes one");
    let descriptors = folder.join("descriptors.bin");
    std::fs::write(&descriptors, DESCRIPTORS).expect("the descriptors are written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(script);
    let mut command = Command::new(python);
    command.arg(script).arg(descriptors).args(arguments);
    command.output().expect("Python runs")
}

/// Runs a shell line, such as one that pipes into `socat`.
///
/// # Panics
///
/// If the shell cannot be run.
#[must_use]
pub fn shell(line: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null()).output().expect("a shell")
}
