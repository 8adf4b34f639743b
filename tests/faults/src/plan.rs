//! What a round is made of: the configurations of both processes, and how they and the application are run.

use crate::machine::{KeyForm, Machine};
use crate::promise::Level;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The contract's deadline, in milliseconds.
pub(crate) const DEADLINE_MS: u32 = 500;
/// A source that says nothing for so long is lost, in milliseconds: longer than any restart here.
pub(crate) const SOURCE_TIMEOUT_MS: u32 = 2_000;
/// A lost source is taken for gone after so long, in milliseconds.
const SOURCE_EXPIRY_MS: u32 = 6_000;
/// How long past its deadline an event may wait for a verdict, in milliseconds: longer than any restart here.
const PATIENCE_MS: u32 = 2_500;
/// The longest pause before the sidecar connects again, in milliseconds.
const BACKOFF_MS_MAX: u32 = 400;
/// The longest gap between two probes of a key, in milliseconds.
const PROBE_GAP_MS_MAX: u32 = 400;
/// Connections that the sidecar serves.
const CONNECTIONS_MAX: u32 = 600;
/// Room for spool or journal unless a scenario says otherwise, in bytes.
const BYTES_MAX: u64 = 64 << 20;
/// How long a group commit waits for others, in milliseconds.
const SYNC_MS: u32 = 20;

/// Where a process keeps things, and how much of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    /// None: a folder of the rig's own.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) bytes_max: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self { folder: None, bytes_max: BYTES_MAX }
    }
}

/// One round's configuration.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Plan {
    pub(crate) level: Level,
    /// Writes per second.
    pub(crate) rate: f64,
    /// Bugs per second.
    pub(crate) bugs: f64,
    pub(crate) emitters: usize,
    pub(crate) seed: u64,
    /// The sidecar's spool, where this build has one.
    pub(crate) spool: Kept,
    /// The comparator's journal, where this build has one.
    pub(crate) journal: Kept,
    /// The comparator's ledger, if it is not in the rig's own folder.
    pub(crate) ledger: Option<PathBuf>,
    /// Put before the sidecar's command.
    pub(crate) sidecar_under: Vec<String>,
    pub(crate) sidecar_environment: Vec<(String, String)>,
    pub(crate) comparator_environment: Vec<(String, String)>,
    /// Where the sidecar finds the comparator.
    pub(crate) comparator_address: String,
    /// Use the build with failpoints.
    pub(crate) with_failpoints: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            level: Level::Received,
            rate: 3_000.0,
            bugs: 8.0,
            emitters: 1,
            seed: 0,
            spool: Kept::default(),
            journal: Kept::default(),
            ledger: None,
            sidecar_under: Vec::new(),
            sidecar_environment: Vec::new(),
            comparator_environment: Vec::new(),
            comparator_address: "127.0.0.1".to_owned(),
            with_failpoints: false,
        }
    }
}

/// Where the processes of a rig are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    pub(crate) admin: u16,
    /// An SQLite file, or the URL of a Redis.
    pub(crate) store: String,
    /// The map under test, which is also its table or prefix in the store. No two rigs share one.
    pub(crate) map: String,
}

impl Place {
    /// A file of the rig.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Plan {
    /// The sidecar's configuration.
    pub(crate) fn sidecar(&self, place: &Place, machine: &Machine) -> Value {
        let endpoint = format!("http://{}:{}", self.comparator_address, place.grpc);
        let mut config = json!({
            "kind": "sidecar",
            "socket": { "path": place.at("emit.sock"), "connections_max": CONNECTIONS_MAX },
            "maps": [{ "name": place.map, "codec": "bytes" }],
            "uplink": { "endpoint": endpoint, "insecure": true, "backoff_ms_max": BACKOFF_MS_MAX },
            "admin": { "listen": format!("127.0.0.1:{}", place.admin) },
        });
        self.add_key(&mut config, place, machine);
        if machine.has_spool() {
            add(&mut config, "spool", kept(&self.spool, &place.at("spool")));
        }
        config
    }

    /// The comparator's configuration.
    pub(crate) fn comparator(&self, place: &Place, machine: &Machine) -> Value {
        let listen = if self.comparator_address == "127.0.0.1" { "127.0.0.1" } else { "0.0.0.0" };
        let (url, place_key, place_in_store) = match place.store.strip_prefix("redis://") {
            Some(_) => (place.store.clone(), "prefix", format!("{}:", place.map)),
            None => {
                let query = format!("SELECT k, v FROM {} WHERE k IN rarray(?1)", place.map);
                (format!("sqlite://{}", place.store), "query", query)
            }
        };
        let mut config = json!({
            "kind": "comparator",
            "listen": {
                "grpc": format!("{listen}:{}", place.grpc),
                "http": format!("127.0.0.1:{}", place.http),
                "insecure": true,
            },
            "stores": { "main": { "url": url } },
            "maps": [{ "name": place.map, "store": "main", place_key: place_in_store, "codec": "bytes",
                "deadline_ms": DEADLINE_MS, "patience_ms": PATIENCE_MS }],
            "probe": { "gap_ms_max": PROBE_GAP_MS_MAX },
            "sources": { "timeout_ms": SOURCE_TIMEOUT_MS, "expiry_ms": SOURCE_EXPIRY_MS },
            "ledger": { "path": self.ledger.clone().unwrap_or_else(|| place.at("ledger.db")) },
        });
        self.add_key(&mut config, place, machine);
        if machine.has_journal() {
            add(&mut config, "journal", kept(&self.journal, &place.at("journal")));
        }
        config
    }

    fn add_key(&self, config: &mut Value, place: &Place, machine: &Machine) {
        let key = json!({ "id": "k1", "file": place.at("key") });
        match machine.key_form {
            KeyForm::One => add(config, "key", key),
            KeyForm::Many => add(config, "keys", json!([key])),
        }
    }
}

fn kept(kept: &Kept, folder: &Path) -> Value {
    let path = kept.folder.as_deref().unwrap_or(folder);
    json!({ "path": path, "bytes_max": kept.bytes_max, "sync_ms": SYNC_MS })
}

fn add(config: &mut Value, key: &str, value: Value) {
    if let Some(sections) = config.as_object_mut() {
        sections.insert(key.to_owned(), value);
    }
}
