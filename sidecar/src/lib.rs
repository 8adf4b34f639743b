//! The sidecar: sees an application's writes, digests them and sends them on.
//!
//! ```text
//! emitter ──▶ listener ─▶ connection: framer ─▶ session ─▶ digester ─▶ batcher ─▶ uplink ──▶ comparator
//!         ◀── ack                                                              ◀── ack
//! ```
//!
//! Modules are read in that order. A connection is one task; it owns the state of its source while it lives, so the way
//! from the socket to a sealed batch takes no lock and no queue. The uplink is one task, with a bounded queue before it.
//!
//! # Invariants
//!
//! - Values stay here: what leaves is their keyed digest. No key and no value is logged.
//! - Nothing is dropped. When the uplink's memory is full, sockets are not read; an event that no batch can take is
//!   declared lost at its own number.
//! - One connection's errors end that connection only.
//! - The sidecar never reads a store.

pub mod batcher;
pub mod command;
pub mod config;
mod connection;
mod digester;
mod events;
mod framer;
mod greeting;
mod json;
mod listener;
mod metrics;
mod refused;
mod replies;
mod sequence;
mod session;
mod source;
mod throttle;
mod uplink;

pub use listener::SocketError;
pub use metrics::METRICS;

use crate::batcher::Fill;
use crate::config::Settings;
use crate::digester::Digester;
use crate::listener::Bound;
use crate::metrics::Meters;
use crate::source::Registry;
use crate::throttle::Throttle;
use crate::uplink::{Outlet, Uplink};
use counterfoil_digest::{DeploymentKey, KeyError, MacKey};
use counterfoil_telemetry::{Telemetry, serve_http};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Why a sidecar could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The deployment key could not be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The socket could not be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The comparator's address cannot be used.
    #[error("uplink.endpoint: {0}; write the comparator as http://host:port")]
    Endpoint(#[source] tonic::transport::Error),
    /// The admin endpoints could not listen.
    #[error("admin.listen: {address}: {source}; let it listen elsewhere, or leave the section out")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) digester: Digester,
    pub(crate) mac_key: MacKey,
    pub(crate) registry: Registry,
    pub(crate) outlet: Outlet,
    pub(crate) meters: Arc<Meters>,
    pub(crate) log_unfit: Throttle,
    pub(crate) log_refused: Throttle,
}

impl Shared {
    /// When a batch is full, by our configuration and the comparator's.
    pub(crate) fn fill(&self) -> Fill {
        let batch = &self.settings.batch;
        self.outlet.limits.lower(Fill {
            events_max: usize::try_from(batch.events_max).unwrap_or(usize::MAX),
            bytes_max: usize::try_from(batch.bytes_max).unwrap_or(usize::MAX),
            age_ns_max: i64::from(batch.age_ms_max) * 1_000_000,
        })
    }
}

/// A sidecar that is ready to run: its socket listens.
pub struct Sidecar {
    shared: Arc<Shared>,
    bound: Bound,
    uplink: Uplink,
    admin: Option<TcpListener>,
    telemetry: Telemetry,
}

impl Sidecar {
    /// Builds a sidecar. Everything that can fail fails here; the comparator need not be there yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming the key to set.
    pub async fn build(settings: Settings, telemetry: &Telemetry) -> Result<Self, BuildError> {
        let key = DeploymentKey::from_file(&settings.key.id, &settings.key.file)?;
        let meters = Arc::new(Meters::new());
        let (uplink, outlet) =
            Uplink::new(&settings.uplink, key.id(), Arc::clone(&meters)).map_err(BuildError::Endpoint)?;
        let admin = match settings.admin {
            Some(address) => {
                let bound = TcpListener::bind(address).await;
                Some(bound.map_err(|source| BuildError::Admin { address, source })?)
            }
            None => None,
        };
        let bound = Bound::new(&settings.socket)?;
        let shared = Shared {
            digester: Digester::new(&key, &settings.maps),
            mac_key: key.mac_key(),
            registry: Registry::default(),
            outlet,
            meters,
            log_unfit: Throttle::new(),
            log_refused: Throttle::new(),
            settings,
        };
        Ok(Self { shared: Arc::new(shared), bound, uplink, admin, telemetry: telemetry.clone() })
    }

    /// Where the admin endpoints listen; tells the port where the configuration left it open.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Runs until `stop`, then takes no more connections, reads what emitters have sent already and delivers what there
    /// is, for at most `drain_ms_max`.
    pub async fn run(self, stop: CancellationToken) {
        let Self { shared, bound, uplink, admin, telemetry } = self;
        let drain_max = shared.settings.drain_max;
        tracing::info!(socket = %shared.settings.socket.path.display(), "the sidecar listens");
        let (ready, is_ready) = watch::channel(true);
        let (end, cut) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        if let Some(listener) = admin {
            tasks.spawn(serve_http(listener, telemetry.admin_router(is_ready), end.clone()));
        }
        let uplink = tokio::spawn(uplink.run(cut.clone()));
        let connections = listener::run(bound, shared, stop).await;
        ready.send_replace(false);
        drain(connections, uplink, &cut, drain_max).await;
        end.cancel();
        while tasks.join_next().await.is_some() {}
    }
}

/// Waits for the connections and then for the uplink; cuts them off when the time to drain is over.
async fn drain(
    mut connections: JoinSet<()>,
    mut uplink: JoinHandle<u64>,
    cut: &CancellationToken,
    drain_max: Duration,
) {
    let delivered = tokio::time::timeout(drain_max, async {
        // The last connection drops the last outlet, and so the uplink learns that nothing more will come.
        while connections.join_next().await.is_some() {}
        (&mut uplink).await
    });
    let delivered = match delivered.await {
        Ok(delivered) => delivered,
        Err(_) => {
            connections.shutdown().await;
            cut.cancel();
            uplink.await
        }
    };
    match delivered {
        Ok(0) => tracing::info!("everything was delivered"),
        Ok(events) => tracing::warn!(events, "not delivered when drain_ms_max was over"),
        Err(error) => tracing::error!(%error, "the uplink ended early"),
    }
}
