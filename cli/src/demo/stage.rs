//! What a demo needs before anything runs: a folder for its files, a namespace of its own in the store, and the
//! configurations of both services. Gone when it is dropped.

use crate::app_store::{AppStore, StoreError, StoreUrl};
use counterfoil_clock::now;
use counterfoil_keys::{DeploymentKey, KeyError};
use serde_json::{Map, Value, json};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use thiserror::Error;

/// Name of the map.
pub(super) const MAP: &str = "demo";

/// Name of the map of hot keys: a map of its own, so that its figures are.
pub(super) const HOT_MAP: &str = "demo-hot";

/// Within this time the store must agree.
pub(super) const DEADLINE_MS: u64 = 2_000;

const KEY_ID: &str = "demo";

/// What the two services log. That they talk in plain text is no news within one process.
const LOG: &str = "warn,counterfoil_tls=error";

/// Why there is no stage.
#[derive(Debug, Error)]
pub(super) enum StageError {
    /// No folder for the files.
    #[error("temporary folder: {0}")]
    Folder(#[from] io::Error),
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No store.
    #[error("store: {0}")]
    Store(#[from] StoreError),
}

/// The folder, the store and the configurations.
pub(super) struct Stage {
    folder: TempDir,
    namespace: String,
    url: StoreUrl,
    maps: &'static [&'static str],
    pub(super) store: AppStore,
}

impl Stage {
    /// A stage with a store at `url`, or in a file of its own; with a map of hot keys or without.
    pub(super) fn set(url: Option<&StoreUrl>, has_hot_keys: bool) -> Result<Self, StageError> {
        let folder = tempfile::Builder::new().prefix("counterfoil-demo-").tempdir()?;
        let key = DeploymentKey::random(KEY_ID)?;
        counterfoil_keys::create_file(&folder.path().join("deployment.key"), &key.to_line())?;
        let url = url.cloned().unwrap_or_else(|| StoreUrl::Sqlite(folder.path().join("application.db")));
        let namespace = format!("counterfoil_demo_{}_{}", std::process::id(), now().0);
        let store = AppStore::create(&url, &namespace)?;
        let maps: &[_] = if has_hot_keys { &[MAP, HOT_MAP] } else { &[MAP] };
        Ok(Self { folder, namespace, url, maps, store })
    }

    /// Where the sidecar listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("emit.sock")
    }

    /// The comparator's configuration.
    pub(super) fn comparator_yaml(&self) -> String {
        let contracts = self.maps.iter().map(|name| self.contract(name)).collect::<Vec<_>>();
        let url = match &self.url {
            StoreUrl::Sqlite(path) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                format!("sqlite://{}", path.display())
            }
            StoreUrl::Postgres(url) | StoreUrl::Redis(url) => url.clone(),
        };
        let config = json!({
            "kind": "comparator",
            "listen": { "grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "insecure": true },
            "keys": [self.key()],
            "stores": { "application": { "url": url } },
            "maps": contracts,
            "ledger": { "path": self.folder.path().join("ledger.db") },
            "journal": { "path": self.folder.path().join("journal") },
            "telemetry": { "log": LOG },
        });
        config.to_string()
    }

    /// The sidecar's configuration, for a comparator at `comparator`.
    pub(super) fn sidecar_yaml(&self, comparator: SocketAddr) -> String {
        let config = json!({
            "kind": "sidecar",
            "socket": { "path": self.socket() },
            "maps": self.maps.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
            "spool": { "path": self.folder.path().join("spool") },
            "uplink": { "endpoint": format!("http://{comparator}"), "insecure": true },
            "keys": [self.key()],
            "telemetry": { "log": LOG },
        });
        config.to_string()
    }

    fn key(&self) -> Value {
        json!({ "id": KEY_ID, "file": self.folder.path().join("deployment.key") })
    }

    /// What map `name` promises: all maps keep their values in one place.
    fn contract(&self, name: &str) -> Map<String, Value> {
        let mut contract = self.lookup();
        contract.extend([
            ("name".to_owned(), name.into()),
            ("store".to_owned(), "application".into()),
            ("deadline_ms".to_owned(), DEADLINE_MS.into()),
        ]);
        contract
    }

    /// How the comparator finds a key in the store.
    fn lookup(&self) -> Map<String, Value> {
        let name = &self.namespace;
        let sql = |keys: &str| {
            let query = format!("SELECT k, v FROM \"{name}\" WHERE k {keys}");
            [("query".to_owned(), query.into()), ("key_type".to_owned(), "text".into())].into_iter().collect()
        };
        match self.url {
            StoreUrl::Sqlite(_) => sql("IN rarray(?1)"),
            StoreUrl::Postgres(_) => sql("= ANY($1)"),
            StoreUrl::Redis(_) => [("prefix".to_owned(), format!("{name}:").into())].into_iter().collect(),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.store.drop_namespace() {
            eprintln!("the demo's data stays in the store under {}: {error}", self.namespace);
        }
    }
}
