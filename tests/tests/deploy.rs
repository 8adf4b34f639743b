//! The configurations that ship with the manifests are ones that the processes take.

use counterfoil_tests::{Setup, counterfoil};
use std::fs;
use std::path::Path;
use std::process::Command;

const KEY_FILE: &str = "/run/secrets/counterfoil/key";

#[test]
fn the_configurations_of_the_manifests_are_valid() {
    let setup = Setup::new();
    let key = setup.folder().join("key");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes/config");
    for process in ["sidecar", "comparator"] {
        let shipped =
            fs::read_to_string(folder.join(format!("{process}.yaml"))).expect("a shipped configuration");
        assert!(shipped.contains(KEY_FILE), "{process}: the key is where the manifests mount it");
        let config = setup.write("shipped.yaml", &shipped.replace(KEY_FILE, &key.display().to_string()));
        let output =
            Command::new(counterfoil()).args(["config", "check"]).arg(config).output().expect("it runs");
        assert!(output.status.success(), "{process}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
