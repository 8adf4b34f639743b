//! Where a ledger under test is: each test runs in a file, and in a schema of its own on the test run's server.

use super::super::{Database, Ledger, Place, Server};
use super::Route;
use crate::store::tests::{fresh_name, server};
use counterfoil_settings::Problems;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// Runs each of these tests in a file, and on a server.
macro_rules! each_database {
    ($($test:ident)*) => {
        mod file {
            $(#[tokio::test] async fn $test() { super::$test(super::Home::file()).await })*
        }

        mod server {
            $(#[tokio::test] async fn $test() { super::$test(super::Home::server()).await })*
        }
    };
}

pub(crate) use each_database;

/// A place that no other test has.
pub(crate) struct Home {
    place: Place,
    folder: TempDir,
}

impl Home {
    pub(crate) fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { place: (&folder.path().join("ledger.sqlite")).into(), folder }
    }

    pub(crate) fn server() -> Self {
        let url = server("COUNTERFOIL_TEST_POSTGRES");
        let schema = fresh_name();
        let mut named = url::Url::parse(&url).unwrap();
        named.query_pairs_mut().append_pair("application_name", &schema);
        let place = Self::at(named.as_str(), &schema);
        let home = Self { place: Self::at(&url, "public"), folder: tempfile::tempdir().unwrap() };
        home.on_server(&format!("CREATE SCHEMA {schema}"));
        Self { place, ..home }
    }

    /// A schema on the server at `url`.
    pub(crate) fn at(url: &str, schema: &str) -> Place {
        let mut problems = Problems::default();
        let server = Server::new(url.into(), None, None, schema, &mut problems);
        Place::Server(Arc::new(server.expect("it is a URL")))
    }

    /// The schema's name, by which its sessions are known too.
    pub(crate) fn name(&self) -> &str {
        match &self.place {
            Place::File(_) => "main",
            Place::Server(server) => server.schema(),
        }
    }

    /// Another one of the same kind.
    pub(crate) fn another(&self) -> Self {
        match self.place {
            Place::File(_) => Self::file(),
            Place::Server(_) => Self::server(),
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.place.clone()
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.sqlite")
    }

    pub(crate) fn open(&self) -> Ledger {
        self.open_with(Vec::new())
    }

    pub(crate) fn open_with(&self, routes: Vec<Route>) -> Ledger {
        Ledger::open_with(self.place(), routes, |_| ()).unwrap()
    }

    /// Lets nothing be put into `table` any more.
    pub(crate) fn leave_no_room(&self, table: &str) {
        let trigger = format!("CREATE TRIGGER no_room BEFORE INSERT ON {table}");
        self.run(&match self.place {
            Place::File(_) => format!("{trigger} BEGIN SELECT RAISE(FAIL, 'disk full'); END"),
            Place::Server(_) => format!(
                "CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \
                 $$BEGIN RAISE EXCEPTION 'disk full'; END$$; \
                 {trigger} FOR EACH ROW EXECUTE FUNCTION no_room()"
            ),
        });
    }

    pub(crate) fn make_room(&self, table: &str) {
        self.run(&match self.place {
            Place::File(_) => "DROP TRIGGER no_room".to_owned(),
            Place::Server(_) => format!("DROP TRIGGER no_room ON {table}"),
        });
    }

    /// Has statements run over a connection of its own.
    pub(crate) fn run(&self, statements: &str) {
        self.apart(|database| database.open().unwrap().run(statements).unwrap());
    }

    /// The number that a statement gives.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.apart(|database| database.open().unwrap().one(sql, &[], |row| row.get(0)).unwrap())
    }

    /// Has statements run that need no ledger.
    pub(crate) fn on_server(&self, statements: &str) {
        self.apart(|database| database.contender().unwrap().unwrap().run(statements).unwrap());
    }

    /// On a thread of its own, as a test is asynchronous code and must not wait.
    fn apart<T: Send>(&self, act: impl FnOnce(&Database) -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(|| act(&Database::new(self.place()).unwrap())).join().unwrap())
    }
}
