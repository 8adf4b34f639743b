//! What the product is made of: `cargo xtask deny` holds it to `deny.toml`, `cargo xtask sbom` lists it.

use crate::{Done, cargo};
use std::fs;

/// Where the lists of components are put, below the root; one for each program.
const PLACE: &str = "target/sbom";

/// Licences, sources, forbidden and doubled crates; and, where the advisories can be fetched or were fetched before, known
/// vulnerabilities.
pub(crate) fn deny() -> Done {
    cargo::install("cargo-deny")?;
    cargo::run(&["deny", "--offline", "--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])?;
    advisories()
}

/// The advisories are a repository that has to be fetched. Where there is no way to it, that is said and is no error: the
/// rest of the check needs no network.
#[allow(clippy::print_stdout, reason = "what was left out belongs to the results")]
fn advisories() -> Done {
    let fetched = cargo::cargo(&["deny", "fetch", "db"]).output();
    if !fetched.is_ok_and(|output| output.status.success()) {
        println!("skipped: known vulnerabilities: the database of advisories could not be fetched");
        return Ok(());
    }
    cargo::run(&["deny", "--workspace", "check", "--disable-fetch", "advisories"])
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
    let (made, kept) = (cargo::root().join("cli").join(format!("{name}.json")), place.join(format!("{name}.json")));
    fs::rename(&made, &kept).map_err(|error| format!("{}: {error}", made.display()))?;
    println!("wrote {}", kept.display());
    Ok(())
}
