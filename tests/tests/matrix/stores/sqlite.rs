//! Two SQLite files, and a link to one of them.

use super::{Door, Opened, Row, Server, Trouble};
use rusqlite::Connection;
use tempfile::TempDir;

struct Sqlite {
    files: [Connection; 2],
    _folder: TempDir,
}

/// What is written to one file is written to the other too.
pub(super) fn open() -> Opened {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (primary, standby, link) = (at("primary.db"), at("standby.db"), at("store.db"));
    let files = [&primary, &standby].map(|path| {
        let file = Connection::open(path).expect("a new file");
        let table = "CREATE TABLE cart (k TEXT PRIMARY KEY, v BLOB, version INTEGER)";
        let view = "CREATE VIEW seen AS SELECT k, v, version FROM cart";
        file.execute_batch(&format!("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {table}; {view}"))
            .expect("a table");
        file
    });
    Opened {
        url: format!("sqlite://{}", link.display()),
        lookup: ("query", "SELECT k, v, version FROM seen WHERE k IN rarray(?1)".to_owned()),
        door: Door::Link { link, primary, standby },
        server: Box::new(Sqlite { files, _folder: folder }),
    }
}

impl Server for Sqlite {
    fn set(&mut self, key: &str, row: Option<&Row>) {
        for file in &self.files {
            let done = match row {
                Some(Row { value, version }) => file.execute(
                    "INSERT OR REPLACE INTO cart VALUES (?1, ?2, ?3)",
                    (key, value.as_bytes(), *version),
                ),
                None => file.execute("DELETE FROM cart WHERE k = ?1", [key]),
            };
            done.expect("the file takes it");
        }
    }

    fn promote(&mut self) {}

    fn troubles(&self) -> &'static [Trouble] {
        &[Trouble {
            what: "a column has another name",
            begin: "DROP VIEW {seen}; CREATE VIEW {seen} AS SELECT k, v AS renamed, version FROM cart",
            end: "DROP VIEW {seen}; CREATE VIEW {seen} AS SELECT k, v, version FROM cart",
            told: ("refusing", "query"),
        }]
    }

    fn execute(&mut self, statement: &str) {
        let statement = format!("BEGIN; {}; COMMIT", statement.replace("{seen}", "seen"));
        self.files.iter().for_each(|file| file.execute_batch(&statement).expect("the file takes it"));
    }
}
