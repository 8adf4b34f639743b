//! The configuration of a comparator: as written ([`Written`]) and as used ([`Settings`]).

mod dashboard;
mod evidence;
mod gate;
mod ledger;
mod listen;
mod maps;
mod notify;
mod recall;
mod repair;
mod sweep;
mod written;

pub use dashboard::WrittenDashboard;
pub use evidence::WrittenEvidence;
pub use gate::WrittenGate;
pub use ledger::{WrittenLedger, WrittenLedgerServer};
pub use listen::{Security, Tls, WrittenHttpToken, WrittenListen, WrittenTls};
pub use notify::{WrittenKind, WrittenNotify, WrittenReceiver};
pub use recall::WrittenRecall;
pub use repair::{WrittenApply, WrittenBreaker, WrittenRepair, WrittenRepairs, WrittenWebhook};
pub use sweep::WrittenSweep;
pub use written::{
    Written, WrittenJournal, WrittenKey, WrittenLimits, WrittenMap, WrittenMapStore, WrittenProbe,
    WrittenScope, WrittenSources, WrittenTable,
};

use crate::callers::Callers;
use crate::contract::Contracts;
use crate::dashboard as pages;
use crate::evidence as keeping_evidence;
use crate::journal;
use crate::ledger::Place;
use crate::notify as notifying;
use crate::repair as repairing;
use crate::sources::Silence;
use crate::sweep as sweeping;
use counterfoil_keys::{DeploymentKey, Keyring};
use counterfoil_settings::Problems;
use counterfoil_tls::AcceptLimits;
use std::net::SocketAddr;
use std::time::Duration;

/// Nanoseconds in a millisecond.
const MS: i64 = 1_000_000;

/// Nanoseconds in a day.
const DAY: i64 = 86_400_000 * MS;

/// Callers whose handshakes are under way at a time: enough to keep the processors busy, few enough to be worked off within
/// the time limit of each.
const HANDSHAKES_MAX: usize = 256;

/// Everything a comparator needs to be built.
#[derive(Debug)]
pub struct Settings {
    /// Where sidecars connect.
    pub grpc: SocketAddr,
    /// Where people and Prometheus connect.
    pub http: SocketAddr,
    /// Who may connect there, and report what.
    pub security: Security,
    /// Who may ask over HTTP.
    pub callers: Callers,
    /// How the pages are shown.
    pub dashboard: pages::Options,
    /// How many connections there may be, and how long one may take to come about.
    pub accept: AcceptLimits,
    /// Authenticate batches and key digests: the current one first, then the others that are accepted.
    pub keys: Keyring<DeploymentKey>,
    /// One contract per map and store, and the stores they name.
    pub contracts: Contracts,
    /// Where the divergence ledger is.
    pub ledger: Place,
    /// How maps are repaired that may be; `None` where none may.
    pub repair: Option<repairing::Settings>,
    /// How long a divergence is kept there once it is resolved, in nanoseconds.
    pub ledger_retention_ns: i64,
    /// Who is told of divergences.
    pub notify: notifying::Settings,
    /// Where batches are kept until their events have outcomes; `None` in memory alone.
    pub journal: Option<journal::Settings>,
    /// How evidence is kept; `None` if none is written.
    pub evidence: Option<keeping_evidence::Settings>,
    /// When a silent source is given up.
    pub silence: Silence,
    /// Most sources known at a time.
    pub sources_max: usize,
    /// Most keys kept in the table.
    pub keys_max: usize,
    /// When probes are made.
    pub probe: Probing,
    /// What is looked at though nothing waits for it.
    pub sweep: sweeping::Settings,
    /// Whether values may be shown to whoever may ask for them over HTTP.
    pub may_show_values: bool,
    /// How values are recalled from sidecars.
    pub recall: crate::recall::Settings,
    /// Largest encoded batch, in bytes.
    pub batch_bytes_max: usize,
    /// Most events in a batch.
    pub batch_events_max: usize,
    /// How long a stop may take.
    pub drain_max: Duration,
    /// Logs and traces.
    pub telemetry: counterfoil_telemetry::Written,
}

/// When probes are made, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Probing {
    /// From the end of a write to the first probe of its key, at least; what was learned of the lag may make it longer.
    pub first_delay: i64,
    /// From a verdict that was not final to the next probe.
    pub gap_min: i64,
    /// The longest such gap.
    pub gap_max: i64,
}

impl Settings {
    /// Makes settings of what was written. Reads the key files; connects nowhere.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with the key's path.
    pub fn try_from_written(written: Written) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        if written.kind != "comparator" {
            problems.add("kind", "write `kind: comparator`; this is the configuration of a comparator");
        }
        let tenants = written.maps.iter().map(|map| map.tenant.as_str()).collect();
        let security = listen::security(&written.listen, &written.clients, &tenants, &mut problems);
        let callers = listen::callers(&written.listen.http_tokens, &mut problems);
        let dashboard = dashboard::options(&written, &mut problems);
        let (probe, table) = (&written.probe, &written.table);
        if probe.gap_ms_min > probe.gap_ms_max {
            problems
                .add("probe.gap_ms_min", format!("must not exceed probe.gap_ms_max ({})", probe.gap_ms_max));
        }
        let (grpc, http) = (
            address("listen.grpc", &written.listen.grpc, &mut problems),
            address("listen.http", &written.listen.http, &mut problems),
        );
        let recall = recall::recall(&written, grpc, &mut problems);
        let keys = keys(&written, &mut problems);
        let evidence = written.evidence.as_ref().and_then(|evidence| evidence.settings(&mut problems));
        let contracts = keys.as_ref().and_then(|keys| maps::contracts(&written, keys, &mut problems));
        let notify = contracts.as_ref().and_then(|it| notify::used(&written.notify, it, &mut problems));
        let ledger = written.ledger.place(&mut problems);
        let (Some(grpc), Some(http), Some(security), Some(keys), Some(contracts), Some(notify), Some(ledger)) =
            (grpc, http, security, keys, contracts, notify, ledger)
        else {
            return Err(problems);
        };
        let repair = repair::settings(&written, &contracts, &keys, notify.source(), &mut problems);
        problems.none_or(Self {
            repair,
            grpc,
            http,
            security,
            callers,
            dashboard,
            accept: accept(&written.limits),
            keys,
            contracts,
            evidence,
            silence: Silence {
                timeout: i64::from(written.sources.timeout_ms) * MS,
                expiry: i64::from(written.sources.expiry_ms) * MS,
            },
            sources_max: wide(written.sources.sources_max),
            keys_max: wide(table.keys_max),
            probe: Probing {
                first_delay: i64::from(probe.first_delay_ms) * MS,
                gap_min: i64::from(probe.gap_ms_min) * MS,
                gap_max: i64::from(probe.gap_ms_max) * MS,
            },
            sweep: written.sweep.map(|sweep| sweep.settings()).unwrap_or_default(),
            recall,
            may_show_values: written.recall.insecure || http.ip().is_loopback(),
            batch_bytes_max: wide(written.limits.batch_bytes_max),
            batch_events_max: wide(written.limits.batch_events_max),
            drain_max: Duration::from_millis(written.drain_ms_max.into()),
            ledger_retention_ns: i64::from(written.ledger.retention_days) * DAY,
            ledger,
            notify,
            journal: written.journal.map(|journal| journal::Settings {
                path: journal.path,
                bytes_max: journal.bytes_max,
                sync_ms: journal.sync_ms.into(),
            }),
            telemetry: written.telemetry,
        })
    }
}

fn accept(limits: &WrittenLimits) -> AcceptLimits {
    AcceptLimits {
        handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms.into()),
        connections_max: wide(limits.connections_max),
        handshakes_max: HANDSHAKES_MAX,
    }
}

fn wide(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn address(path: &str, text: &str, problems: &mut Problems) -> Option<SocketAddr> {
    text.parse()
        .map_err(|_| problems.add(path, format!("`{text}` is not ADDRESS:PORT, such as 127.0.0.1:7411")))
        .ok()
}

fn keys(written: &Written, problems: &mut Problems) -> Option<Keyring<DeploymentKey>> {
    if written.key.is_some() {
        problems.add("key", "is a list now; write `keys: [{ id: …, file: … }]`");
        return None;
    }
    let mut keys = Vec::new();
    for (at, key) in written.keys.iter().enumerate() {
        match DeploymentKey::from_file(&key.id, &key.file) {
            Ok(key) => keys.push(key),
            Err(error) => problems.add(format!("keys[{at}].file"), error.to_string()),
        }
    }
    if keys.len() < written.keys.len() {
        return None;
    }
    Keyring::new(keys).map_err(|error| problems.add("keys", error.to_string())).ok()
}

#[cfg(test)]
mod tests;
