//! Two tables in Postgres: what the store holds, and what the map holds.

use crate::workload::value_in_sql;
use counterfoil_tests::unique;
use std::collections::BTreeSet;
use tokio_postgres::{Client, NoTls};

/// How many rows both have.
pub(crate) const ROWS: u64 = 1_000_000;
/// Differences of each kind, spread evenly.
const PER_KIND: u64 = 100;

/// Keys at which the store differs from the map.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Differences {
    /// It has another value.
    pub(crate) changed: BTreeSet<u64>,
    /// It has no row.
    pub(crate) missing: BTreeSet<u64>,
    /// It has a row that the map does not have.
    pub(crate) extra: BTreeSet<u64>,
}

impl Differences {
    fn planned() -> Self {
        let spread = |first: u64| (0..PER_KIND).map(|place| place * (ROWS / PER_KIND) + first).collect();
        // Extra rows lie behind all others: between them there is no room.
        Self { changed: spread(17), missing: spread(4_711), extra: (ROWS..ROWS + PER_KIND).collect() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.changed.len() + self.missing.len() + self.extra.len()
    }
}

/// The tables.
pub(crate) struct Tables {
    client: Client,
    /// What the store holds.
    pub(crate) store: String,
    /// What the map holds.
    pub(crate) map: String,
    planned: Differences,
}

impl Tables {
    /// Both the same.
    pub(crate) async fn filled(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres answers");
        tokio::spawn(connection);
        let tables =
            Self { client, store: unique("store"), map: unique("map"), planned: Differences::planned() };
        for table in [&tables.store, &tables.map] {
            tables.run(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, v text NOT NULL)")).await;
            tables.run(&insert(table, &format!("generate_series(0, {ROWS} - 1)"))).await;
            tables.run(&format!("VACUUM ANALYZE {table}")).await;
        }
        tables
    }

    /// Lets the store differ as planned.
    pub(crate) async fn plant(&self) {
        let Self { store, planned, .. } = self;
        self.run(&format!("UPDATE {store} SET v = 'changed' WHERE id IN ({})", list(&planned.changed))).await;
        self.run(&format!("DELETE FROM {store} WHERE id IN ({})", list(&planned.missing))).await;
        self.run(&insert(store, &format!("unnest(ARRAY[{}])", list(&planned.extra)))).await;
    }

    /// Lets the store be as the map again.
    pub(crate) async fn put_back(&self) {
        let Self { store, planned, .. } = self;
        let at = [&planned.changed, &planned.missing, &planned.extra].map(list).join(", ");
        self.run(&format!("DELETE FROM {store} WHERE id IN ({at})")).await;
        let (changed, missing) = (list(&planned.changed), list(&planned.missing));
        self.run(&insert(store, &format!("unnest(ARRAY[{changed}, {missing}])"))).await;
        self.run(&format!("VACUUM ANALYZE {store}")).await;
    }

    /// What was planted.
    pub(crate) fn planted(&self) -> &Differences {
        &self.planned
    }

    /// How keys of the store are looked up.
    pub(crate) fn query(&self) -> String {
        format!("SELECT id, v FROM {} WHERE id = ANY($1)", self.store)
    }

    /// How the store is gone through.
    pub(crate) fn scan(&self) -> String {
        format!("SELECT id, v FROM {} WHERE id >= $1 ORDER BY id LIMIT $2", self.store)
    }

    async fn run(&self, command: &str) {
        self.client.batch_execute(command).await.expect("Postgres does it");
    }
}

fn insert(table: &str, numbers: &str) -> String {
    format!("INSERT INTO {table} SELECT n, {} FROM {numbers} AS n", value_in_sql("n::text"))
}

fn list(keys: &BTreeSet<u64>) -> String {
    keys.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
