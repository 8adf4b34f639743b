//! Where divergences are kept, as a person writes it into the configuration.

use crate::ledger::{Place, Server};
use crate::store::{StoreKind, StoreUrl, WrittenStoreTls};
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Where divergences are kept: write `path` or `postgres`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenLedger {
    /// An SQLite file; made if it is not there. One comparator alone uses it.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// A schema in a Postgres database, which several comparators may share.
    #[serde(default)]
    #[schemars(with = "WrittenLedgerServer")]
    pub postgres: Option<WrittenLedgerServer>,
    /// How long a divergence is kept once it is resolved, in days. What is not resolved is kept.
    #[serde(default = "retention_days")]
    #[schemars(range(min = 1, max = 3_650))]
    pub retention_days: u32,
}

const fn retention_days() -> u32 {
    90
}

/// A ledger in a Postgres database.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenLedgerServer {
    /// Where the database is: `postgres://user@host:port/database`. Point it at the primary.
    pub url: StoreUrl,
    /// A file that holds the password and nothing else; read at each connect, so that it may be rotated.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Encrypts the connection. Needed with `sslmode=require`.
    #[serde(default)]
    #[schemars(with = "WrittenStoreTls")]
    pub tls: Option<WrittenStoreTls>,
    /// The schema, which has to be there and holds nothing else; its tables are made.
    #[serde(default = "schema_name")]
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_]{0,62}$"))]
    pub schema: String,
}

fn schema_name() -> String {
    "counterfoil".to_owned()
}

impl WrittenLedger {
    /// As it is used. Connects nowhere.
    pub(super) fn place(&self, problems: &mut Problems) -> Option<Place> {
        match (&self.path, &self.postgres) {
            (Some(path), None) => Some(Place::File(path.clone())),
            (None, Some(server)) => {
                let mut found = Problems::default();
                let server = server.used(&mut found);
                problems.add_below("ledger.postgres", found.0);
                server.map(|server| Place::Server(Arc::new(server)))
            }
            (None, None) => {
                problems.add("ledger", "says no place; write path: FILE, or postgres: { url: … }");
                None
            }
            (Some(_), Some(_)) => {
                problems.add("ledger.path", "contradicts ledger.postgres; remove one of them");
                None
            }
        }
    }
}

impl WrittenLedgerServer {
    fn used(&self, problems: &mut Problems) -> Option<Server> {
        if self.url.kind() != Some(StoreKind::Postgres) {
            problems.add("url", "write postgres://user@host:port/database; a file is written as ledger.path");
            return None;
        }
        Server::new(self.url.clone(), self.tls.as_ref(), self.password_file.clone(), &self.schema, problems)
    }
}
