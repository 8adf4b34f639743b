//! The command that runs a comparator.

use crate::Comparator;
use crate::config::{Settings, Written};
use counterfoil_settings::{ENVIRONMENT_PREFIX, Problems, Sources, from_environment};
use counterfoil_telemetry::Telemetry;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code for a configuration or an environment that does not work.
const UNUSABLE: u8 = 2;

/// Threads of the runtime.
const WORKERS: usize = 2;

/// Runs the central comparator.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration, a YAML file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Sets a key of the configuration: `--set maps[0].deadline_ms=2000`. May be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

/// Runs a comparator until SIGTERM or SIGINT. Gives 2 if the configuration or the machine does not allow it.
pub fn run(args: Args) -> ExitCode {
    match prepare(args).map_err(|problems| problems.to_string()).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                eprintln!("counterfoil: {line}");
            }
            ExitCode::from(UNUSABLE)
        }
    }
}

fn prepare(args: Args) -> Result<Settings, Problems> {
    let mut overlays = from_environment(environment());
    overlays.extend(args.set);
    Settings::try_from_written(Sources::read(&args.config, overlays)?.written::<Written>()?)
}

/// The environment variables that are overlays.
#[allow(clippy::disallowed_methods, reason = "the environment is a part of the configuration")]
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
}

fn serve(settings: Settings) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| format!("threads: {error}"))?;
    runtime.block_on(async {
        let telemetry = Telemetry::install("counterfoil-comparator", &settings.telemetry)
            .map_err(|error| format!("telemetry: {error}"))?;
        let comparator = Comparator::build(settings, &telemetry).await.map_err(|error| error.to_string())?;
        let stop = CancellationToken::new();
        let signals = stop_on_signal(stop.clone()).map_err(|error| format!("signals: {error}"))?;
        comparator.run(stop).await;
        signals.abort();
        telemetry.shutdown().await;
        Ok(())
    })
}

fn stop_on_signal(stop: CancellationToken) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    }))
}
