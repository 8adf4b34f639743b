//! What a test sets up before processes start.

use crate::harness::Harness;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Both processes' configurations, in one folder with the deployment key, the socket and the ledger.
pub struct Setup {
    /// Holds everything.
    pub(crate) folder: TempDir,
    /// The comparator's gRPC port.
    pub(crate) grpc: u16,
    /// The comparator's HTTP port.
    pub(crate) http: u16,
    /// The sidecar's admin port.
    pub(crate) admin: u16,
    /// What the operator shows over HTTP, where only he may ask.
    pub(crate) token: Option<String>,
    sidecar: Value,
    comparator: Value,
}

/// A map under test and its place in a store.
#[derive(Clone, Debug)]
pub struct Map {
    /// The map's name.
    pub name: String,
    /// The store's name.
    pub store: String,
    /// `query`, `prefix` or `hash`, and what it is.
    pub place: (&'static str, String),
    /// How values are written.
    pub codec: &'static str,
    /// The contract's deadline in milliseconds.
    pub deadline_ms: u32,
    /// The contract's lead in milliseconds.
    pub lead_ms: u32,
}

impl Map {
    /// A map of bytes in the store `main`, with a deadline of two seconds.
    #[must_use]
    pub fn new(name: &str, place: (&'static str, String)) -> Self {
        let (name, store) = (name.to_owned(), "main".to_owned());
        Self { name, store, place, codec: "bytes", deadline_ms: 2_000, lead_ms: 0 }
    }
}

impl Setup {
    /// A sidecar and a comparator that know no store and no map.
    ///
    /// # Panics
    ///
    /// If the folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("counterfoil-test-").tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        counterfoil_keys::create_file(&at("key"), &"07".repeat(32)).expect("the key is written");
        let (grpc, http, admin) = (crate::free_port(), crate::free_port(), crate::free_port());
        let keys = json!([{ "id": "k1", "file": at("key") }]);
        let sidecar = json!({
            "kind": "sidecar",
            "socket": { "path": at("emit.sock") },
            "maps": [],
            "uplink": { "endpoint": format!("http://127.0.0.1:{grpc}"), "insecure": true },
            "keys": keys,
            "admin": { "listen": format!("127.0.0.1:{admin}") },
        });
        let comparator = json!({
            "kind": "comparator",
            "listen": {
                "grpc": format!("127.0.0.1:{grpc}"),
                "http": format!("127.0.0.1:{http}"),
                "insecure": true,
            },
            "keys": keys,
            "stores": {},
            "maps": [],
            "ledger": { "path": at("ledger.db") },
        });
        Self { folder, grpc, http, admin, token: None, sidecar, comparator }
    }

    /// Adds a store.
    #[must_use]
    pub fn store(self, name: &str, url: &str) -> Self {
        self.comparator(&format!("/stores/{name}"), json!({ "url": url }))
    }

    /// Adds a map to both processes.
    ///
    /// # Panics
    ///
    /// If the test replaced the lists of maps by something else.
    #[must_use]
    pub fn map(mut self, map: &Map) -> Self {
        let sidecar = json!({ "name": map.name, "codec": map.codec });
        let comparator = json!({
            "name": map.name,
            "store": map.store,
            map.place.0: map.place.1,
            "codec": map.codec,
            "deadline_ms": map.deadline_ms,
            "lead_ms": map.lead_ms,
        });
        for (config, entry) in [(&mut self.sidecar, sidecar), (&mut self.comparator, comparator)] {
            let maps = config.get_mut("maps").and_then(Value::as_array_mut).expect("maps is a list");
            maps.push(entry);
        }
        self
    }

    /// Sets a key of the sidecar's configuration, such as `/limits/key_bytes_max`.
    #[must_use]
    pub fn sidecar(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.sidecar, pointer, value);
        self
    }

    /// Sets a key of the comparator's configuration.
    #[must_use]
    pub fn comparator(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.comparator, pointer, value);
        self
    }

    /// Lets nobody ask the comparator over HTTP but an operator, `alice`, with this token; the file `alice.token` has it.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[must_use]
    pub fn operator(mut self, token: &str) -> Self {
        let file = self.folder().join("alice.token");
        counterfoil_keys::create_file(&file, token).expect("a file in the test's folder");
        self.token = Some(token.to_owned());
        let alice = json!({ "name": "alice", "role": "operator", "file": file });
        self.comparator("/listen/http_tokens", json!([alice]))
    }

    /// The sidecar's admin port.
    #[must_use]
    pub fn admin(&self) -> u16 {
        self.admin
    }

    /// The folder of everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts both processes and waits until both are ready.
    ///
    /// # Panics
    ///
    /// If one does not become ready.
    #[must_use]
    pub fn start(self) -> Harness {
        let mut harness = Harness::prepared(self);
        harness.start_comparator();
        harness.start_sidecar();
        harness
    }

    /// A command that runs one of the two processes, `sidecar` or `comparator`, with its configuration as it is now.
    ///
    /// # Panics
    ///
    /// If the configuration cannot be written.
    #[must_use]
    pub fn command(&self, process: &str) -> Command {
        let config = if process == "sidecar" { &self.sidecar } else { &self.comparator };
        let file = self.write(&format!("{process}.yaml"), &config.to_string());
        let mut command = Command::new(crate::counterfoil());
        command.args([process, "--config"]).arg(file).env("NO_COLOR", "1");
        command
    }

    /// Writes a file into the folder and gives its path. A JSON text is a YAML text.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[must_use]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, text).expect("a file in the test's folder");
        path
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets the entry at a JSON pointer, and makes the objects on the way to it.
fn set(mut at: &mut Value, pointer: &str, value: Value) {
    for key in pointer.split('/').skip(1) {
        if at.is_null() {
            *at = json!({});
        }
        at = at.as_object_mut().expect("the pointer leads through objects").entry(key).or_insert(Value::Null);
    }
    *at = value;
}
