//! The OpenTelemetry Collector, which tests send to: with one receiver and one exporter, built with Go where that is here.

use crate::{cargo, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Of the collector, its parts and what builds it.
const VERSION: &str = "v0.139.0";

/// Where Go lies if it is not on the path.
const USUAL_GO: &str = "/usr/local/go/bin/go";

/// Gives a collector: one that is on the path or was built before, else one that is built now, which takes minutes. `None` where there
/// is no Go, or it cannot be built; what needs it is then left out of the tests.
pub(crate) fn find_or_build() -> Option<PathBuf> {
    let folder = cargo::root().join("target/xtask/otelcol");
    let program = folder.join(format!("{VERSION}/otelcol"));
    let built = Some(program.clone()).filter(|program| program.is_file());
    tools::on_path("otelcol").or(built).or_else(|| build(&folder, program))
}

fn build(folder: &Path, program: PathBuf) -> Option<PathBuf> {
    let go = tools::on_path("go").or_else(|| Some(PathBuf::from(USUAL_GO)).filter(|go| go.is_file()))?;
    eprintln!("building the OpenTelemetry Collector {VERSION} in {}", folder.display());
    let manifest = folder.join("manifest.yaml");
    fs::create_dir_all(folder).ok()?;
    fs::write(&manifest, recipe(&go, program.parent()?)).ok()?;
    let mut builder = Command::new(&go);
    builder.args(["run", &format!("go.opentelemetry.io/collector/cmd/builder@{VERSION}"), "--config"]);
    builder.arg(manifest).env("CGO_ENABLED", "0").current_dir(folder);
    builder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    (tools::succeeds(&mut builder) && program.is_file()).then_some(program)
}

/// What the builder is told. A JSON text is a YAML text.
fn recipe(go: &Path, output: &Path) -> String {
    let (go, output) = (go.display().to_string(), output.display().to_string());
    format!(
        "{{\"dist\": {{\"name\": \"otelcol\", \"go\": {go:?}, \"output_path\": {output:?}}},\n\
         \"receivers\": [{{\"gomod\": \"go.opentelemetry.io/collector/receiver/otlpreceiver {VERSION}\"}}],\n\
         \"exporters\": [{{\"gomod\": \"go.opentelemetry.io/collector/exporter/otlpexporter {VERSION}\"}}]}}\n"
    )
}
