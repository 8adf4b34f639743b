//! A configuration of either process, from its text to what the process works with.
//!
//! The input is YAML; behind a line `--set` stand overlays, one a line. The one kind of file that is read on the way, that
//! of keys, is read from a folder of our own, whatever the configuration names.
#![no_main]

use counterfoil_comparator::config as comparator;
use counterfoil_settings::{Problems, Sources};
use counterfoil_sidecar::config as sidecar;
use libfuzzer_sys::fuzz_target;
use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::OnceLock;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (yaml, overlays) = text.split_once("\n--set\n").unwrap_or((text, ""));
    let sources = Sources { yaml: yaml.to_owned(), overlays: overlays.lines().map(str::to_owned).collect() };
    let made = match sources.kind() {
        Ok(Some(kind)) if kind == "comparator" => comparator_settings(&sources),
        _ => sidecar_settings(&sources),
    };
    if let Err(problems) = made {
        assert!(!problems.0.is_empty(), "what is refused is told");
        assert!(problems.0.iter().all(|problem| !problem.message.is_empty()), "{problems:?}");
    }
});

fn comparator_settings(sources: &Sources) -> Result<(), Problems> {
    let mut written: comparator::Written = sources.written()?;
    written.keys.iter_mut().for_each(|key| key.file = key_file().clone());
    comparator::Settings::try_from_written(written).map(drop)
}

fn sidecar_settings(sources: &Sources) -> Result<(), Problems> {
    let written: sidecar::Written = sources.written()?;
    sidecar::Settings::try_from_written(written).map(drop)
}

/// A key in a folder of this process.
fn key_file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
        // libFuzzer ends the process without a word, so that nobody would be left to remove the folder.
        let path = folder.expect("a folder").keep().join("key");
        let file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path);
        file.and_then(|mut file| file.write_all("07".repeat(32).as_bytes())).expect("a key");
        path
    })
}
