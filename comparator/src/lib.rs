//! The comparator: takes in what sidecars saw, waits until the store write is done, reads the store, compares, and
//! tells.
//!
//! ```text
//! receiver ─▶ journal, engine: sources, clocks, table ─▶ scheduler, prober ─▶ judge ─▶ outcomes ─▶ telling (counts, ledger, traces) ─▶ api, notify
//! ```
//!
//! [`engine`] and [`scheduler`] decide and are handed the time; receiver, prober and telling do the I/O around them.
//!
//! # Invariants
//!
//! - It reads stores and never writes to one, but for a repair, with a credential of its own.
//! - No key, no value and no name of a field stands in a log line or a metric; keys and names stand in the ledger and its API.
//! - Values are read where a person turned that on, from sidecars ([`recall`]) and stores, for whoever asks, and are not kept.
//! - Each accepted event ends in exactly one outcome for each store of its map: per map and store, events = confirmed + superseded + divergent + undetermined
//!   + shed + open, and the summary shows all of them.

/// A place where a test may stop the process.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

mod admission;
mod api;
pub mod budget;
pub mod callers;
pub mod clocks;
pub mod command;
pub mod config;
pub mod contract;
pub mod dashboard;
pub mod engine;
pub mod evidence;
pub mod gate;
pub mod journal;
pub mod ledger;
mod metrics;
pub mod notify;
mod outbound;
mod prober;
mod recall;
mod receiver;
pub mod repair;
mod restart;
pub mod scheduler;
mod serving;
pub mod sources;
pub mod store;
pub mod sweep;
pub mod table;
mod tally;
mod telling;

use api::Api;
use budget::Status;
use config::Settings;
use contract::MapId;
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_telemetry::{Metric, Telemetry, serve_http};
use dashboard::{Pages, Point};
use engine::{Engine, Limits};
use evidence::{Evidence, EvidenceError};
use journal::{Journal, JournalError};
use ledger::{Ledger, LedgerError};
use notify::Notifier;
use outbound::PostError;
use prober::{Prober, Told};
use recall::Recall;
use receiver::Receiver;
use repair::Repairs;
use restart::RestartError;
use serving::{Door, Serving};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use sweep::Progress;
use table::Census;
use tally::{Tallies, Tally};
use telling::{Announcer, Telling};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Every metric of the comparator.
pub static METRICS: &[&Metric] = metrics::ALL;

/// How often the journal lets go of what is over. What ended since is judged once more after a restart.
const LET_GO_EVERY: Duration = Duration::from_millis(500);

/// How often the ledger is looked through: for what was resolved long ago, and for what is ignored no more.
const TEND_EVERY: Duration = Duration::from_secs(10);

/// What the stages share.
struct Parts {
    engine: Arc<Engine>,
    tallies: Arc<Tallies>,
    telling: Telling,
    /// Where batches are kept until their events have outcomes; `None` in memory alone.
    journal: Option<Journal>,
    /// How the stores are.
    statuses: Told<Status>,
    /// How far the sweep has come.
    swept: Told<Progress>,
    /// What was counted when, for the gate.
    watch: gate::Watch,
    /// Which divergences somebody ignores, for the gate.
    ignored: gate::IgnoredOnes,
    /// Asks sidecars for values.
    recall: Recall,
    /// What was counted lately, for the charts of the pages.
    recent: dashboard::Recent,
}

impl Parts {
    /// Brings the gauges and what the gate remembers up to date, and checks that no event ended twice: what ended by a first
    /// look and what is open at a second one cannot be more than what was accepted by a third one.
    fn set_gauges(&self) {
        self.note_counts();
        let (contracts, at) = (self.engine.contracts(), counterfoil_clock::now());
        let horizons = self.engine.sources().horizons(contracts.tenants(), self.engine.clocks(), at);
        let ended: Vec<u64> =
            self.tallies.iter().map(|tally| tally.outcomes().iter().map(|(_, n)| n).sum()).collect();
        let census = self.engine.table().census();
        let maps = (0..).map(MapId);
        let mut points = Vec::with_capacity(census.len());
        for (((tally, ended), census), id) in self.tallies.iter().zip(ended).zip(census).zip(maps) {
            let check = [("map", tally.map.as_str()), ("store", tally.store.as_str())];
            if ended + census.open > self.engine.accepted(id) {
                tracing::error!(map = tally.map, store = tally.store, "more events ended than were accepted");
                metrics::INVARIANTS.counter(&[("id", "P3")]).increment(1);
            }
            metrics::KEYS.gauge(&check).set(census.keys as f64);
            metrics::OPEN_EVENTS.gauge(&check).set(census.open as f64);
            let [map, store] = check;
            let of_severity = [map, store, ("severity", tally.severity.label())];
            metrics::OPEN_DIVERGENCES.gauge(&of_severity).set(census.divergences as f64);
            metrics::FIRST_DELAY.gauge(&check).set(self.engine.table().first_delay(id) as f64 / 1e9);
            let behind = self.behind(id, &horizons, &census, at);
            metrics::GATE_BEHIND.gauge(&check).set(behind.map_or(f64::NAN, |behind| behind as f64 / 1e9));
            points.push(Point::of(tally, behind, at));
        }
        self.recent.note(points.into_iter());
        let (closed, reopened) = self.engine.table().shedding();
        metrics::CLOSED_BUCKETS.gauge(&[]).set(closed);
        metrics::REOPENED_BUCKETS.counter(&[]).absolute(reopened);
        let ledger = self.telling.ledger_stats();
        metrics::LEDGER_RETRIES.gauge(&[]).set(ledger.retries as f64);
        metrics::LEDGER_LEADS.gauge(&[]).set(if ledger.leads { 1.0 } else { 0.0 });
        metrics::INVARIANTS.counter(&[("id", "divergence_order")]).absolute(ledger.orphans);
        for (phase, count) in self.engine.sources().count() {
            metrics::SOURCES.gauge(&[("phase", phase.label())]).set(count as f64);
        }
        self.engine.clocks().set_gauges(at);
    }

    fn note_counts(&self) {
        let checks = self.tallies.iter().map(Tally::ended_by_cohort);
        self.watch.note(checks, self.engine.lost(), counterfoil_clock::now());
    }

    /// How old the instant is at `now` until which every event of a check has an outcome, in nanoseconds. The `horizons` of the
    /// tenants come from before its `census`: what was begun before a horizon was in the table by then.
    fn behind(&self, map: MapId, horizons: &[Time], census: &Census, now: Time) -> Option<i64> {
        let contracts = self.engine.contracts();
        let tenant = contracts.tenant_place(&contracts.get(map)?.tenant)?;
        let through = gate::verified_through(*horizons.get(tenant)?, census.oldest_open, now)?;
        Some(now.since(through))
    }
}

/// Why a comparator could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An address cannot be listened on.
    #[error("{key} {address}: {source}")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] counterfoil_tls::LoadError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Evidence cannot be written.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody can be told of divergences.
    #[error("notify: {0}")]
    Notify(#[from] PostError),
    /// What was open before cannot be taken up.
    #[error(transparent)]
    Restart(#[from] RestartError),
}

/// A comparator that has everything it needs to run.
pub struct Comparator {
    http: TcpListener,
    grpc_address: SocketAddr,
    http_address: SocketAddr,
    serving: Serving,
    prober: Prober,
    api: Api,
    notifier: Notifier,
    dashboard: dashboard::Options,
    telemetry: Telemetry,
    ledger_retention_ns: i64,
    drain_max: Duration,
}

impl Comparator {
    /// Listens, opens the ledger, and prepares everything. Stores are not connected to: one that is down makes verdicts
    /// undetermined, and nothing else.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if an address is taken or the ledger cannot be used.
    pub async fn build(settings: Settings, telemetry: &Telemetry) -> Result<Self, BuildError> {
        METRICS.iter().for_each(|metric| metric.describe());
        let (grpc, grpc_address) = listen("listen.grpc", settings.grpc).await?;
        let (http, http_address) = listen("listen.http", settings.http).await?;
        let door = Door::new(settings.security, settings.accept)?;
        let contracts = Arc::new(settings.contracts);
        let tallies = Arc::new(Tallies::new(&contracts));
        let announcer = Announcer::new(tallies.clone(), telemetry.logger());
        let announce = move |turned: &ledger::Turned| announcer.announce(turned);
        let ledger = Ledger::open_with(settings.ledger, settings.notify.routes(), announce)?;
        let notifier = Notifier::new(settings.notify, &ledger)?;
        let evidence = settings.evidence.map(Evidence::open).transpose()?;
        let engine = Engine::new(engine::Options {
            contracts,
            keys: settings.keys,
            verify: counterfoil_keys::verify,
            own_clock: Domain::of_this_process(),
            limits: Limits {
                batch_bytes_max: settings.batch_bytes_max,
                batch_events_max: settings.batch_events_max,
            },
            probing: settings.probe,
            keys_max: settings.keys_max,
            sources_max: settings.sources_max,
            silence: settings.silence,
        });
        let engine = Arc::new(if evidence.is_some() { engine.keeping_evidence() } else { engine });
        let telling = Telling::new(
            engine.clone(),
            tallies.clone(),
            ledger.clone(),
            telemetry.tracer(),
            settings.telemetry.trace_ratio,
        )
        .with_evidence(evidence);
        let opened =
            settings.journal.map(|journal| Journal::open(&journal, settings.sources_max)).transpose()?;
        let (journal, past) = opened.unzip();
        let (statuses, swept) = (Told::default(), Told::default());
        let watch = gate::Watch::new(counterfoil_clock::now());
        let recall = Recall::new(engine.clone(), settings.recall);
        let recent = dashboard::Recent::default();
        let ignored = gate::IgnoredOnes::default();
        let parts =
            Parts { engine, tallies, telling, journal, statuses, swept, watch, ignored, recall, recent };
        let parts = Arc::new(parts);
        parts.note_counts();
        match past {
            Some(past) => restart::go_on(past, &parts, &ledger).await?,
            None => tracing::warn!("no journal: a comparator that is started over forgets what was open"),
        }
        let places = ledger.scan_places().await?;
        let repairs = settings.repair.map(|repair| Repairs::new(repair, parts.clone(), ledger.clone()));
        let repairs = repairs.map(Arc::new);
        metrics::INVARIANTS.counter(&[("id", "P3")]).increment(0);
        parts.set_gauges();
        Ok(Self {
            http,
            grpc_address,
            http_address,
            serving: Serving::new(grpc, door, Receiver::new(parts.clone()), settings.batch_bytes_max),
            prober: Prober::new(parts.clone(), &settings.sweep, &places),
            api: Api::new(
                parts,
                ledger,
                settings.callers,
                settings.may_show_values,
                notifier.board(),
                repairs,
            ),
            notifier,
            dashboard: settings.dashboard,
            ledger_retention_ns: settings.ledger_retention_ns,
            telemetry: telemetry.clone(),
            drain_max: settings.drain_max,
        })
    }

    /// Where sidecars connect.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Where people and Prometheus connect.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Runs until `stop`, then ends its streams and writes what the ledger still has to write. Gives up on that after
    /// `drain_ms_max`.
    pub async fn run(self, stop: CancellationToken) {
        let (ready, is_ready) = watch::channel(true);
        let pages = Pages::new(self.api.clone(), self.dashboard);
        let router = pages.clone().beside(self.api.clone().router());
        let router = router.merge(self.telemetry.admin_router(is_ready));
        let mut tasks = JoinSet::new();
        tasks.spawn(pages.run(stop.clone()));
        tasks.spawn(serve_http(self.http, router, stop.clone()));
        tasks.spawn(self.prober.run(stop.clone()));
        tasks.spawn(self.notifier.run(stop.clone()));
        tasks.spawn(let_go(self.api.clone(), stop.clone()));
        tasks.spawn(tend(self.api.clone(), self.ledger_retention_ns, stop.clone()));
        tasks.spawn(self.serving.run(stop.clone()));
        if let Some(repairs) = &self.api.repairs {
            tasks.spawn(repair::Worker::new(repairs.clone()).run(stop.clone()));
        }
        tracing::info!(grpc = %self.grpc_address, http = %self.http_address, "the comparator runs");
        stop.cancelled().await;
        ready.send_replace(false);
        let drained = async {
            while tasks.join_next().await.is_some() {}
            let flushed = self.api.ledger.flush().await;
            if let Some(journal) = &self.api.parts.journal {
                journal.close(self.api.parts.engine.sources(), &self.api.ledger).await;
            }
            flushed
        };
        match tokio::time::timeout(self.drain_max, drained).await {
            Ok(Ok(())) => tracing::info!("the comparator stopped"),
            Ok(Err(error)) => tracing::error!(%error, "the comparator stopped"),
            Err(_) => {
                tracing::warn!("the comparator stopped before everything was written; see drain_ms_max")
            }
        }
    }
}

/// Lets the journal go of what is over, once in a while.
async fn let_go(api: Api, stop: CancellationToken) {
    let Some(journal) = &api.parts.journal else { return };
    let mut ticks = tokio::time::interval(LET_GO_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        journal.let_go(api.parts.engine.sources(), &api.ledger).await;
    }
}

/// Has the ledger forget what was resolved long enough ago, and looks what is ignored, once in a while.
async fn tend(api: Api, retention_ns: i64, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(TEND_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        api.parts.telling.evidence().into_iter().for_each(Evidence::tend);
        let before_unix_ns = counterfoil_clock::wall_unix_ns().saturating_sub(retention_ns);
        let tended = async {
            if api.ledger.leads() {
                api.ledger.forget(before_unix_ns).await?;
            }
            api.look_at_ignored().await
        };
        if let Err(error) = tended.await {
            tracing::error!(%error, "the ledger cannot be looked through");
        }
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), BuildError> {
    let failed = |source| BuildError::Listen { key, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
