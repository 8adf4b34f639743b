//! The test run's Postgres, and its hot standby.

use super::{Door, Opened, RIGHT_TAKEN_AWAY, Row, Server, Trouble, named};
use ::postgres::{Client, NoTls};
use counterfoil_tests::stores::{postgres_standby_url, postgres_url};
use counterfoil_tests::{unique, wait};
use tokio::runtime::Handle;

struct Postgres {
    primary: Client,
    table: String,
}

pub(super) fn open(has_standby: bool, runtime: &Handle) -> Opened {
    let mut primary = Client::connect(&postgres_url(), NoTls).expect("Postgres answers");
    let table = unique("matrix");
    let made = primary.batch_execute(&format!(
        "CREATE TABLE {table} (k text PRIMARY KEY, v bytea, version bigint);
         CREATE VIEW {table}_seen AS SELECT k, v, version FROM {table};
         CREATE ROLE {table}_reader LOGIN;
         GRANT SELECT ON {table}_seen TO {table}_reader"
    ));
    made.expect("a new table, a view and who may read it");
    let read_at = |url: String| url.replacen("postgres@", &format!("{table}_reader@"), 1);
    let standby = has_standby.then(postgres_standby_url);
    let (door, url) = Door::before(&read_at(postgres_url()), standby.as_deref(), runtime);
    let lookup = ("query", format!("SELECT k, v, version FROM {table}_seen WHERE k = ANY($1)"));
    Opened { server: Box::new(Postgres { primary, table }), door, url, lookup }
}

impl Server for Postgres {
    fn set(&mut self, key: &str, row: Option<&Row>) {
        let Self { primary, table } = self;
        let done = match row {
            Some(Row { value, version }) => {
                let version = version.map(i64::from);
                let sql = format!(
                    "INSERT INTO {table} VALUES ($1, $2, $3) \
                     ON CONFLICT (k) DO UPDATE SET v = excluded.v, version = excluded.version"
                );
                primary.execute(&sql, &[&key, &value.as_bytes(), &version])
            }
            None => primary.execute(&format!("DELETE FROM {table} WHERE k = $1"), &[&key]),
        };
        done.expect("Postgres takes it");
    }

    /// It is promoted once it has all that the primary has.
    fn promote(&mut self) {
        let written = self.primary.query_one("SELECT pg_current_wal_lsn()::text", &[]).expect("a place");
        let written: String = written.get(0);
        let mut standby = Client::connect(&postgres_standby_url(), NoTls).expect("the standby answers");
        let has_all = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn");
        wait::until("the standby to have everything", || {
            standby.query_one(&has_all, &[]).expect("the standby says").get::<_, bool>(0).then_some(())
        });
        let promoted: bool = standby.query_one("SELECT pg_promote()", &[]).expect("it is promoted").get(0);
        assert!(promoted, "the standby was promoted");
        self.primary = standby;
    }

    fn troubles(&self) -> &'static [Trouble] {
        &[
            RIGHT_TAKEN_AWAY,
            Trouble {
                what: "a column has another name",
                begin: "ALTER VIEW {seen} RENAME COLUMN v TO renamed",
                end: "ALTER VIEW {seen} RENAME COLUMN renamed TO v",
                told: ("refusing", "query"),
            },
            Trouble {
                what: "a read takes longer than it may",
                begin: "CREATE OR REPLACE VIEW {seen} AS SELECT k, v, version FROM {table}, pg_sleep(3600)",
                end: "CREATE OR REPLACE VIEW {seen} AS SELECT k, v, version FROM {table}",
                told: ("down", "timeout"),
            },
        ]
    }

    fn execute(&mut self, statement: &str) {
        self.primary.batch_execute(&named(statement, &self.table)).expect("Postgres takes it");
    }
}
