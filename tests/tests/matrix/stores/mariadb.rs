//! The test run's MariaDB, and a second one.

use super::{Door, Opened, RIGHT_TAKEN_AWAY, Row, Server, Trouble, named};
use counterfoil_tests::stores::{mariadb_spare_url, mariadb_url};
use counterfoil_tests::unique;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::runtime::Handle;

struct Mariadb {
    runtime: Handle,
    primary: Conn,
    /// It says that it is read-only, as replicas do, and has what the primary has: the rows are written to both.
    standby: Option<Conn>,
    table: String,
}

pub(super) fn open(has_standby: bool, runtime: &Handle) -> Opened {
    let connect = |url: String| runtime.block_on(Conn::from_url(url)).expect("MariaDB answers");
    let (primary, table) = (connect(mariadb_url()), unique("matrix"));
    let standby = has_standby.then(|| connect(mariadb_spare_url()));
    let read_at = |url: String| url.replacen("counterfoil@", &format!("{table}_reader@"), 1);
    let spare = has_standby.then(mariadb_spare_url);
    let (door, url) = Door::before(&read_at(mariadb_url()), spare.as_deref(), runtime);
    let lookup = ("query", format!("SELECT k, v, version FROM {table}_seen WHERE k IN (?)"));
    let columns = "k varchar(64) COLLATE utf8mb4_bin PRIMARY KEY, v varbinary(200), version bigint";
    let mut server = Mariadb { runtime: runtime.clone(), primary, standby, table };
    for statement in [
        &format!("CREATE TABLE {{table}} ({columns})"),
        "CREATE VIEW {seen} AS SELECT k, v, version FROM {table}",
        "CREATE USER {reader}",
        "GRANT SELECT ON {seen} TO {reader}",
        // Who may read nothing of a database cannot connect to it.
        "GRANT SELECT ON {table} TO {reader}",
    ] {
        server.execute(statement);
    }
    server.set_read_only(true);
    Opened { server: Box::new(server), door, url, lookup }
}

impl Mariadb {
    /// On both servers.
    fn run(&mut self, statement: &str, parameters: impl Into<mysql_async::Params>) {
        let parameters = parameters.into();
        for server in [&mut self.primary].into_iter().chain(&mut self.standby) {
            let done = self.runtime.block_on(server.exec_drop(statement, parameters.clone()));
            done.expect("MariaDB takes it");
        }
    }

    fn set_read_only(&mut self, is_read_only: bool) {
        if let Some(standby) = &mut self.standby {
            let statement = format!("SET GLOBAL read_only = {}", u8::from(is_read_only));
            self.runtime.block_on(standby.query_drop(statement)).expect("it says so");
        }
    }
}

impl Server for Mariadb {
    fn set(&mut self, key: &str, row: Option<&Row>) {
        let table = &self.table;
        match row {
            Some(Row { value, version }) => {
                self.run(&format!("REPLACE INTO {table} VALUES (?, ?, ?)"), (key, value.as_bytes(), *version))
            }
            None => self.run(&format!("DELETE FROM {table} WHERE k = ?"), (key,)),
        }
    }

    fn promote(&mut self) {
        self.set_read_only(false);
    }

    fn troubles(&self) -> &'static [Trouble] {
        &[
            RIGHT_TAKEN_AWAY,
            Trouble {
                what: "a column has another name",
                begin: "CREATE OR REPLACE VIEW {seen} AS SELECT k, v AS renamed, version FROM {table}",
                end: "CREATE OR REPLACE VIEW {seen} AS SELECT k, v, version FROM {table}",
                told: ("refusing", "query"),
            },
            Trouble {
                what: "a read takes longer than it may",
                begin: "CREATE OR REPLACE VIEW {seen} AS SELECT k, v, version FROM {table} WHERE sleep(3600) = 0",
                end: "CREATE OR REPLACE VIEW {seen} AS SELECT k, v, version FROM {table}",
                told: ("down", "timeout"),
            },
        ]
    }

    fn execute(&mut self, statement: &str) {
        self.run(&named(statement, &self.table), ());
    }
}
