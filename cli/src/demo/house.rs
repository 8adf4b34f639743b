//! The services of a demo, in this process but as everywhere else: a sidecar on a Unix socket, a comparator on loopback
//! ports, both made from configurations as a person would write them.

use super::stage::Stage;
use counterfoil_comparator::Comparator;
use counterfoil_settings::{Problems, Sources};
use counterfoil_sidecar::Sidecar;
use counterfoil_telemetry::Telemetry;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// Threads of the services.
const WORKERS: usize = 2;

type AnyError = Box<dyn Error + Send + Sync>;

/// The running services.
pub(super) struct House {
    runtime: Runtime,
    sidecar: Service,
    comparator: Service,
    http: SocketAddr,
    interrupted: Arc<AtomicBool>,
}

/// A service and how to stop it.
struct Service {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl House {
    /// Starts both services.
    pub(super) fn open(stage: &Stage) -> Result<Self, AnyError> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        let settings = comparator_settings(stage)?;
        let telemetry = Telemetry::install("counterfoil-demo", &settings.telemetry)?;
        let (comparator, grpc, http) = runtime.block_on(async {
            let comparator = Comparator::build(settings, &telemetry).await?;
            let addresses = (comparator.grpc_address(), comparator.http_address());
            let service = Service::start(|stop| comparator.run(stop));
            Ok::<_, AnyError>((service, addresses.0, addresses.1))
        })?;
        let settings = sidecar_settings(stage, grpc)?;
        let sidecar = runtime.block_on(async {
            let sidecar = Sidecar::build(settings, &telemetry).await?;
            Ok::<_, AnyError>(Service::start(|stop| sidecar.run(stop)))
        })?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
        });
        Ok(Self { runtime, sidecar, comparator, http, interrupted })
    }

    /// Where the comparator answers.
    pub(super) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Whether somebody pressed Ctrl-C.
    pub(super) fn interrupted(&self) -> &AtomicBool {
        &self.interrupted
    }

    /// Stops the sidecar, once it has delivered what it has, and then the comparator.
    pub(super) fn close(self) -> Result<(), AnyError> {
        let Self { runtime, sidecar, comparator, .. } = self;
        let sidecar = runtime.block_on(sidecar.end());
        runtime.block_on(comparator.end()).and(sidecar).map_err(Into::into)
    }
}

impl Service {
    /// Must be called within a runtime.
    fn start<F>(run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { stop, task }
    }

    async fn end(self) -> Result<(), JoinError> {
        self.stop.cancel();
        self.task.await
    }
}

fn comparator_settings(stage: &Stage) -> Result<counterfoil_comparator::config::Settings, Problems> {
    let sources = Sources { yaml: stage.comparator_yaml(), overlays: Vec::new() };
    counterfoil_comparator::config::Settings::try_from_written(sources.written()?)
}

fn sidecar_settings(
    stage: &Stage,
    comparator: SocketAddr,
) -> Result<counterfoil_sidecar::config::Settings, Problems> {
    let sources = Sources { yaml: stage.sidecar_yaml(comparator), overlays: Vec::new() };
    counterfoil_sidecar::config::Settings::try_from_written(sources.written()?)
}
