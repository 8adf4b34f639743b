use super::*;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(super) const QUERY: &str = "SELECT k, v FROM t WHERE k IN rarray(?1)";

/// A file with the table `t`, whose keys are of the type `key`.
pub(super) fn file(key: &str, rows: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    fill(&path, key, rows);
    (folder, path)
}

fn fill(path: &Path, key: &str, rows: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(&format!("CREATE TABLE t (k {key} PRIMARY KEY, v, n)")).unwrap();
    if !rows.is_empty() {
        connection.execute_batch(&format!("INSERT INTO t VALUES {rows}")).unwrap();
    }
}

pub(super) fn written(path: &Path) -> WrittenStore {
    WrittenStore::new(format!("sqlite://{}", path.display()))
}

fn typed(query: &str, key_type: KeyType) -> Lookup {
    Lookup::Sql { query: query.into(), key_type: Some(key_type), shape: Shape::Value }
}

#[tokio::test]
async fn text_keys_are_answered_in_their_order_whatever_the_value_is() {
    let rows =
        "('a', 'text', 1), ('b', x'00ff', 1), ('c', NULL, 1), ('d', -7, 1), ('e', 1.5, 1), ('f', '', 1)";
    let (_folder, path) = file("TEXT", rows);
    let answers =
        read(&reader(&written(&path)), &sql(QUERY), &["f", "zz", "a", "b", "c", "a", "d", "e"]).await;
    let real = Err(KeyError::ValueType { found: "real".into() });
    let expected =
        vec![value(""), ABSENT, value("text"), value(b"\x00\xff"), ABSENT, value("text"), value("-7"), real];
    assert_eq!(answers, Ok(expected));
}

#[tokio::test]
async fn a_key_that_the_store_cannot_hold_does_not_spoil_the_others() {
    let (_folder, path) = file("INTEGER", "(7, 'seven', 1), (-1, 'minus', 1)");
    let reader = reader(&written(&path));
    let keys: [&[u8]; 6] = [b"7", b"007", b"+7", b"\xff", b"-1", b"9223372036854775808"];
    let no = || Err(KeyError::NotInteger);
    let expected = vec![value("seven"), no(), no(), no(), value("minus"), no()];
    assert_eq!(read(&reader, &typed(QUERY, KeyType::Integer), &keys).await, Ok(expected));
    let expected = vec![value("seven"), Err(KeyError::NotText)];
    assert_eq!(read(&reader, &sql(QUERY), &[&b"7"[..], b"\xff"]).await, Ok(expected));
}

#[tokio::test]
async fn keys_of_bytes_are_looked_up_as_they_are() {
    let (_folder, path) = file("BLOB", "(x'ff00', 'bytes', 1), ('a', 'text', 1)");
    let answers =
        read(&reader(&written(&path)), &typed(QUERY, KeyType::Bytes), &[&b"\xff\x00"[..], b"a"]).await;
    assert_eq!(answers, Ok(vec![value("bytes"), ABSENT]));
}

#[tokio::test]
async fn a_third_column_is_the_version() {
    let (_folder, path) = file("TEXT", "('a', 'x', 3), ('b', 'x', NULL), ('c', 'x', -1), ('d', 'x', 'y')");
    let query = sql("SELECT k, v, n FROM t WHERE k IN rarray(?1)");
    let answers = read(&reader(&written(&path)), &query, &["a", "b", "c", "d"]).await;
    assert_eq!(
        answers,
        Ok(vec![versioned("x", 3), value("x"), Err(KeyError::Version), Err(KeyError::Version)])
    );
}

#[tokio::test]
async fn a_full_batch_of_keys_takes_one_query() {
    let (_folder, path) = file("TEXT", "");
    let mut connection = Connection::open(&path).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in (0..10_000).step_by(2) {
        transaction.execute("INSERT INTO t VALUES (?1, ?2, 0)", (format!("k{number}"), number)).unwrap();
    }
    transaction.commit().unwrap();
    let keys: Vec<_> = (0..10_000).rev().map(|number| format!("k{number}")).collect();
    let reader = reader(&WrittenStore { keys_per_read_max: 10_000, ..written(&path) });
    let expected =
        (0..10_000).rev().map(|n| if n % 2 == 0 { value(n.to_string()) } else { ABSENT }).collect();
    assert_eq!(read(&reader, &sql(QUERY), &keys).await, Ok(expected));
}

#[tokio::test]
async fn a_query_that_does_not_work_says_why_and_works_once_it_can() {
    let (_folder, path) = file("TEXT", "('a', 'x', 1)");
    let reader = reader(&written(&path));
    for (query, why) in [
        ("SELECT k, v FROM later WHERE k IN rarray(?1)", "no such table: later"),
        ("SELECT k FROM t WHERE k IN rarray(?1)", "key, value"),
        ("SELECT k, v FROM t", "one parameter"),
        ("SELEKT rarray(?1)", "SELEKT"),
    ] {
        let error = read(&reader, &sql(query), &["a"]).await.unwrap_err();
        assert_eq!(error.label(), "query");
        assert!(error.to_string().contains(why), "{why} in {error}");
    }
    Connection::open(&path).unwrap().execute_batch("ALTER TABLE t RENAME TO later").unwrap();
    let later = sql("SELECT k, v FROM later WHERE k IN rarray(?1)");
    assert_eq!(read(&reader, &later, &["a"]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn nothing_can_be_written() {
    let (_folder, path) = file("TEXT", "('a', 'x', 1)");
    let write = sql("DELETE FROM t WHERE k IN rarray(?1) RETURNING k, v");
    let refused = read(&reader(&written(&path)), &write, &["a"]).await.unwrap_err();
    assert_eq!(refused.label(), "query", "{refused}");
    assert_eq!(read(&reader(&written(&path)), &sql(QUERY), &["a"]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn a_file_that_is_missing_is_read_once_it_appears_and_again_once_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let reader = reader(&written(&path));
    assert_eq!(read(&reader, &sql(QUERY), &["a"]).await.unwrap_err().label(), "connect");
    fill(&path, "TEXT", "('a', 'first', 1)");
    assert_eq!(read(&reader, &sql(QUERY), &["a"]).await, Ok(vec![value("first")]));
    let next = folder.path().join("next.db");
    fill(&next, "TEXT", "('a', 'second', 1)");
    std::fs::rename(&next, &path).unwrap();
    assert_eq!(read(&reader, &sql(QUERY), &["a"]).await, Ok(vec![value("second")]));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(&reader, &sql(QUERY), &["a"]).await.unwrap_err().label(), "connect");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, "plainly text, and more than a hundred bytes of it ".repeat(20)).unwrap();
    assert_eq!(read(&reader(&written(&path)), &sql(QUERY), &["a"]).await.unwrap_err().label(), "connect");
}

#[tokio::test]
async fn a_locked_file_times_out_and_is_read_once_it_is_free() {
    let (_folder, path) = file("TEXT", "('a', 'x', 1)");
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let reader = reader(&WrittenStore { timeout_ms: 50, ..written(&path) });
    assert_eq!(read(&reader, &sql(QUERY), &["a"]).await, Err(StoreError::Timeout));
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(settled(&reader, &sql(QUERY), "a").await, vec![value("x")]);
}

#[tokio::test]
async fn a_query_without_end_is_stopped_at_its_deadline_and_leaves_its_place() {
    let (_folder, path) = file("TEXT", "('a', 'x', 1)");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT k, v FROM t, n WHERE k IN rarray(?1) AND i < 0";
    let reader = reader(&WrittenStore { timeout_ms: 50, concurrency: 1, ..written(&path) });
    assert_eq!(read(&reader, &sql(endless), &["a"]).await, Err(StoreError::Timeout));
    assert_eq!(settled(&reader, &sql(QUERY), "a").await, vec![value("x")]);
}

/// The first answer that is not a timeout: the read that timed out may still hold its place for a moment.
async fn settled(reader: &Reader, lookup: &Lookup, key: &str) -> Vec<Answer> {
    loop {
        match read(reader, lookup, &[key]).await {
            Err(StoreError::Timeout) => {}
            answers => return answers.unwrap(),
        }
    }
}
