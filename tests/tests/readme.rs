//! The script in the README runs, as it stands there.

use counterfoil_tests::{counterfoil, free_port};
use std::path::Path;
use std::process::Command;

/// Seconds after which the script is ended; it takes a few.
const SCRIPT_SECONDS_MAX: &str = "120";

#[test]
fn what_the_readme_says_to_type_shows_a_verdict() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let section = readme.split("\n## ").find(|it| it.starts_with("Watch something")).expect("the section");
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let script = blocks.collect::<String>();
    // Other tests run at the same time, so the ports are others than those that are printed.
    let ports = ["7411", "7413"];
    let script = ports.iter().fold(script, |text, port| text.replace(port, &free_port().to_string()));

    let folder = tempfile::tempdir().expect("a folder");
    let programs = counterfoil().parent().expect("a program is in a folder").display();
    let mut command = Command::new("timeout");
    command.args([SCRIPT_SECONDS_MAX, "bash", "-euo", "pipefail", "-c"]);
    command.arg(format!("PATH={programs}:$PATH\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"));
    let output = command.current_dir(folder.path()).output().expect("bash runs");
    let (shown, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ended with {}:\n{shown}\n{log}", output.status);
    for part in ["\"key\":\"user-8\"", "\"kind\":\"missing\"", "\"confirmed\":1"] {
        assert!(shown.contains(part), "{part} in:\n{shown}\n{log}");
    }
}
