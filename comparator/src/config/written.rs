//! The configuration of a comparator, as a person writes it.

use super::{
    WrittenDashboard, WrittenEvidence, WrittenGate, WrittenLedger, WrittenListen, WrittenNotify,
    WrittenRecall, WrittenRepair, WrittenRepairs, WrittenSweep,
};
use crate::contract::Severity;
use crate::store::{WrittenLookup, WrittenStore};
use counterfoil_digest::{Codec, WrittenRules};
use counterfoil_judge::Scope;
use counterfoil_keys::TenantName;
use counterfoil_tls::Rule;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The configuration of a comparator.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Which process this is for: `comparator`.
    pub kind: String,
    /// Where to listen.
    pub listen: WrittenListen,
    /// Who may report what: a rule for each name that stands in a sidecar's certificate. Needed with `listen.tls`; who has no
    /// rule may do nothing.
    #[serde(default)]
    #[schemars(length(max = 65_536))]
    pub clients: Vec<Rule>,
    /// The deployment keys that batches are accepted under; needed. The first one is the current
    /// one; a sidecar uses the first of its own that is here.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub keys: Vec<WrittenKey>,
    /// Not any more: write `keys`, a list.
    #[serde(default)]
    pub key: Option<serde_json::Value>,
    /// The stores, by name.
    pub stores: BTreeMap<String, WrittenStore>,
    /// A contract for each map.
    pub maps: Vec<WrittenMap>,
    /// Where divergences are kept.
    pub ledger: WrittenLedger,
    /// Who is told of divergences.
    #[serde(default)]
    pub notify: WrittenNotify,
    /// Where batches are kept until all their events have outcomes, so that a comparator that is started over goes on where
    /// it was. Without this section they are in memory only, and sidecars' events are acknowledged as `received` at best.
    #[serde(default)]
    pub journal: Option<WrittenJournal>,
    /// Bundles from which anyone can judge again what was confirmed.
    #[serde(default)]
    pub evidence: Option<WrittenEvidence>,
    /// What is expected of sources.
    #[serde(default)]
    pub sources: WrittenSources,
    /// Bounds of the key table.
    #[serde(default)]
    pub table: WrittenTable,
    /// When probes are made.
    #[serde(default)]
    pub probe: WrittenProbe,
    /// What is looked at though nothing waits for it.
    #[serde(default)]
    pub sweep: Option<WrittenSweep>,
    /// How values are recalled from sidecars, of maps with `values: true`.
    #[serde(default)]
    pub recall: WrittenRecall,
    /// What holds for the repairs of all maps that have a section `repair`.
    #[serde(default)]
    pub repair: Option<WrittenRepairs>,
    /// Bounds of what sidecars send.
    #[serde(default)]
    pub limits: WrittenLimits,
    /// How long a stop may take, in milliseconds.
    #[serde(default = "drain_ms_max")]
    #[schemars(range(min = 1, max = 600_000))]
    pub drain_ms_max: u32,
    /// The comparator's own pages.
    #[serde(default)]
    pub dashboard: WrittenDashboard,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: counterfoil_telemetry::Written,
}

fn drain_ms_max() -> u32 {
    5_000
}

/// A deployment key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenKey {
    /// Its name; it travels with each batch. Digests under different ids are never compared.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// A file of 64 hexadecimal digits (`counterfoil key new`) that others may not read (mode 0400).
    pub file: PathBuf,
}

/// The contract of a map.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenMap {
    /// The map's name, as emitters give it.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Whose map it is: only sidecars of this tenant report about it.
    #[serde(default = "tenant")]
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,63}$"))]
    pub tenant: String,
    /// The store that holds the same facts: a name from `stores`. Write this or `stores`.
    #[serde(default)]
    pub store: Option<String>,
    /// Several stores that all hold the same facts, 1 to 4, each with what says how to look there. The map is judged against
    /// each by itself. A store leg that is reported is that of the first one; those of the others are never reported, so they
    /// are taken to be written from `lead_ms` before the map's change until `deadline_ms` after it.
    #[serde(default)]
    pub stores: Option<Vec<WrittenMapStore>>,
    /// How values are written: `bytes`, `text`, `json` or `columns`. Must be what the sidecar has for this map.
    #[serde(default)]
    pub codec: Codec,
    /// What does not count in values. Must be what the sidecar has for this map.
    #[serde(default)]
    pub rules: WrittenRules,
    /// How keys are looked up in `store`.
    #[serde(flatten)]
    pub lookup: WrittenLookup,
    /// Within this time after a write the store must agree, in milliseconds.
    #[serde(default = "deadline_ms")]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub deadline_ms: u32,
    /// How long before the map's change the store may have been written, where the store call is not reported, in
    /// milliseconds.
    #[serde(default)]
    #[schemars(range(max = 86_400_000))]
    pub lead_ms: u32,
    /// How late a store write of unknown outcome (a time-out) may still land, in milliseconds. Without it such a write
    /// blinds its key until its value is read.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub give_up_ms: Option<u32>,
    /// How long past its deadline an event may wait for a verdict before it ends undetermined, in milliseconds. As long
    /// as the deadline if not given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub patience_ms: Option<u32>,
    /// Whether the store drops values by itself (a time to live, eviction): absence then proves nothing.
    #[serde(default)]
    pub expires: bool,
    /// Whose map it is: `shared`, where all processes' maps are one logical map, or `process`, where each process keeps a
    /// copy of its own, as caches do, which must follow the store within the deadline.
    #[serde(default)]
    pub scope: WrittenScope,
    /// The share of the map's keys that are checked, above 0 and at most 1. A key is checked or not by its hash, so one that is
    /// has its whole history; events of the others end `shed` for the reason `sampled`, and cost neither memory nor a read.
    #[serde(default = "every_key")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: f64,
    /// Cohorts whose outcomes are counted by themselves, as their events carry them: `key=value`, such as
    /// `deployment=canary`. Events of others are counted as `other`. The sidecar's `cohort_keys` has to have the key.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub cohorts: Vec<String>,
    /// How much a divergence of the map matters: `critical`, `warning` or `info`. It stands beside each divergence in the API,
    /// the log and the metrics, for whoever is to be told.
    #[serde(default)]
    pub severity: Severity,
    /// What is demanded before traffic is moved over.
    #[serde(default)]
    pub gate: WrittenGate,
    /// Whether values of the map may be recalled from sidecars and shown to operators, beside those of the store. The sidecar has to
    /// say so too, in its section `values`.
    #[serde(default)]
    pub values: bool,
    /// Fields that are replaced by `***` before somebody sees a value of either side, written as in rules: `card`, `address.city`,
    /// `items.*.price`. Needs `values: true`.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub mask: Vec<String>,
    /// How the store is written to where it diverges. Without this section it never is.
    #[serde(default)]
    pub repair: Option<WrittenRepair>,
}

/// Whose map a contract is about.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrittenScope {
    /// All processes' maps are one logical map.
    #[default]
    Shared,
    /// Each process keeps a copy of its own.
    Process,
}

impl From<WrittenScope> for Scope {
    fn from(written: WrittenScope) -> Self {
        match written {
            WrittenScope::Shared => Self::Shared,
            WrittenScope::Process => Self::Process,
        }
    }
}

fn tenant() -> String {
    TenantName::default().to_string()
}

fn every_key() -> f64 {
    1.0
}

fn deadline_ms() -> u32 {
    5_000
}

/// One of the stores of a map that has several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenMapStore {
    /// A name from `stores`; each once.
    pub store: String,
    /// How keys are looked up there.
    #[serde(flatten)]
    pub lookup: WrittenLookup,
    /// In place of the map's `deadline_ms`.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub deadline_ms: Option<u32>,
    /// In place of the map's `lead_ms`.
    #[serde(default)]
    #[schemars(range(max = 86_400_000))]
    pub lead_ms: Option<u32>,
    /// In place of the map's `expires`.
    #[serde(default)]
    pub expires: Option<bool>,
}

/// Where batches are kept until all their events have outcomes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenJournal {
    /// A directory; made if it is not there. One comparator alone uses it.
    pub path: PathBuf,
    /// How many bytes it may take. When it is full, sidecars wait, but not for a few old events that have no outcome: those
    /// are let go of, and would have none if the comparator ended.
    #[serde(default = "journal_bytes_max")]
    #[schemars(range(min = 67_108_864))]
    pub bytes_max: u64,
    /// How long a batch waits, at most, until it is synced to disk together with others, in milliseconds. It is
    /// acknowledged after that.
    #[serde(default = "sync_ms")]
    #[schemars(range(min = 0, max = 1_000))]
    pub sync_ms: u32,
}

const fn journal_bytes_max() -> u64 {
    4 << 30
}

const fn sync_ms() -> u32 {
    20
}

/// What is expected of sources.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenSources {
    /// A source that says nothing for this long is lost: verdicts no longer wait for it, and what it may have written
    /// is undetermined. Milliseconds.
    #[schemars(range(min = 100, max = 86_400_000))]
    pub timeout_ms: u32,
    /// How long a lost source may still be writing without being heard of, cut off from the comparator: until then, or
    /// until its process was started over, every key is undetermined; after that the source is taken for gone. Longer
    /// than the partitions to be survived. Milliseconds.
    #[schemars(range(max = 86_400_000))]
    pub expiry_ms: u32,
    /// Most sources known at a time; the batches of more are refused.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub sources_max: u32,
}

impl Default for WrittenSources {
    fn default() -> Self {
        Self { timeout_ms: 10_000, expiry_ms: 60_000, sources_max: 10_000 }
    }
}

/// Bounds of the key table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenTable {
    /// Most keys kept; a key of a map with several stores counts once for each. Past it, keys without open events are forgotten, the longest idle first; then events are shed.
    #[schemars(range(min = 1_000, max = 1_000_000_000))]
    pub keys_max: u32,
}

impl Default for WrittenTable {
    fn default() -> Self {
        Self { keys_max: 1_000_000 }
    }
}

/// When probes are made.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenProbe {
    /// From the end of a write to the first probe of its key, at least, in milliseconds. The comparator learns each map's
    /// lag and waits longer where the store needs longer, so that most checks take one read.
    #[schemars(range(max = 3_600_000))]
    pub first_delay_ms: u32,
    /// From a verdict that was not final to the next probe, in milliseconds; it doubles each time.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub gap_ms_min: u32,
    /// The longest such gap, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub gap_ms_max: u32,
}

impl Default for WrittenProbe {
    fn default() -> Self {
        Self { first_delay_ms: 20, gap_ms_min: 100, gap_ms_max: 5_000 }
    }
}

/// Bounds of what sidecars send.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenLimits {
    /// Largest encoded batch, in bytes.
    #[schemars(range(min = 4_096, max = 67_108_864))]
    pub batch_bytes_max: u32,
    /// Most events in a batch.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch_events_max: u32,
    /// Connections of sidecars at a time. More are closed at once. Each takes a file descriptor (`ulimit -n`).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_max: u32,
    /// How long a caller may take until it has proved who it is, or, in plain text, until it says something. Milliseconds.
    #[schemars(range(min = 10, max = 600_000))]
    pub handshake_timeout_ms: u32,
}

impl Default for WrittenLimits {
    fn default() -> Self {
        Self {
            batch_bytes_max: 4 << 20,
            batch_events_max: 16_384,
            connections_max: 4_096,
            handshake_timeout_ms: 5_000,
        }
    }
}
