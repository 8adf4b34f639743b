//! The stores that `cargo xtask test` starts, and small synchronous clients of them, as an application has.

use crate::process::Process;
use crate::{environment, free_port, unique, wait};
use std::path::Path;
use std::process::{Command, Stdio};
use url::Url;

/// The private Redis of this test run.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn redis_url() -> String {
    needed("COUNTERFOIL_TEST_REDIS")
}

/// The private Postgres of this test run.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn postgres_url() -> String {
    needed("COUNTERFOIL_TEST_POSTGRES")
}

/// A hot standby of that Postgres, which a test may promote; once in a test run.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn postgres_standby_url() -> String {
    needed("COUNTERFOIL_TEST_POSTGRES_STANDBY")
}

/// The private MariaDB of this test run.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn mariadb_url() -> String {
    needed("COUNTERFOIL_TEST_MARIADB")
}

/// A second MariaDB, which nothing but the test of a failover uses.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn mariadb_spare_url() -> String {
    needed("COUNTERFOIL_TEST_MARIADB_SPARE")
}

fn needed(name: &str) -> String {
    environment(name)
        .unwrap_or_else(|| panic!("{name} is not set; run `cargo xtask test`, which starts the stores"))
}

/// A namespace of string values in Redis: each key has the same prefix.
pub struct Redis {
    connection: redis::Connection,
    /// The namespace's name.
    pub name: String,
}

impl Redis {
    /// A namespace of its own in the Redis at `url`.
    ///
    /// # Panics
    ///
    /// If Redis does not answer.
    #[must_use]
    pub fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a Redis URL");
        Self { connection: client.get_connection().expect("Redis answers"), name: unique("cart") }
    }

    /// What the comparator's contract says about the place: a prefix.
    #[must_use]
    pub fn place(&self) -> (&'static str, String) {
        ("prefix", format!("{}:", self.name))
    }

    /// Sets a key.
    ///
    /// # Panics
    ///
    /// If Redis refuses.
    pub fn put(&mut self, key: &str, value: &[u8]) {
        let key = format!("{}:{key}", self.name);
        redis::cmd("SET").arg(key).arg(value).exec(&mut self.connection).expect("SET");
    }
}

/// A table `(k text primary key, v bytea)` in Postgres.
pub struct Postgres {
    client: postgres::Client,
    url: Url,
    /// The table's name.
    pub name: String,
}

impl Postgres {
    /// A table of its own in the Postgres at `url`.
    ///
    /// # Panics
    ///
    /// If Postgres does not answer or refuses.
    #[must_use]
    pub fn connect(url: &str) -> Self {
        let mut client = postgres::Client::connect(url, postgres::NoTls).expect("Postgres answers");
        let name = unique("cart");
        client
            .batch_execute(&format!("CREATE TABLE {name} (k text PRIMARY KEY, v bytea)"))
            .expect("a new table");
        Self { client, url: url.parse().expect("a URL"), name }
    }

    /// The URL of a new role that may do this with the table, such as `SELECT, INSERT`, and nothing else.
    ///
    /// # Panics
    ///
    /// If Postgres refuses.
    #[must_use]
    pub fn role(&mut self, rights: &str) -> String {
        let (role, table) = (unique("role"), &self.name);
        let made = format!("CREATE ROLE {role} LOGIN; GRANT {rights} ON {table} TO {role}");
        self.client.batch_execute(&made).expect("a new role");
        let mut url = self.url.clone();
        url.set_username(&role).expect("a URL with a user");
        url.into()
    }

    /// What the comparator's contract says about the place: a query.
    #[must_use]
    pub fn place(&self) -> (&'static str, String) {
        ("query", query(&self.name))
    }

    /// Sets a key.
    ///
    /// # Panics
    ///
    /// If Postgres refuses.
    pub fn put(&mut self, key: &str, value: &[u8]) {
        let sql =
            format!("INSERT INTO {} VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v", self.name);
        self.client.execute(&sql, &[&key, &value]).expect("INSERT");
    }

    /// The value of a key, if there is one.
    ///
    /// # Panics
    ///
    /// If Postgres refuses.
    #[must_use]
    pub fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        let sql = format!("SELECT v FROM {} WHERE k = $1", self.name);
        self.client.query_opt(&sql, &[&key]).expect("SELECT").map(|row| row.get(0))
    }
}

/// The query of a table `(k text, v bytea)`, for Postgres.
#[must_use]
pub fn query(table: &str) -> String {
    format!("SELECT k, v FROM {table} WHERE k = ANY($1)")
}

/// A Redis of the test's own, that is not there until the test starts it.
pub struct LateRedis {
    port: u16,
}

impl LateRedis {
    /// One that is not there yet.
    #[must_use]
    pub fn absent() -> Self {
        Self { port: free_port() }
    }

    /// Where it will be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[must_use]
    pub fn start(&self, folder: &Path) -> Process {
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--port",
            &self.port.to_string(),
        ]);
        command.arg("--dir").arg(folder).stdout(Stdio::null());
        let process = Process::start("redis", &mut command, folder);
        wait::until("the late Redis", || redis::Client::open(self.url()).ok()?.get_connection().ok());
        process
    }
}
