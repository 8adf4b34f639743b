//! A store as a person writes it into the configuration.

use super::budget::WrittenBudget;
use super::tls::WrittenStoreTls;
use super::{StoreError, StoreKind};
use crate::budget::Bounds;
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Bounds of the keys below. The schema holds the same figures, and a test that they stay the same.
const CONCURRENCY_MAX: u32 = 64;
const KEYS_PER_READ_MAX: u32 = 10_000;
const TIMEOUT_MS_MAX: u32 = 60_000;
const VALUE_BYTES_MAX: u32 = 1 << 30;
/// Largest password file, in bytes.
const PASSWORD_BYTES_MAX: usize = 4096;

/// One store, and how hard it may be read.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenStore {
    /// Where the store is: `sqlite:///absolute/path`, `sqlite:relative/path`, `postgres://user@host:port/database`,
    /// `mysql://user@host:port/database` (or `mariadb://`), `redis://host:port/database` (`redis+cluster://host:port` for a cluster), or
    /// `grpc://host:port` of a reader service of your own. Point it at the primary, with credentials that can only read.
    pub url: StoreUrl,
    /// How many reads may be on their way at a time; also the number of connections, but for Redis, where they share one.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u32,
    /// How many keys one read may ask for.
    #[serde(default = "default_keys_per_read_max")]
    #[schemars(range(min = 1, max = 10_000))]
    pub keys_per_read_max: u32,
    /// Milliseconds after which a read is given up, connecting included.
    #[serde(default = "default_timeout_ms")]
    #[schemars(range(min = 1, max = 60_000))]
    pub timeout_ms: u32,
    /// The largest value that is compared, in bytes. A larger one is an error of its key, which ends undetermined (`store`): it
    /// is let go of, and never compared in part. So what one read gives has `keys_per_read_max` times this at most.
    #[serde(default = "default_value_bytes_max")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub value_bytes_max: u32,
    /// A file that holds the password and nothing else; read at each connect, so that it may be rotated.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// How hard it may be read over time.
    #[serde(default)]
    pub budget: WrittenBudget,
    /// Encrypts the connection. Needed with `sslmode=require`, `rediss://` and `grpcs://`; with MySQL this section alone
    /// says it.
    #[serde(default)]
    #[schemars(with = "WrittenStoreTls")]
    pub tls: Option<WrittenStoreTls>,
}

fn default_concurrency() -> u32 {
    2
}
fn default_keys_per_read_max() -> u32 {
    500
}
fn default_timeout_ms() -> u32 {
    2000
}
fn default_value_bytes_max() -> u32 {
    16 << 20
}

impl WrittenStore {
    /// The store at `url`, with everything else as it is by default.
    #[must_use]
    pub fn new(url: impl Into<StoreUrl>) -> Self {
        Self {
            url: url.into(),
            concurrency: default_concurrency(),
            keys_per_read_max: default_keys_per_read_max(),
            timeout_ms: default_timeout_ms(),
            value_bytes_max: default_value_bytes_max(),
            password_file: None,
            budget: WrittenBudget::default(),
            tls: None,
        }
    }

    /// What is wrong regardless of the kind of store.
    pub(super) fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        if self.url.kind().is_none() {
            problems.add(
                "url",
                "a store's url begins with sqlite:, postgres://, mysql://, mariadb://, redis://, rediss://, grpc:// or grpcs://",
            );
        }
        if self.url.kind() == Some(StoreKind::Sqlite) && self.password_file.is_some() {
            problems.add("password_file", "an SQLite file has no password; remove this key");
        }
        if self.url.kind() == Some(StoreKind::Sqlite) && self.tls.is_some() {
            problems.add("tls", "an SQLite file has no connection; remove this section");
        }
        for (path, value, max) in [
            ("concurrency", self.concurrency, CONCURRENCY_MAX),
            ("keys_per_read_max", self.keys_per_read_max, KEYS_PER_READ_MAX),
            ("timeout_ms", self.timeout_ms, TIMEOUT_MS_MAX),
            ("value_bytes_max", self.value_bytes_max, VALUE_BYTES_MAX),
        ] {
            if !(1..=max).contains(&value) {
                problems.add(path, format!("{value} is out of range; write 1 to {max}"));
            }
        }
        self.budget.problems(&mut problems);
        problems
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.budget.bounds(self.concurrency(), self.keys_per_read_max())
    }

    pub(super) fn concurrency(&self) -> usize {
        usize::try_from(self.concurrency.clamp(1, CONCURRENCY_MAX)).unwrap_or(1)
    }

    fn keys_per_read_max(&self) -> usize {
        usize::try_from(self.keys_per_read_max.clamp(1, KEYS_PER_READ_MAX)).unwrap_or(1)
    }

    pub(super) fn value_bytes_max(&self) -> usize {
        usize::try_from(self.value_bytes_max.clamp(1, VALUE_BYTES_MAX)).unwrap_or(1)
    }
}

/// The URL of a store. It may hold a password, so `Debug` and `Display` show only the part before it and after it.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// The kind of store that the URL's scheme names.
    #[must_use]
    pub fn kind(&self) -> Option<StoreKind> {
        match self.0.split_once(':')?.0 {
            "sqlite" => Some(StoreKind::Sqlite),
            "postgres" | "postgresql" => Some(StoreKind::Postgres),
            "mysql" | "mariadb" => Some(StoreKind::Mysql),
            "redis" | "rediss" | "redis+unix" | "redis+cluster" => Some(StoreKind::Redis),
            "grpc" | "grpcs" => Some(StoreKind::Grpc),
            _ => None,
        }
    }

    /// Whether the URL alone says that the connection is to be encrypted.
    pub(super) fn asks_for_tls(&self) -> bool {
        self.0.starts_with("rediss:") || self.0.starts_with("grpcs:") || self.sslmode() == Some("require")
    }

    /// Whether the URL leaves room for an encrypted connection.
    pub(super) fn may_have_tls(&self) -> bool {
        match self.kind() {
            Some(StoreKind::Redis | StoreKind::Grpc) => self.asks_for_tls(),
            Some(StoreKind::Postgres) => self.sslmode() != Some("disable"),
            Some(StoreKind::Mysql) => true,
            Some(StoreKind::Sqlite) | None => false,
        }
    }

    fn sslmode(&self) -> Option<&str> {
        let (_, parameters) = self.0.split_once('?')?;
        parameters.split('&').filter_map(|it| it.strip_prefix("sslmode=")).next_back()
    }

    /// The whole URL, password and all.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StoreUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl From<String> for StoreUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parameters can hold a password too (`?password=`), and what is not a URL may be one.
        let before_parameters = self.0.split('?').next().unwrap_or_default();
        let Some((scheme, rest)) = before_parameters.split_once(':') else { return f.write_str("***") };
        match rest.rsplit_once('@') {
            Some((_, place)) => write!(f, "{scheme}://***@{place}"),
            None => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A password on its way from a file to a connection. `Debug` shows stars.
pub(super) struct Password(String);

impl Password {
    /// Reads the password file; a line end at its end is not part of the password.
    pub(super) async fn read(path: &Path) -> Result<Self, StoreError> {
        let unreadable =
            |why: &dyn fmt::Display| StoreError::connect(format!("password_file {}: {why}", path.display()));
        let text = tokio::fs::read_to_string(path).await.map_err(|error| unreadable(&error.kind()))?;
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(unreadable(&format!("longer than {PASSWORD_BYTES_MAX} bytes")));
        }
        Ok(Self(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
