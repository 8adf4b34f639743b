//! The command line of the sidecar, for its own binary and for `counterfoil sidecar`.

use crate::config::{Settings, Written};
use crate::{BuildError, Sidecar};
use counterfoil_telemetry::Telemetry;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

pub use counterfoil_process::Args;

/// Runs a sidecar until SIGTERM or SIGINT; [`counterfoil_process`] has the exit codes.
pub fn run(args: Args) -> ExitCode {
    counterfoil_process::run(
        "counterfoil-sidecar",
        args,
        |sources| Settings::try_from_written(sources.written::<Written>()?),
        |settings| &settings.telemetry,
        serve,
    )
}

async fn serve(settings: Settings, telemetry: &Telemetry, stop: CancellationToken) -> Result<(), BuildError> {
    Sidecar::build(settings, telemetry).await?.run(stop).await;
    Ok(())
}
