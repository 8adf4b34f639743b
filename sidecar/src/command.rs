//! The command line of the sidecar, for its own binary and for `counterfoil sidecar`.

use crate::config::{Settings, Written};
use crate::{BuildError, Sidecar};
use clap::Args as ClapArgs;
use counterfoil_settings::{Problems, Sources, from_environment};
use counterfoil_telemetry::{Telemetry, TelemetryError};
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// One worker reads and digests while the other sends.
const WORKERS: usize = 2;

/// The exit code for a configuration that cannot be used.
const BAD_CONFIG: u8 = 2;

/// Runs a sidecar until SIGTERM or SIGINT.
#[derive(ClapArgs, Debug, Clone)]
pub struct Args {
    /// The configuration, a YAML file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Set one key of the configuration; wins over COUNTERFOIL__SECTION__KEY in the environment
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Error)]
enum RunError {
    #[error("{0}")]
    Config(#[from] Problems),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("threads: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Reads the configuration, builds the sidecar and runs it. Problems go to stderr; the exit code is 2 where the
/// configuration is wrong and 1 where the sidecar could not be built.
pub fn run(args: Args) -> ExitCode {
    match try_run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            match error {
                RunError::Config(_) | RunError::Telemetry(_) => ExitCode::from(BAD_CONFIG),
                RunError::Build(_) | RunError::Runtime(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn try_run(args: Args) -> Result<(), RunError> {
    let settings = settings(args)?;
    let telemetry = Telemetry::install("counterfoil-sidecar", &settings.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_on_signals()?;
        let sidecar = Sidecar::build(settings, &telemetry).await?;
        sidecar.run(stop).await;
        telemetry.shutdown().await;
        Ok(())
    })
}

fn settings(args: Args) -> Result<Settings, Problems> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut overlays = from_environment(environment);
    overlays.extend(args.set);
    let written = Sources::read(&args.config, overlays)?.written::<Written>()?;
    Settings::try_from_written(written)
}

/// A token that SIGTERM and SIGINT cancel.
fn stop_on_signals() -> Result<CancellationToken, std::io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancel.cancel();
    });
    Ok(stop)
}
