//! A process of the house, from its command line to its exit code: reads its configuration, installs its telemetry, and
//! runs until SIGTERM or SIGINT.
//!
//! Exit codes: 0 when it stopped as it should, 1 when it could not be built (an address taken, a file not usable), 2 when
//! its configuration is wrong. What was wrong goes to standard error, a line per problem.
#![allow(clippy::print_stderr, reason = "standard error is where a process says why it does not start")]

use counterfoil_settings::{Problems, Sources, from_environment};
use counterfoil_telemetry::Telemetry;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Threads of a process's runtime: its work is bound by one core, the second keeps its endpoints answering.
const WORKERS: usize = 2;

/// Exit code for a configuration that cannot be used.
const BAD_CONFIG: u8 = 2;

/// The command line of a service.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The configuration, a YAML file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Set one key of the configuration; wins over COUNTERFOIL__SECTION__KEY in the environment
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

impl Args {
    /// The configuration's file, with the environment and the flags over it.
    ///
    /// # Errors
    ///
    /// A problem that names the file, if it cannot be read.
    pub fn sources(self) -> Result<Sources, Problems> {
        let mut overlays = from_environment(environment());
        overlays.extend(self.set);
        Sources::read(&self.config, overlays)
    }
}

/// Variables that are not text cannot be overlays and are left out.
#[allow(clippy::disallowed_methods, reason = "the environment is a part of the configuration")]
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Runs one service: `settings` makes its settings of the configuration, `telemetry` finds theirs in them, and `serve`
/// builds and runs it until its token is cancelled. `name` names the process in traces.
pub fn run<S, E: Display>(
    name: &'static str,
    args: Args,
    settings: impl FnOnce(&Sources) -> Result<S, Problems>,
    telemetry: impl FnOnce(&S) -> &counterfoil_telemetry::Written,
    serve: impl AsyncFnOnce(S, &Telemetry, CancellationToken) -> Result<(), E>,
) -> ExitCode {
    let settings = match args.sources().and_then(|sources| settings(&sources)) {
        Ok(settings) => settings,
        Err(problems) => return fail(ExitCode::from(BAD_CONFIG), &problems),
    };
    let telemetry = match Telemetry::install(name, telemetry(&settings)) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(ExitCode::from(BAD_CONFIG), &error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(ExitCode::FAILURE, &format_args!("threads: {error}")),
    };
    runtime.block_on(async {
        let stop = match stop_on_signals() {
            Ok(stop) => stop,
            Err(error) => return fail(ExitCode::FAILURE, &format_args!("signals: {error}")),
        };
        let served = serve(settings, &telemetry, stop).await;
        telemetry.shutdown().await;
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(ExitCode::FAILURE, &error),
        }
    })
}

fn fail(code: ExitCode, why: &dyn Display) -> ExitCode {
    for line in why.to_string().lines() {
        eprintln!("counterfoil: {line}");
    }
    code
}

/// A token that SIGTERM and SIGINT cancel.
fn stop_on_signals() -> std::io::Result<CancellationToken> {
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
