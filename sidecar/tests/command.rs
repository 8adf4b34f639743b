//! The sidecar as a process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

fn sidecar(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil-sidecar"));
    command.args(arguments).env("COUNTERFOIL__DRAIN_MS_MAX", "20").stderr(Stdio::piped());
    command
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = sidecar(arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn config(folder: &Path) -> String {
    let (path, key) = (folder.join("config.yaml"), folder.join("key"));
    counterfoil_keys::create_file(&key, &"0f".repeat(32)).unwrap();
    let yaml = format!(
        "kind: sidecar\nsocket: {{path: '{}'}}\nkeys: [{{id: k1, file: '{}'}}]\nmaps: [{{name: cart}}]\n\
         uplink: {{endpoint: 'http://127.0.0.1:1', insecure: true}}\n",
        folder.join("emit.sock").display(),
        key.display()
    );
    std::fs::write(&path, yaml).unwrap();
    path.display().to_string()
}

#[test]
fn an_unreadable_configuration_is_named_and_ends_with_2() {
    let (code, stderr) = refused(&["--config", "/nonexistent/sidecar.yaml"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/nonexistent/sidecar.yaml"), "{stderr}");
}

#[test]
fn every_problem_of_a_configuration_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let (code, stderr) = refused(&[
        "--config",
        &config,
        "--set",
        "uplink.insecure=false",
        "--set",
        "limits.value_bytes_max=65536",
    ]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("uplink.insecure: ") && stderr.contains("limits.frame_bytes_max: "), "{stderr}");
}

#[test]
fn a_sidecar_that_cannot_be_built_says_why_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let (code, stderr) = refused(&["--config", &config, "--set", "keys[0].file=/nonexistent"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("keys[0].file"), "{stderr}");
}

/// Reads the log until the line that says the sidecar listens.
fn listening(child: &mut Child) -> BufReader<ChildStderr> {
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        if line.contains("the sidecar listens") {
            return log;
        }
        line.clear();
    }
    panic!("the sidecar ended");
}

#[test]
fn sigterm_ends_it_well_and_removes_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut child = sidecar(&["--config", &config]).spawn().unwrap();
    let _log = listening(&mut child);
    let socket = folder.path().join("emit.sock");
    let mut shell = UnixStream::connect(&socket).unwrap();
    shell.write_all(b"{\"hello\":{}}\n").unwrap();
    let mut welcome = String::new();
    BufReader::new(shell).read_line(&mut welcome).unwrap();
    assert!(welcome.contains("\"maps\":[\"cart\"]"), "{welcome}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!socket.exists());
}
