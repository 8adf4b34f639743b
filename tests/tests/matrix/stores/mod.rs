//! Real stores, as the application has them, and the doors through which the comparator reaches them.
//!
//! A store is alone, or has a standby that holds the same data and can take its place.

mod door;
mod grpc;
mod mariadb;
mod postgres;
mod redis;
mod sqlite;

pub(crate) use door::{Door, To};

use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// The kinds of store there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mariadb,
    Redis,
    Grpc,
}

/// What a store holds for a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) value: String,
    /// The version beside the value; `None` from somebody who keeps none.
    pub(crate) version: Option<u32>,
}

/// A store's own side: what the application calls.
pub(crate) trait Server {
    /// Gives the key this row, or takes its row away; it is so when this returns.
    fn set(&mut self, key: &str, row: Option<&Row>);

    /// The standby becomes the primary, with all that was written so far; the application writes there from now on.
    fn promote(&mut self);

    /// What can go wrong in it, besides that it cannot be reached.
    fn troubles(&self) -> &'static [Trouble];

    /// Runs a trouble's statement, in which `{table}` stands for the table, `{seen}` for what the comparator reads of it, and
    /// `{reader}` for who it is there.
    fn execute(&mut self, statement: &str);
}

/// Something that goes wrong in a store for the comparator alone: the application goes on.
pub(crate) struct Trouble {
    pub(crate) what: &'static str,
    /// Statements that make it go wrong and right again.
    pub(crate) begin: &'static str,
    pub(crate) end: &'static str,
    /// The state of the store meanwhile, and why.
    pub(crate) told: (&'static str, &'static str),
}

/// As servers of SQL say it.
const RIGHT_TAKEN_AWAY: Trouble = Trouble {
    what: "the right to read is taken away",
    begin: "REVOKE SELECT ON {seen} FROM {reader}",
    end: "GRANT SELECT ON {seen} TO {reader}",
    told: ("refusing", "query"),
};

/// One store.
pub(crate) struct Store {
    pub(crate) kind: Kind,
    pub(crate) server: Box<dyn Server>,
    pub(crate) door: Door,
    url: String,
    /// What a map's contract says of the place: the key, and what it is.
    lookup: (&'static str, String),
    // The last to go: the servers and doors of this process run on it.
    _runtime: Runtime,
}

impl Store {
    /// One without a standby, whose door is open.
    pub(crate) fn alone(kind: Kind) -> Self {
        Self::open(kind, false)
    }

    /// One with a standby that holds the same; the door leads to the primary.
    pub(crate) fn with_standby(kind: Kind) -> Self {
        Self::open(kind, true)
    }

    fn open(kind: Kind, has_standby: bool) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let handle = runtime.handle();
        let Opened { server, mut door, url, lookup } = match kind {
            Kind::Sqlite => sqlite::open(),
            Kind::Postgres => postgres::open(has_standby, handle),
            Kind::Mariadb => mariadb::open(has_standby, handle),
            Kind::Redis => redis::open(has_standby, handle),
            Kind::Grpc => grpc::open(handle),
        };
        door.open(To::Primary);
        Self { kind, server, door, url, lookup, _runtime: runtime }
    }

    /// Whether a version can stand beside a value.
    pub(crate) fn keeps_versions(&self) -> bool {
        self.kind != Kind::Redis
    }

    /// Whether a standby says that it is one.
    pub(crate) fn tells_standby(&self) -> bool {
        self.kind != Kind::Sqlite
    }

    /// What the comparator's configuration says of it. It is soon found out when it does not answer, and soon read again.
    pub(crate) fn section(&self) -> Value {
        json!({ "url": self.url, "timeout_ms": 500, "budget": { "keys_per_s_min": 200 } })
    }

    /// The contract of a map that is kept in it.
    pub(crate) fn contract(&self, map: &str, scope: &str, deadline_ms: u32) -> Value {
        let (key, place) = &self.lookup;
        let mut contract = Map::new();
        contract.insert((*key).to_owned(), place.as_str().into());
        let rest = [("name", map.into()), ("store", "main".into()), ("scope", scope.into())];
        let deadline = ("deadline_ms", deadline_ms.into());
        contract.extend(rest.into_iter().chain([deadline]).map(|(key, value)| (key.to_owned(), value)));
        contract.into()
    }
}

/// A trouble's statement for the view of a table, and for who reads it.
fn named(statement: &str, table: &str) -> String {
    let [seen, reader] = ["seen", "reader"].map(|name| format!("{table}_{name}"));
    statement.replace("{table}", table).replace("{seen}", &seen).replace("{reader}", &reader)
}

/// What a kind of store makes of itself.
struct Opened {
    server: Box<dyn Server>,
    door: Door,
    url: String,
    lookup: (&'static str, String),
}
