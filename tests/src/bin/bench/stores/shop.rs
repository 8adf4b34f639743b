//! A store of each kind, filled with the same rows.

use crate::workload::{value, value_in_sql};
use counterfoil_tests::stores::{mariadb_url, postgres_url, redis_url};
use counterfoil_tests::unique;
use mysql_async::prelude::Queryable;
use std::path::Path;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// How many keys there are.
pub(crate) const KEYS: u64 = 500_000;
/// A prime that does not divide the number of keys: they are written and read in an order that is not theirs.
const KEY_STEP: u64 = 104_729;
/// Keys that are put into Redis at a time.
const KEYS_PER_PUT: usize = 5_000;

/// The kinds of store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mariadb,
    Redis,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Sqlite, Self::Postgres, Self::Mariadb, Self::Redis];

    /// How many reads a comparator may make at a time over its one connection.
    pub(crate) fn reads_per_connection(self) -> u32 {
        if self == Self::Redis { 4 } else { 1 }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
            Self::Mariadb => "MariaDB",
            Self::Redis => "Redis",
        }
    }
}

/// A store with all keys in it.
pub(crate) struct Shop {
    pub(crate) kind: Kind,
    /// Where it is.
    pub(crate) url: String,
    /// What a contract says about the place of the map: a query or a prefix.
    pub(crate) place: (&'static str, String),
    /// Holds SQLite's file.
    _folder: TempDir,
}

impl Shop {
    pub(crate) async fn filled(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let table = unique("cart");
        let (url, place) = match kind {
            Kind::Sqlite => {
                let path = folder.path().join("store.db");
                fill_sqlite(&path, &table);
                (format!("sqlite://{}", path.display()), ("query", query(&table, "IN rarray(?1)")))
            }
            Kind::Postgres => {
                fill_postgres(&postgres_url(), &table).await;
                (postgres_url(), ("query", query(&table, "= ANY($1)")))
            }
            Kind::Mariadb => {
                fill_mariadb(&mariadb_url(), &table).await;
                (mariadb_url(), ("query", query(&table, "IN (?)")))
            }
            Kind::Redis => {
                let prefix = format!("{table}:");
                fill_redis(&redis_url(), &prefix);
                (redis_url(), ("prefix", prefix))
            }
        };
        Self { kind, url, place, _folder: folder }
    }
}

fn query(table: &str, is_one_of: &str) -> String {
    format!("SELECT k, v FROM {table} WHERE k {is_one_of}")
}

pub(crate) fn key(number: u64) -> String {
    format!("user-{number:015}")
}

/// The numbers of all keys, in the order in which they are written and read.
pub(crate) fn numbers() -> impl Iterator<Item = u64> {
    (0..KEYS).map(|place| place * KEY_STEP % KEYS)
}

/// All keys, so many at a time.
pub(crate) fn reads(keys_per_read: usize) -> Vec<Vec<String>> {
    let keys: Vec<_> = numbers().map(key).collect();
    keys.chunks(keys_per_read).map(<[String]>::to_vec).collect()
}

fn fill_sqlite(path: &Path, table: &str) {
    let mut file = rusqlite::Connection::open(path).expect("a new file");
    let create = format!("PRAGMA journal_mode=WAL; CREATE TABLE {table} (k TEXT PRIMARY KEY, v BLOB)");
    file.execute_batch(&create).expect("a new table");
    let rows = file.transaction().expect("a transaction");
    {
        let mut insert = rows.prepare(&format!("INSERT INTO {table} VALUES (?1, ?2)")).expect("INSERT");
        for number in 0..KEYS {
            insert.execute((key(number), value(number))).expect("a row");
        }
    }
    rows.commit().expect("the rows are there");
}

async fn fill_postgres(url: &str, table: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let rows = format!(
        "CREATE TABLE {table} (k text PRIMARY KEY, v text);
         INSERT INTO {table} SELECT concat('user-', lpad(n::text, 15, '0')), {}
             FROM generate_series(0, {KEYS} - 1) AS n;
         VACUUM ANALYZE {table}",
        value_in_sql("n::text")
    );
    for command in rows.split(';') {
        client.batch_execute(command).await.expect("the rows are there");
    }
}

async fn fill_mariadb(url: &str, table: &str) {
    let mut connection = mysql_async::Conn::from_url(url).await.expect("MariaDB answers");
    let last = KEYS - 1;
    let rows = format!(
        "CREATE TABLE {table} (k varchar(64) COLLATE utf8mb4_bin PRIMARY KEY, v varchar(255));
         INSERT INTO {table} SELECT concat('user-', lpad(seq, 15, '0')),
             {} FROM seq_0_to_{last};
         ANALYZE TABLE {table}",
        value_in_sql("seq")
    );
    for command in rows.split(';') {
        connection.query_drop(command).await.expect("the rows are there");
    }
    connection.disconnect().await.expect("goodbye");
}

fn fill_redis(url: &str, prefix: &str) {
    let client = redis::Client::open(url).expect("a Redis URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let mut numbers = (0..KEYS).peekable();
    while numbers.peek().is_some() {
        let mut pipeline = redis::pipe();
        for number in numbers.by_ref().take(KEYS_PER_PUT) {
            pipeline.set(format!("{prefix}{}", key(number)), value(number)).ignore();
        }
        pipeline.exec(&mut connection).expect("SET");
    }
}
