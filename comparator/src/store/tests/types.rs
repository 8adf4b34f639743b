//! What each type of each server becomes as a member of an object: the tables of the documentation, on real servers.

#[allow(dead_code, reason = "what an application writes is for the matrix of stores")]
mod table;

use super::*;
use table::{Expected, MARIADB, POSTGRES, SQLITE};

fn answer(expected: Expected) -> Answer {
    match expected {
        Expected::Json { form, .. } => value(format!("{{\"c\":{form}}}")),
        Expected::WantsCast(found) => Err(KeyError::ValueType { found: found.into() }),
    }
}

#[tokio::test]
async fn each_type_of_postgres_has_its_form_or_wants_a_cast() {
    let name = fresh_name();
    let types = format!("CREATE TYPE {name} AS ENUM ('sad', 'glad'); CREATE DOMAIN {name}_d AS numeric");
    super::postgres::run(&types).await;
    let reader = reader(&WrittenStore::new(super::postgres::url()));
    for (expression, expected) in POSTGRES {
        let expression = expression.replace("{name}", &name);
        let query = columns(format!("SELECT k, {expression} AS c FROM unnest($1::text[]) AS k"), None);
        assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![answer(*expected)]), "{expression}");
    }
}

#[tokio::test]
async fn each_type_of_mariadb_has_its_form_or_wants_a_cast() {
    let reader = reader(&WrittenStore::new(super::mysql::url()));
    for &(kind, written, expected) in MARIADB {
        let table = fresh_name();
        super::mysql::run(&format!(
            "SET sql_mode = ''; SET time_zone = '+02:00'; CREATE TABLE {table} (k varchar(9), c {kind} NULL); \
             INSERT INTO {table} VALUES ('a', {written})"
        ))
        .await;
        let query = columns(format!("SELECT k, c FROM {table} WHERE k IN (?)"), None);
        assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![answer(expected)]), "{written} as {kind}");
    }
}

#[tokio::test]
async fn each_value_of_sqlite_is_what_it_is_stored_as_whatever_its_column_was_declared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let reader = reader(&WrittenStore::new(format!("sqlite://{}", path.display())));
    let file = rusqlite::Connection::open(&path).unwrap();
    for &(kind, written, expected) in SQLITE {
        let table = fresh_name();
        file.execute_batch(&format!(
            "CREATE TABLE {table} (k TEXT, c {kind}); INSERT INTO {table} VALUES ('a', {written})"
        ))
        .unwrap();
        let query = columns(format!("SELECT k, c FROM {table} WHERE k IN rarray(?1)"), None);
        assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![answer(expected)]), "{written} as {kind}");
    }
}

#[tokio::test]
async fn an_object_has_every_column_but_key_and_version_and_a_key_without_a_row_is_absent() {
    let rows = "(SELECT 'a' AS k, 1 AS b, 'x' AS a, 7 AS n)";
    for (url, query) in [
        (super::postgres::url(), format!("SELECT k, b, a, n FROM {rows} AS t WHERE k = ANY($1)")),
        (super::mysql::url(), format!("SELECT k, b, a, n FROM {rows} AS t WHERE k IN (?)")),
        ("sqlite:///dev/null".into(), format!("SELECT k, b, a, n FROM {rows} WHERE k IN rarray(?1)")),
    ] {
        let reader = reader(&WrittenStore::new(url));
        let expected = Ok(vec![ABSENT, versioned("{\"b\":1,\"a\":\"x\"}", 7)]);
        assert_eq!(read(&reader, &columns(&query, Some("n")), &["z", "a"]).await, expected, "{query}");
        let expected = Ok(vec![value("{\"b\":1,\"a\":\"x\",\"n\":7}")]);
        assert_eq!(read(&reader, &columns(&query, None), &["a"]).await, expected, "{query}");
        let twice = columns(query.replace("k, b, a, n", "k, b, a, b"), None);
        let refused = read(&reader, &twice, &["a"]).await.unwrap_err();
        assert!(refused.to_string().contains("two columns `b`"), "{refused}");
    }
}
