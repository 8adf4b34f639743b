//! Every type that an SQL server has a form for: an application reports the value through an emitter as it would write it, the
//! store's row goes through the reader, and the two agree.
//!
//! One row for each value of the tables by which the readers are tested, with a column of its own; its other columns are null,
//! and rules say that null is absent.

use crate::table::{Expected, MARIADB, POSTGRES, SQLITE};
use counterfoil_emitter::{Emitter, Identity};
use counterfoil_tests::stores::{mariadb_url, postgres_url};
use counterfoil_tests::{Setup, unique};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use postgres::{Client, NoTls};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

/// Values of one server.
struct Typed {
    url: String,
    query: String,
    values: Vec<Reported>,
}

/// What the application reports of one.
struct Reported {
    key: String,
    value: String,
}

/// A column's definition and what is written there, if the server has a form for it.
struct Column {
    definition: String,
    written: String,
    by_application: &'static str,
}

impl Column {
    fn new(definition: String, written: String, expected: Expected) -> Option<Self> {
        match expected {
            Expected::Json { by_application, .. } => Some(Self { definition, written, by_application }),
            Expected::WantsCast(_) => None,
        }
    }
}

/// The statements that make a table with a row for each column, and what there is to report.
fn table(name: &str, key: &str, columns: &[Column]) -> (Vec<String>, Vec<Reported>) {
    let (mut statements, mut values) = (Vec::new(), Vec::new());
    let definitions = columns.iter().zip(0..).map(|(column, at)| format!("c{at} {}", column.definition));
    let definitions: Vec<_> = [format!("k {key} PRIMARY KEY")].into_iter().chain(definitions).collect();
    statements.push(format!("CREATE TABLE {name} ({})", definitions.join(", ")));
    for (Column { written, by_application, .. }, at) in columns.iter().zip(0..) {
        let key = format!("row {at}");
        statements.push(format!("INSERT INTO {name} (k, c{at}) VALUES ('{key}', {written})"));
        values.push(Reported { key, value: format!("{{\"c{at}\": {by_application}}}") });
    }
    (statements, values)
}

fn of_postgres() -> Typed {
    let (name, mut client) =
        (unique("types"), Client::connect(&postgres_url(), NoTls).expect("Postgres answers"));
    let types = format!("CREATE TYPE {name} AS ENUM ('sad', 'glad'); CREATE DOMAIN {name}_d AS numeric");
    client.batch_execute(&types).expect("two types");
    let mut column = |(expression, expected): &(&str, Expected)| {
        let written = expression.replace("{name}", &name);
        let kind = format!("SELECT format_type(oid, -1) FROM pg_type WHERE oid = pg_typeof({written})");
        let kind = client.query_one(&kind, &[]).expect("the type of an expression").get(0);
        Column::new(kind, written, *expected)
    };
    let columns: Vec<_> = POSTGRES.iter().filter_map(&mut column).collect();
    let table_name = format!("{name}_rows");
    let (statements, values) = table(&table_name, "text", &columns);
    client.batch_execute(&statements.join("; ")).expect("a table of all types");
    let query = format!("SELECT * FROM {table_name} WHERE k = ANY($1)");
    Typed { url: postgres_url(), query, values }
}

fn of_mariadb() -> Typed {
    let name = unique("types");
    let column = |(kind, written, expected): &(&str, &str, Expected)| {
        Column::new(format!("{kind} NULL"), (*written).to_owned(), *expected)
    };
    let columns: Vec<_> = MARIADB.iter().filter_map(column).collect();
    let (statements, values) = table(&name, "varchar(20)", &columns);
    let at_the_zone = ["SET sql_mode = ''", "SET time_zone = '+02:00'"].map(str::to_owned);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connection = Conn::from_url(mariadb_url()).await.expect("MariaDB answers");
        for statement in at_the_zone.into_iter().chain(statements) {
            connection.query_drop(statement).await.expect("MariaDB takes it");
        }
        connection.disconnect().await.expect("goodbye");
    });
    Typed { url: mariadb_url(), query: format!("SELECT * FROM {name} WHERE k IN (?)"), values }
}

fn of_sqlite(folder: &Path) -> Typed {
    let path = folder.join("types.db");
    let column = |(kind, written, expected): &(&str, &str, Expected)| {
        Column::new((*kind).to_owned(), (*written).to_owned(), *expected)
    };
    let columns: Vec<_> = SQLITE.iter().filter_map(column).collect();
    let (statements, values) = table("types", "TEXT", &columns);
    let file = rusqlite::Connection::open(&path).expect("a new file");
    file.execute_batch(&statements.join("; ")).expect("a table of all types");
    let query = "SELECT * FROM types WHERE k IN rarray(?1)".to_owned();
    Typed { url: format!("sqlite://{}", path.display()), query, values }
}

#[test]
fn each_value_of_each_type_is_confirmed_when_an_application_reports_it() {
    let setup = Setup::new();
    let servers = BTreeMap::from([
        ("postgres", of_postgres()),
        ("mariadb", of_mariadb()),
        ("sqlite", of_sqlite(setup.folder())),
    ]);
    let form = |name: &str| json!({ "name": name, "codec": "columns", "rules": { "null_is_absent": true } });
    let contract = |(name, typed): (&&str, &Typed)| {
        let mut contract = form(name);
        let rest = [("store", json!(name)), ("query", json!(typed.query))];
        rest.into_iter().for_each(|(key, value)| contract[key] = value);
        contract
    };
    let stores: BTreeMap<_, _> =
        servers.iter().map(|(name, typed)| (name, json!({ "url": typed.url }))).collect();
    let harness = setup
        .comparator("/stores", json!(stores))
        .comparator("/maps", servers.iter().map(contract).collect())
        .sidecar("/maps", servers.keys().map(|name| form(name)).collect::<Vec<Value>>().into())
        .start();
    let emitter = Emitter::connect(harness.socket(), Identity::new("types")).expect("an emitter");
    for (name, Typed { values, .. }) in &servers {
        for Reported { key, value } in values {
            let written: Result<(), Infallible> =
                emitter.map(name).dual_write_put(key, value, || (), || Ok(()));
            written.expect("the row is there");
        }
    }
    let count = |values: &[Reported]| values.len() as u64;
    let summary = harness.settled(servers.values().map(|typed| count(&typed.values)).sum());
    for (name, Typed { values, .. }) in &servers {
        let confirmed = summary.outcomes(name).confirmed;
        assert_eq!(confirmed, count(values), "{name}: {summary:#?} {:#?}", harness.divergences());
    }
    drop(emitter);
    harness.finish();
}
