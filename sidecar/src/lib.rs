//! The sidecar: sees an application's writes, digests them and sends them on.
//!
//! ```text
//! emitter ──▶ listener ─▶ connection: framer ─▶ session ─▶ digester ─▶ batcher ─▶ spool, uplink ──▶ comparator
//!         ◀── ack                                                                    ◀── ack
//! ```
//!
//! Modules are read in that order. A connection is one task; it owns the state of its source while it lives, so the way
//! from the socket to a sealed batch takes no lock and no queue. The uplink is one task, with a bounded queue before it.
//!
//! # Invariants
//!
//! - Values stay here: what leaves is their keyed digest. Only where a person turned that on are some kept for a while and shown to the
//!   comparator, see [`values`]. No key and no value is logged.
//! - Nothing is dropped. An event that no batch can take, or that is shed for want of room, is declared lost at its own number.
//!   Without a spool, sockets are not read while the uplink's memory is full.
//! - Nothing is acknowledged at a level that it has not reached. What is forgotten with the process is declared lost by the
//!   next one.
//! - No connection waits for the disk: while it fails, batches go from memory to the comparator.
//! - One connection's errors end that connection only.
//! - The sidecar never reads a store.

/// A place where a test may stop the process.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

pub mod batcher;
pub mod command;
pub mod config;
mod connection;
mod digester;
mod events;
mod framer;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod greeting;
mod json;
mod listener;
mod marks;
mod metrics;
mod rate;
mod refused;
mod replies;
mod restored;
mod sealing;
mod sequence;
mod session;
mod shedding;
mod source;
mod spooling;
mod uplink;
mod values;

pub use listener::SocketError;
pub use metrics::METRICS;
pub use sealing::SealingError;
pub use spooling::SpoolError;
pub use uplink::WayError;

use crate::batcher::Fill;
use crate::config::Settings;
use crate::digester::Digester;
use crate::listener::Bound;
use crate::metrics::Meters;
use crate::restored::Restored;
use crate::sealing::Sealing;
use crate::source::Registry;
use crate::spooling::Opened;
use crate::uplink::{Outlet, Uplink};
use crate::values::Values;
use counterfoil_clock::Throttle;
use counterfoil_digest::BUCKETS;
use counterfoil_telemetry::{Telemetry, serve_http};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Why a sidecar could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A key could not be read or made.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The socket could not be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The spool could not be opened.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// There is no way to the comparator.
    #[error(transparent)]
    Way(#[from] WayError),
    /// The admin endpoints could not listen.
    #[error("admin.listen: {address}: {source}; let it listen elsewhere, or leave the section out")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// While all events are shed, what was lost is told this often, in nanoseconds: there is little room for that too.
const SHED_AGE_NS: i64 = 1_000_000_000;

/// The sources of all connections together begin a batch this often, in nanoseconds, unless batches are full before: each is
/// signed, checked and written for itself, however little is in it, so a crowd of sources gathers for longer.
const BATCH_EVERY_NS: i64 = 500_000;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) digester: Digester,
    pub(crate) sealing: Arc<Sealing>,
    pub(crate) registry: Registry,
    pub(crate) outlet: Outlet,
    /// Nothing where no value is kept.
    pub(crate) values: Option<Arc<Values>>,
    /// Connections that are served.
    pub(crate) served: AtomicU32,
    pub(crate) meters: Arc<Meters>,
    pub(crate) log_unfit: Throttle,
    pub(crate) log_refused: Throttle,
}

impl Shared {
    /// When a batch is full, by our configuration and the comparator's.
    pub(crate) fn fill(&self) -> Fill {
        let batch = &self.settings.batch;
        let is_all_shed = self.outlet.last_closed() == BUCKETS;
        let served = self.served.load(Ordering::Relaxed);
        self.outlet.limits.lower(Fill {
            events_max: usize::try_from(batch.events_max).unwrap_or(usize::MAX),
            bytes_max: usize::try_from(batch.bytes_max).unwrap_or(usize::MAX),
            age_ns_max: age_ns_max(batch.age_ms_max, served, is_all_shed),
        })
    }
}

/// How long an event waits for others to travel with.
fn age_ns_max(configured_ms: u32, served: u32, is_all_shed: bool) -> i64 {
    let at_least = if is_all_shed { SHED_AGE_NS } else { 0 };
    (i64::from(configured_ms) * 1_000_000).max(i64::from(served) * BATCH_EVERY_NS).max(at_least)
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
        let keys = sealing::tenant_keys(&settings)?;
        let sealing = Arc::new(Sealing::new(&keys, sealing::signing_key(&settings)?));
        let meters = Arc::new(Meters::new());
        // Nobody else may touch the socket or the spool from here on.
        let bound = Bound::new(&settings.socket)?;
        let (opened, restored) = open_spool(&settings).await?.unzip();
        let values = settings.values.as_ref();
        let values = values.map(|values| Arc::new(Values::new(values, &settings.maps, meters.clone())));
        let (uplink, outlet) = Uplink::new(
            &settings.uplink,
            opened,
            &settings.maps,
            values.clone(),
            sealing.clone(),
            meters.clone(),
        )?;
        let admin = match settings.admin {
            Some(address) => {
                let bound = TcpListener::bind(address).await;
                Some(bound.map_err(|source| BuildError::Admin { address, source })?)
            }
            None => None,
        };
        let (digester, registry) = (Digester::new(&keys, &settings.maps), Registry::default());
        if let Some(restored) = restored {
            restored.restore(&registry, sealing.chosen().1, digester.maps());
        }
        let shared = Shared {
            digester,
            sealing,
            registry,
            outlet,
            values,
            served: AtomicU32::new(0),
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
        if let Some(values) = shared.values.clone() {
            tasks.spawn(values.tend(end.clone()));
        }
        let uplink = tokio::spawn(uplink.run(cut.clone()));
        let connections = listener::run(bound, shared, stop).await;
        ready.send_replace(false);
        drain(connections, uplink, &cut, drain_max).await;
        end.cancel();
        while tasks.join_next().await.is_some() {}
    }
}

/// Opens the spool, if there is to be one, on a thread that may wait for the disk.
async fn open_spool(settings: &Settings) -> Result<Option<(Opened, Restored)>, SpoolError> {
    let Some(spool) = settings.spool.clone() else { return Ok(None) };
    let opened = tokio::task::spawn_blocking(move || spooling::open(&spool)).await;
    match opened {
        Ok(opened) => opened.map(Some),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
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
        Ok(0) => tracing::info!("everything was delivered, or is in the spool"),
        Ok(events) => tracing::warn!(events, "neither delivered nor spooled when drain_ms_max was over"),
        Err(error) => tracing::error!(%error, "the uplink ended early"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_sources_gathers_for_longer() {
        const MS: i64 = 1_000_000;
        for (configured_ms, served, is_all_shed, expected) in [
            (10, 1, false, 10 * MS),
            (10, 20, false, 10 * MS),
            (10, 500, false, 250 * MS),
            (1_000, 500, false, 1_000 * MS),
            (10, 500, true, 1_000 * MS),
            (10, 4_096, true, 2_048 * MS),
            (0, 0, false, 0),
        ] {
            assert_eq!(age_ns_max(configured_ms, served, is_all_shed), expected, "{served} connections");
        }
    }
}
