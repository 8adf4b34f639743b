//! What the product is made of: `cargo xtask deny` holds it to `deny.toml`, `cargo xtask sbom` lists it.

use crate::{Done, cargo};
use std::fs;
use std::process::Stdio;
use std::time::Duration;

/// Where the lists of components are put, below the root; one for each program.
const PLACE: &str = "target/sbom";

/// How often it is looked whether the advisories are there, and how often at most: 20 seconds.
const FETCH_LOOK_EVERY: Duration = Duration::from_millis(100);
const FETCH_LOOKS_MAX: u32 = 200;

/// Licences, sources and forbidden crates; and, where the advisories can be fetched, known vulnerabilities. Crates that are
/// there in several versions are told by `cargo deny check bans`.
pub(crate) fn deny() -> Done {
    cargo::install("cargo-deny")?;
    // It looks at crates for every platform, and building fetched those of this one.
    cargo::run(&["fetch", "--locked"])?;
    let check = ["deny", "--offline", "--workspace", "--log-level", "error", "check"];
    cargo::run(&[&check[..], &["bans", "licenses", "sources"]].concat())?;
    advisories()
}

/// The advisories are a repository that has to be fetched. Where there is no way to it, that is said and is no error: the
/// rest of the check needs no network once the crates are there.
#[allow(clippy::print_stdout, reason = "what was left out belongs to the results")]
fn advisories() -> Done {
    if !is_fetched() {
        println!("skipped: known vulnerabilities: the database of advisories could not be fetched");
        return Ok(());
    }
    cargo::run(&["deny", "--workspace", "--log-level", "error", "check", "--disable-fetch", "advisories"])
}

fn is_fetched() -> bool {
    let mut fetch = cargo::cargo(&["deny", "fetch", "db"]);
    let Ok(mut fetch) = fetch.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
    for _ in 0..FETCH_LOOKS_MAX {
        match fetch.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(FETCH_LOOK_EVERY),
            Err(_) => break,
        }
    }
    // It may have ended by itself just now.
    fetch.kill().ok();
    fetch.wait().ok();
    false
}

/// A bill of materials in CycloneDX form for the command that is shipped, everything linked into it included.
#[allow(clippy::print_stdout, reason = "tells where the result is")]
pub(crate) fn sbom() -> Done {
    cargo::install("cargo-cyclonedx")?;
    let name = "counterfoil.cdx";
    let manifest = "cli/Cargo.toml";
    cargo::run(&["cyclonedx", "--format", "json", "--manifest-path", manifest, "--override-filename", name])?;
    let place = cargo::root().join(PLACE);
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let (made, kept) =
        (cargo::root().join("cli").join(format!("{name}.json")), place.join(format!("{name}.json")));
    fs::rename(&made, &kept).map_err(|error| format!("{}: {error}", made.display()))?;
    println!("wrote {}", kept.display());
    Ok(())
}
