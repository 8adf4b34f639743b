//! Changes of a store, against an application that writes at the same time: its write is never written over.

use super::*;
use crate::store::change::{Changer, Says, Swap, Swapped, Writing, WrittenStatements};
use rusqlite::Connection;
use std::path::Path;

/// What the application does in a race.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Race {
    /// The row is there, and the application gives it another value.
    Update,
    /// There is no row, and the application makes one.
    Insert,
    /// The row is there and to be removed, and the application gives it another value.
    Remove,
}

impl Race {
    const ALL: [Self; 3] = [Self::Update, Self::Insert, Self::Remove];

    fn before(self) -> Option<&'static str> {
        if self == Self::Insert { None } else { Some("stale") }
    }

    fn wanted(self) -> Option<&'static str> {
        if self == Self::Remove { None } else { Some("repaired") }
    }
}

fn holds(value: Option<&str>) -> Says {
    let expected = value.map_or(Found::Absent, |value| Found::Value(value.as_bytes().to_vec(), None));
    Arc::new(move |found| *found == expected)
}

fn swap(key: &str, before: Option<&str>, wanted: Option<&str>) -> Swap {
    Swap {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: wanted.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        is_expected: holds(before),
        is_wanted: holds(wanted),
    }
}

/// An application of its own, with a table, a hash or a prefix of its own.
trait Application: Send + Sync + 'static {
    fn lookup(&self) -> Lookup;
    fn url(&self) -> String;
    /// Puts or removes a value, whatever is there.
    fn put(&self, key: &str, value: Option<&str>) -> impl Future<Output = ()> + Send;

    fn statements<'a>(&self, texts: &'a [String]) -> WrittenStatements<'a> {
        match texts {
            [insert, update, remove, rest @ ..] => WrittenStatements {
                insert: Some(insert),
                update: Some(update),
                remove: Some(remove),
                locked_query: rest.first().map(String::as_str),
            },
            _ => WrittenStatements::default(),
        }
    }

    /// Insert, update, remove and the query that locks; none for Redis.
    fn texts(&self) -> Vec<String>;
}

/// What a test has in hand.
struct Bench<A> {
    application: Arc<A>,
    changer: Changer,
    writing: Writing,
    reader: Reader,
    lookup: Lookup,
}

impl<A: Application> Bench<A> {
    fn new(application: A) -> Self {
        let written =
            WrittenStore { concurrency: 4, timeout_ms: 20_000, ..WrittenStore::new(application.url()) };
        let changer = Changer::new(&written).unwrap();
        let (lookup, texts) = (application.lookup(), application.texts());
        let mut problems = Problems::default();
        let statements = application.statements(&texts);
        let writing = Writing::new(statements, &lookup, changer.kind(), "", &mut problems).unwrap();
        Self { application: Arc::new(application), changer, writing, reader: reader(&written), lookup }
    }

    async fn holds(&self, key: &str) -> Option<String> {
        match read(&self.reader, &self.lookup, &[key]).await.unwrap().remove(0).unwrap() {
            Found::Absent => None,
            Found::Value(value, _) => Some(String::from_utf8(value).unwrap()),
        }
    }

    async fn swap(&self, swap: &Swap) -> Swapped {
        self.changer.swap(&self.writing, swap, |_| async { true }).await.unwrap()
    }

    /// One race over a key; gives whether the repair was made. Whichever came first, the application's write stands: it came
    /// before the repair, which then finds another value, or it came after it.
    async fn race(&self, race: Race, number: u32) -> bool {
        let (key, value) = (format!("k{}", number % 7), format!("application {number}"));
        self.application.put(&key, race.before()).await;
        let swap = swap(&key, race.before(), race.wanted());
        let application = async {
            for _ in 0..number % 5 {
                tokio::task::yield_now().await;
            }
            self.application.put(&key, Some(&value)).await;
        };
        let (made, ()) = tokio::join!(self.swap(&swap), application);
        assert!(matches!(made, Swapped::Written | Swapped::Overtaken), "{race:?} {number}: {made:?}");
        assert_eq!(self.holds(&key).await.as_ref(), Some(&value), "{race:?} {number}: {made:?}");
        made == Swapped::Written
    }

    /// So many races; both sides win some.
    async fn races(&self, count: u32) {
        let mut won = 0;
        for number in 0..count {
            let race = Race::ALL[number as usize % Race::ALL.len()];
            won += u32::from(self.race(race, number).await);
        }
        assert!(won > 0, "the repair never came first");
        println!("of {count} races the repair came first in {won}");
    }

    /// Without a race everything is made, and exactly once; and what the store holds decides.
    async fn is_changed_as_expected(&self) {
        for race in Race::ALL {
            self.application.put("k", race.before()).await;
            let swap = swap("k", race.before(), race.wanted());
            assert_eq!(self.swap(&swap).await, Swapped::Written, "{race:?}");
            assert_eq!(self.holds("k").await.as_deref(), race.wanted(), "{race:?}");
            assert_eq!(self.swap(&swap).await, Swapped::Already, "{race:?}");
            self.application.put("k", Some("other")).await;
            assert_eq!(self.swap(&swap).await, Swapped::Overtaken, "{race:?}");
            assert_eq!(self.holds("k").await.as_deref(), Some("other"), "{race:?}");
        }
        self.application.put("k", Some("stale")).await;
        let unsettled = swap("k", Some("stale"), Some("repaired"));
        let made = self.changer.swap(&self.writing, &unsettled, |_| async { false }).await;
        assert_eq!((made, self.holds("k").await.as_deref()), (Ok(Swapped::Unsettled), Some("stale")));
        self.application.put("k", None).await;
    }

    /// The application writes while the repair settles, between its look and its change.
    async fn settling(&self, race: Race, writes: &[Option<&str>]) -> Swapped {
        self.application.put("k", race.before()).await;
        let swap = swap("k", race.before(), race.wanted());
        let settle = |_| async {
            for value in writes {
                self.application.put("k", *value).await;
            }
            true
        };
        let made = self.changer.swap(&self.writing, &swap, settle).await.unwrap();
        if made == Swapped::Overtaken {
            assert_eq!(self.holds("k").await.as_deref(), writes[writes.len() - 1], "{race:?}");
        }
        made
    }

    async fn what_came_between_is_seen(&self) {
        for race in Race::ALL {
            assert_eq!(self.settling(race, &[Some("other")]).await, Swapped::Overtaken, "{race:?}");
        }
    }

    /// Even if the key holds the same again as before.
    async fn what_came_between_and_went_is_seen(&self) {
        for race in [Race::Update, Race::Remove] {
            let writes = [Some("other"), race.before()];
            assert_eq!(self.settling(race, &writes).await, Swapped::Overtaken, "{race:?}");
        }
    }
}

fn sql_texts(table: &str, lock: Option<&str>) -> Vec<String> {
    let texts = [
        format!("INSERT INTO {table} (k, v) VALUES ($key, $value)"),
        format!("UPDATE {table} SET v = $value WHERE k = $key"),
        format!("DELETE FROM {table} WHERE k = $key"),
    ];
    texts.into_iter().chain(lock.map(str::to_owned)).collect()
}

struct Sqlite {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Sqlite {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let commands = "PRAGMA journal_mode=WAL; CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)";
        Self::open(&path).execute_batch(commands).unwrap();
        Self { _folder: folder, path }
    }

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        connection
    }
}

impl Application for Sqlite {
    fn lookup(&self) -> Lookup {
        sql("SELECT k, v FROM t WHERE k IN rarray(?1)")
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    async fn put(&self, key: &str, value: Option<&str>) {
        let (path, key, value) = (self.path.clone(), key.to_owned(), value.map(str::to_owned));
        let put = move || {
            let connection = Self::open(&path);
            match value {
                Some(value) => connection.execute("INSERT OR REPLACE INTO t VALUES (?1, ?2)", (key, value)),
                None => connection.execute("DELETE FROM t WHERE k = ?1", [key]),
            }
        };
        tokio::task::spawn_blocking(put).await.unwrap().unwrap();
    }

    fn texts(&self) -> Vec<String> {
        sql_texts("t", None)
    }
}

struct Postgres {
    client: tokio_postgres::Client,
    table: String,
}

impl Postgres {
    async fn new() -> Self {
        let table = postgres::table("text", "('first', 'x', 1)").await;
        let (client, connection) =
            tokio_postgres::connect(&postgres::url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { client, table }
    }
}

impl Application for Postgres {
    fn lookup(&self) -> Lookup {
        postgres::by_key(&self.table)
    }

    fn url(&self) -> String {
        postgres::url()
    }

    async fn put(&self, key: &str, value: Option<&str>) {
        let table = &self.table;
        let put = match value {
            Some(_) => {
                format!("INSERT INTO {table} (k, v) VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = $2")
            }
            None => format!("DELETE FROM {table} WHERE k = $1 AND $2::text IS NULL"),
        };
        self.client.execute(&put, &[&key, &value]).await.unwrap();
    }

    fn texts(&self) -> Vec<String> {
        let lock = format!("SELECT k, v FROM {} WHERE k = ANY($1) FOR UPDATE", self.table);
        sql_texts(&self.table, Some(&lock))
    }
}

struct Mariadb {
    pool: mysql_async::Pool,
    table: String,
}

impl Mariadb {
    async fn new() -> Self {
        let table = fresh_name();
        mysql::run(&format!("CREATE TABLE {table} (k VARCHAR(99) COLLATE utf8mb4_bin PRIMARY KEY, v TEXT)"))
            .await;
        Self { pool: mysql_async::Pool::new(mysql::url().as_str()), table }
    }
}

impl Application for Mariadb {
    fn lookup(&self) -> Lookup {
        sql(format!("SELECT k, v FROM {} WHERE k IN (?)", self.table))
    }

    fn url(&self) -> String {
        mysql::url()
    }

    async fn put(&self, key: &str, value: Option<&str>) {
        use mysql_async::prelude::Queryable;
        let mut connection = self.pool.get_conn().await.unwrap();
        let table = &self.table;
        match value {
            Some(value) => {
                let put = format!("INSERT INTO {table} VALUES (?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)");
                connection.exec_drop(put, (key, value)).await.unwrap();
            }
            None => connection.exec_drop(format!("DELETE FROM {table} WHERE k = ?"), (key,)).await.unwrap(),
        }
    }

    fn texts(&self) -> Vec<String> {
        let lock = format!("SELECT k, v FROM {} WHERE k IN (?) FOR UPDATE", self.table);
        sql_texts(&self.table, Some(&lock))
    }
}

struct Redis {
    connection: ::redis::aio::MultiplexedConnection,
    lookup: Lookup,
}

impl Redis {
    async fn new(lookup: impl FnOnce(Arc<str>) -> Lookup) -> Self {
        let client = ::redis::Client::open(redis::url()).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        Self { connection, lookup: lookup(fresh_name().into()) }
    }
}

impl Application for Redis {
    fn lookup(&self) -> Lookup {
        self.lookup.clone()
    }

    fn url(&self) -> String {
        redis::url()
    }

    async fn put(&self, key: &str, value: Option<&str>) {
        let mut command = ::redis::Cmd::new();
        match (&self.lookup, value) {
            (Lookup::Prefix(prefix), Some(value)) => {
                command.arg("SET").arg(format!("{prefix}{key}")).arg(value)
            }
            (Lookup::Prefix(prefix), None) => command.arg("DEL").arg(format!("{prefix}{key}")),
            (Lookup::Hash(hash), Some(value)) => command.arg("HSET").arg(&**hash).arg(key).arg(value),
            (Lookup::Hash(hash), None) => command.arg("HDEL").arg(&**hash).arg(key),
            _ => panic!("not of Redis"),
        };
        let _: ::redis::Value = command.query_async(&mut self.connection.clone()).await.unwrap();
    }

    fn texts(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_s_application_is_never_written_over() {
    let bench = Bench::new(Sqlite::new());
    bench.is_changed_as_expected().await;
    bench.what_came_between_is_seen().await;
    bench.races(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_s_application_is_never_written_over() {
    let bench = Bench::new(Postgres::new().await);
    bench.is_changed_as_expected().await;
    bench.what_came_between_is_seen().await;
    bench.what_came_between_and_went_is_seen().await;
    bench.races(3_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_s_application_is_never_written_over() {
    let bench = Bench::new(Mariadb::new().await);
    bench.is_changed_as_expected().await;
    bench.what_came_between_is_seen().await;
    bench.races(2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_s_application_is_never_written_over() {
    let bench = Bench::new(Redis::new(Lookup::Prefix).await);
    bench.is_changed_as_expected().await;
    bench.what_came_between_is_seen().await;
    bench.what_came_between_and_went_is_seen().await;
    bench.races(3_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_of_a_hash_of_redis_is_never_written_over_though_other_fields_change() {
    let bench = Bench::new(Redis::new(Lookup::Hash).await);
    bench.is_changed_as_expected().await;
    bench.what_came_between_is_seen().await;
    bench.application.put("k", Some("stale")).await;
    let stale = swap("k", Some("stale"), Some("repaired"));
    let settle = |_| async {
        bench.application.put("another", Some("x")).await;
        true
    };
    assert_eq!(bench.changer.swap(&bench.writing, &stale, settle).await, Ok(Swapped::Written));
    bench.races(1_000).await;
}

#[tokio::test]
async fn a_statement_that_does_something_else_than_it_should_is_rolled_back() {
    let sqlite = Sqlite::new();
    sqlite.put("k", Some("stale")).await;
    sqlite.put("l", Some("stale")).await;
    let changer = Changer::new(&WrittenStore::new(sqlite.url())).unwrap();
    for (update, expected) in [
        ("UPDATE t SET v = $value || '' WHERE k <> '' OR k = $key", Swapped::Rows(2)),
        ("UPDATE t SET v = $value WHERE k = $key || 'x'", Swapped::Rows(0)),
        ("UPDATE t SET v = upper($value) WHERE k = $key", Swapped::NotWanted),
    ] {
        let written = WrittenStatements { update: Some(update), ..WrittenStatements::default() };
        let writing =
            Writing::new(written, &sqlite.lookup(), StoreKind::Sqlite, "", &mut Problems::default()).unwrap();
        let swap = swap("k", Some("stale"), Some("repaired"));
        let made = changer.swap(&writing, &swap, |_| async { true }).await;
        assert_eq!(made, Ok(expected), "{update}");
        let left = read(&reader(&WrittenStore::new(sqlite.url())), &sqlite.lookup(), &["k", "l"]).await;
        assert_eq!(left, Ok(vec![value("stale"), value("stale")]), "{update}");
    }
}

#[tokio::test]
async fn something_that_is_no_string_is_not_written_over_though_it_looks_absent() {
    let redis = Redis::new(Lookup::Prefix).await;
    let bench = Bench::new(redis);
    let Lookup::Prefix(prefix) = &bench.lookup else { panic!("a prefix") };
    redis::run(&[b"HSET", format!("{prefix}k").as_bytes(), b"f", b"v"]).await;
    assert_eq!(bench.swap(&swap("k", None, Some("repaired"))).await, Swapped::Overtaken);
}
