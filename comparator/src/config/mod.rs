//! The configuration of a comparator: as written ([`Written`]) and as used ([`Settings`]).

mod written;

pub use written::{
    Written, WrittenKey, WrittenLedger, WrittenLimits, WrittenListen, WrittenMap, WrittenProbe, WrittenScope,
    WrittenSources, WrittenTable,
};

use crate::contract::{Contract, Contracts};
use crate::sources::Silence;
use crate::store::Reader;
use counterfoil_digest::{DeploymentKey, MapDigester};
use counterfoil_judge::Terms;
use counterfoil_settings::Problems;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Nanoseconds in a millisecond.
const MS: i64 = 1_000_000;

/// Most contracts; the key table has 16 bits for a map.
const MAPS_MAX: usize = 65_000;

/// Everything a comparator needs to be built.
#[derive(Debug)]
pub struct Settings {
    /// Where sidecars connect.
    pub grpc: SocketAddr,
    /// Where people and Prometheus connect.
    pub http: SocketAddr,
    /// Authenticates batches and keys digests.
    pub key: DeploymentKey,
    /// One contract per map, and the stores they name.
    pub contracts: Contracts,
    /// File of the divergence ledger.
    pub ledger: PathBuf,
    /// When a silent source is given up.
    pub silence: Silence,
    /// Most sources known at a time.
    pub sources_max: usize,
    /// Most keys kept in the table.
    pub keys_max: usize,
    /// When probes are made.
    pub probe: Probing,
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
    /// Makes settings of what was written. Reads the key file; connects nowhere.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with the key's path.
    pub fn try_from_written(written: Written) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        if written.kind != "comparator" {
            problems.add("kind", "write `kind: comparator`; this is the configuration of a comparator");
        }
        if !written.listen.insecure {
            let why = "TLS is not built yet: write `insecure: true` to take batches in plain text";
            problems.add("listen.insecure", why);
        }
        let (probe, table) = (&written.probe, &written.table);
        if probe.gap_ms_min > probe.gap_ms_max {
            problems
                .add("probe.gap_ms_min", format!("must not exceed probe.gap_ms_max ({})", probe.gap_ms_max));
        }
        let (grpc, http) = (
            address("listen.grpc", &written.listen.grpc, &mut problems),
            address("listen.http", &written.listen.http, &mut problems),
        );
        let key = DeploymentKey::from_file(&written.key.id, &written.key.file)
            .map_err(|error| problems.add("key.file", error.to_string()))
            .ok();
        let contracts = key.as_ref().and_then(|key| contracts(&written, key, &mut problems));
        let (Some(grpc), Some(http), Some(key), Some(contracts)) = (grpc, http, key, contracts) else {
            return Err(problems);
        };
        problems.none_or(Self {
            grpc,
            http,
            key,
            contracts,
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
            batch_bytes_max: wide(written.limits.batch_bytes_max),
            batch_events_max: wide(written.limits.batch_events_max),
            drain_max: Duration::from_millis(written.drain_ms_max.into()),
            ledger: written.ledger.path,
            telemetry: written.telemetry,
        })
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

fn contracts(written: &Written, key: &DeploymentKey, problems: &mut Problems) -> Option<Contracts> {
    let mut readers = BTreeMap::new();
    for (name, store) in &written.stores {
        match Reader::new(name, store) {
            Ok(reader) => _ = readers.insert(name.as_str(), reader),
            Err(found) => {
                for problem in found.0 {
                    problems.add(format!("stores.{name}.{}", problem.path), problem.message);
                }
            }
        }
    }
    if written.maps.len() > MAPS_MAX {
        problems.add("maps", format!("has {} contracts; at most {MAPS_MAX} fit", written.maps.len()));
    }
    if written.maps.is_empty() {
        problems.add("maps", "empty; write a contract for each map");
    }
    let mut contracts = Vec::new();
    for (at, map) in written.maps.iter().enumerate() {
        let path = format!("maps[{at}]");
        if written.maps.iter().take(at).any(|other| other.name == map.name) {
            problems.add(format!("{path}.name"), format!("`{}` has a contract already", map.name));
        }
        let Some(store) = readers.keys().position(|name| *name == map.store) else {
            let known = readers.keys().copied().collect::<Vec<_>>().join(", ");
            problems
                .add(format!("{path}.store"), format!("`{}` is not in stores; there is: {known}", map.store));
            continue;
        };
        let Some(kind) = readers.values().nth(store).map(Reader::kind) else { continue };
        if let Some(lookup) = map.lookup().used(&path, kind, problems) {
            let digester = MapDigester::new(key, &map.name, map.codec);
            contracts.push(Contract {
                name: map.name.as_str().into(),
                store,
                lookup,
                digester,
                terms: terms(map),
            });
        }
    }
    problems.0.is_empty().then(|| Contracts::new(contracts, readers.into_values().collect()))
}

fn terms(map: &WrittenMap) -> Terms {
    let ms = |count: u32| i64::from(count) * MS;
    Terms {
        deadline: ms(map.deadline_ms),
        lead: ms(map.lead_ms),
        give_up: map.give_up_ms.map(ms),
        patience: ms(map.patience_ms.unwrap_or(map.deadline_ms)),
        expires: map.expires,
        scope: map.scope.into(),
    }
}

#[cfg(test)]
mod tests;
