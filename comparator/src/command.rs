//! The command line of the comparator, for its own binary and for `counterfoil comparator`.

use crate::config::{Settings, Written};
use crate::{BuildError, Comparator};
use counterfoil_telemetry::Telemetry;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

pub use counterfoil_process::Args;

/// Runs a comparator until SIGTERM or SIGINT; [`counterfoil_process`] has the exit codes.
pub fn run(args: Args) -> ExitCode {
    counterfoil_process::run(
        "counterfoil-comparator",
        args,
        |sources| Settings::try_from_written(sources.written::<Written>()?),
        |settings| &settings.telemetry,
        serve,
    )
}

async fn serve(settings: Settings, telemetry: &Telemetry, stop: CancellationToken) -> Result<(), BuildError> {
    Comparator::build(settings, telemetry).await?.run(stop).await;
    Ok(())
}
