//! What stores tell about themselves, to whom sets a contract up.

use super::*;

async fn described(url: &str, query: &str, keys: &[&str]) -> Result<Description, StoreError> {
    let keys: Vec<_> = keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
    reader(&WrittenStore::new(url)).describe(&sql(query), &keys).await
}

async fn scanned(url: &str, query: &str, keys: &[&str]) -> Vec<String> {
    described(url, query, keys).await.unwrap().tables_scanned.unwrap()
}

#[tokio::test]
async fn sqlite_tells_whether_an_index_serves_the_query() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT, other TEXT)").unwrap();
    let url = format!("sqlite://{}", path.display());
    for (query, expected) in [
        ("SELECT k, v FROM t WHERE k IN rarray(?1)", &[][..]),
        ("SELECT other, v FROM t WHERE other IN rarray(?1)", &["t"]),
        ("SELECT k, v FROM t WHERE lower(k) IN rarray(?1)", &["t"]),
    ] {
        for keys in [&["a", "b"][..], &[]] {
            assert_eq!(scanned(&url, query, keys).await, expected, "{query}");
        }
    }
    let told = described(&url, "SELECT k, v FROM t WHERE k IN rarray(?1)", &[]).await.unwrap();
    assert!(told.server.unwrap().starts_with("SQLite 3."));
    assert_eq!((told.is_primary, told.may_write), (Some(true), Some(Vec::new())));
    let missing = described(&url, "SELECT k, v FROM nothing WHERE k IN rarray(?1)", &[]).await;
    assert_eq!(missing.unwrap_err().label(), "query");
}

#[tokio::test]
async fn postgres_tells_whether_an_index_serves_the_query_however_small_the_table() {
    let (url, name) = (super::postgres::url(), fresh_name());
    super::postgres::run(&format!(
        "CREATE TABLE {name} (k text PRIMARY KEY, n bigint, v text); INSERT INTO {name} VALUES ('a', 1, 'x');
         CREATE TABLE {name}_parts (k text, v text) PARTITION BY HASH (k);
         CREATE TABLE {name}_0 PARTITION OF {name}_parts (PRIMARY KEY (k)) FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE {name}_1 PARTITION OF {name}_parts FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
    ))
    .await;
    let whole = format!("public.{name}");
    for (query, keys, expected) in [
        (format!("SELECT k, v FROM {name} WHERE k = ANY($1)"), &["a", "b"][..], vec![]),
        (format!("SELECT k, v FROM {name} WHERE k = ANY($1)"), &[], vec![]),
        (format!("SELECT n, v FROM {name} WHERE n = ANY($1)"), &["1"], vec![whole.clone()]),
        (format!("SELECT k, v FROM {name} WHERE lower(k) = ANY($1)"), &["a"], vec![whole.clone()]),
        // An index that has all the columns is not enough: it must be entered by the key.
        (format!("SELECT k, k FROM {name} WHERE lower(k) = ANY($1)"), &["a"], vec![whole.clone()]),
        (
            format!("SELECT k, v FROM {name}_parts WHERE k = ANY($1)"),
            &["a", "b", "c", "d", "e", "f", "g", "h"],
            vec![format!("public.{name}_1")],
        ),
    ] {
        assert_eq!(scanned(&url, &query, keys).await, expected, "{query}");
    }
}

#[tokio::test]
async fn postgres_tells_what_a_role_might_write_and_nothing_was_tried() {
    let name = fresh_name();
    super::postgres::run(&format!(
        "CREATE TABLE {name} (k text PRIMARY KEY, v text);
         CREATE TABLE {name}_parts (k text PRIMARY KEY, v text) PARTITION BY HASH (k);
         CREATE TABLE {name}_0 PARTITION OF {name}_parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE ROLE {name}_r LOGIN; CREATE ROLE {name}_w LOGIN; CREATE ROLE {name}_c LOGIN;
         GRANT SELECT ON {name}, {name}_parts TO {name}_r, {name}_w, {name}_c;
         GRANT DELETE ON {name}, {name}_parts TO {name}_w; GRANT UPDATE (v) ON {name} TO {name}_c"
    ))
    .await;
    let (own, part) = (format!("public.{name}"), format!("public.{name}_0"));
    for (role, expected, expected_part) in [
        ("r", vec![], vec![]),
        ("w", vec![own.clone()], vec![part]),
        ("c", vec![own], vec![]),
        ("", vec!["everything, as a superuser".to_owned()], vec!["everything, as a superuser".to_owned()]),
    ] {
        let mut url = url::Url::parse(&super::postgres::url()).unwrap();
        if !role.is_empty() {
            url.set_username(&format!("{name}_{role}")).unwrap();
        }
        for (table, expected) in [(name.clone(), expected), (format!("{name}_parts"), expected_part)] {
            let query = format!("SELECT k, v FROM {table} WHERE k = ANY($1)");
            let told = described(url.as_str(), &query, &["a"]).await.unwrap();
            assert_eq!(told.may_write, Some(expected), "{role} of {table}");
            assert!(told.server.unwrap().starts_with("PostgreSQL ") && told.is_primary == Some(true));
        }
    }
}

#[tokio::test]
async fn a_store_that_is_asked_about_itself_is_read_as_before() {
    let name = fresh_name();
    super::postgres::run(&format!(
        "CREATE TABLE {name} (k text PRIMARY KEY, v text); INSERT INTO {name} VALUES ('a', 'x')"
    ))
    .await;
    let reader = reader(&WrittenStore { concurrency: 1, ..WrittenStore::new(super::postgres::url()) });
    let lookup = sql(format!("SELECT k, v FROM {name} WHERE k = ANY($1)"));
    let setting = sql("SELECT k, current_setting('enable_seqscan') FROM unnest($1::text[]) AS k");
    assert_eq!(read(&reader, &lookup, &["a"]).await, Ok(vec![value("x")]));
    reader.describe(&lookup, &[Bytes::from_static(b"a")]).await.unwrap();
    assert_eq!(read(&reader, &setting, &["a"]).await, Ok(vec![value("on")]));
    assert_eq!(read(&reader, &lookup, &["a"]).await, Ok(vec![value("x")]));
}
