//! Going through whole stores, page by page.

use super::*;

/// Every row of a store, as `key=value`, and how many pages that took.
async fn all(reader: &Reader, scan: &Scan, limit: usize) -> Result<(Vec<String>, usize), StoreError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut rows, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = reader.scan(scan, after.as_deref(), limit).await.told?;
        pages += 1;
        for (key, answer) in page.rows {
            rows.push(match answer {
                Ok(Found::Value(value, None)) => format!("{}={}", text(&key), text(&value)),
                other => format!("{}: {other:?}", text(&key)),
            });
        }
        after = page.next;
        if after.is_none() {
            return Ok((rows, pages));
        }
    }
}

fn scan(query: impl AsRef<str>, key_type: KeyType) -> Scan {
    let query = query.as_ref().into();
    Scan(Lookup::Sql { query, key_type: Some(key_type), shape: Shape::Value })
}

const TYPES: [(KeyType, &str, &str, &[&str]); 3] = [
    (
        KeyType::Text,
        "varchar(9)",
        "('', 0), ('a', 1), ('b', 2), ('c', 3), ('d', 4)",
        &["=0", "a=1", "b=2", "c=3", "d=4"],
    ),
    (
        KeyType::Integer,
        "int",
        "(-7, 0), (0, 1), (7, 2), (10, 3), (99, 4)",
        &["-7=0", "0=1", "7=2", "10=3", "99=4"],
    ),
    (
        KeyType::Bytes,
        "BINARY",
        "(X, 0), (X00, 1), (X01, 2), (X6162, 3), (X7f, 4)",
        &["=0", "\0=1", "\x01=2", "ab=3", "\x7f=4"],
    ),
];

/// Scans a table of each type of key in pages of every size; `fill` makes the table of a type with these rows.
async fn each_type<F: Future<Output = String>>(
    url: &str,
    binary: &str,
    bytes: (&str, &str),
    form: &str,
    fill: impl Fn(String) -> F,
) {
    let reader = reader(&WrittenStore::new(url));
    for (key_type, kind, rows, expected) in TYPES {
        let rows = rows
            .split("), (")
            .map(|row| {
                let row = row.trim_matches(['(', ')']);
                let (key, value) = row.split_once(", ").unwrap();
                let key =
                    key.strip_prefix('X').map_or(key.into(), |hex| format!("{}{hex}{}", bytes.0, bytes.1));
                format!("({key}, {value})")
            })
            .collect::<Vec<_>>();
        let kind = kind.replace("BINARY", binary);
        let table =
            fill(format!("(k {kind} PRIMARY KEY, v int); INSERT INTO TABLE VALUES {}", rows.join(", ")))
                .await;
        let scan = scan(form.replace("TABLE", &table), key_type);
        for (limit, pages) in [(1, 5), (2, 3), (4, 2), (5, 1), (100, 1)] {
            let got = all(&reader, &scan, limit).await;
            assert_eq!(
                got,
                Ok((expected.iter().map(ToString::to_string).collect(), pages)),
                "{kind} {limit}"
            );
        }
    }
}

async fn filled<F: Future<Output = ()>>(commands: String, run: impl FnOnce(String) -> F) -> String {
    let table = fresh_name();
    run(format!("CREATE TABLE {table} {}", commands.replace("TABLE", &table))).await;
    table
}

#[tokio::test]
async fn postgres_is_gone_through_by_key() {
    let form = "SELECT k, v FROM TABLE WHERE k >= $1 ORDER BY k LIMIT $2";
    each_type(&super::postgres::url(), "bytea", ("'\\x", "'"), form, async |commands| {
        filled(commands, async |commands| super::postgres::run(&commands).await).await
    })
    .await;
}

#[tokio::test]
async fn mariadb_is_gone_through_by_key() {
    let form = "SELECT k, v FROM TABLE WHERE k >= ? ORDER BY k LIMIT ?";
    each_type(&super::mysql::url(), "varbinary(9)", ("x'", "'"), form, async |commands| {
        filled(commands, async |commands| super::mysql::run(&commands).await).await
    })
    .await;
}

#[tokio::test]
async fn sqlite_is_gone_through_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    let form = "SELECT k, v FROM TABLE WHERE k >= ?1 ORDER BY k LIMIT ?2";
    each_type(&format!("sqlite://{}", path.display()), "blob", ("x'", "'"), form, async |commands| {
        filled(commands, async |commands| file.execute_batch(&commands).unwrap()).await
    })
    .await;
}

#[tokio::test]
async fn a_page_goes_on_behind_its_key_though_that_row_has_gone() {
    let table = filled(
        "(k text PRIMARY KEY, v int); INSERT INTO TABLE VALUES ('a', 1), ('b', 2), ('c', 3)".into(),
        async |commands| super::postgres::run(&commands).await,
    )
    .await;
    let reader = reader(&WrittenStore::new(super::postgres::url()));
    let scan = scan(format!("SELECT k, v FROM {table} WHERE k >= $1 ORDER BY k LIMIT $2"), KeyType::Text);
    let first = reader.scan(&scan, None, 2).await.told.unwrap();
    assert_eq!(first.next.as_deref(), Some(&b"b"[..]));
    super::postgres::run(&format!("DELETE FROM {table} WHERE k = 'b'")).await;
    let second = reader.scan(&scan, first.next.as_deref(), 2).await.told.unwrap();
    assert_eq!(second, Page { rows: vec![(b"c".to_vec(), value("3"))], next: None });
}

#[tokio::test]
async fn a_scan_of_keys_of_another_type_is_refused_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (-7, 1)").unwrap();
    let sqlite = format!("sqlite://{}", path.display());
    let table =
        filled("(k int PRIMARY KEY, v int); INSERT INTO TABLE VALUES (7, 1)".into(), async |commands| {
            super::mysql::run(&commands).await;
            super::postgres::run(&commands).await;
        })
        .await;
    for (url, query) in [
        (sqlite, "SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2".into()),
        (super::mysql::url(), format!("SELECT k, v FROM {table} WHERE k >= ? ORDER BY k LIMIT ?")),
        (super::postgres::url(), format!("SELECT k, v FROM {table} WHERE k >= $1 ORDER BY k LIMIT $2")),
    ] {
        let reader = reader(&WrittenStore::new(url));
        let error = reader.scan(&scan(&query, KeyType::Text), None, 10).await.told.unwrap_err();
        assert!(error.label() == "query" && error.to_string().contains("key_type"), "{query}: {error}");
        let integers = scan(&query, KeyType::Integer);
        let error = reader.scan(&integers, Some(b"not a number"), 10).await.told.unwrap_err();
        assert!(error.to_string().contains("cannot go on"), "{query}: {error}");
    }
}

#[tokio::test]
async fn redis_tells_every_string_with_the_prefix_and_every_field_of_a_hash() {
    let reader = reader(&WrittenStore::new(super::redis::url()));
    let name = format!("{}[*]:", fresh_name());
    let mut expected = Vec::new();
    for number in 0..300 {
        let (key, value) = (format!("{name}{number}"), number.to_string());
        super::redis::run(&[b"SET", key.as_bytes(), value.as_bytes()]).await;
        super::redis::run(&[b"HSET", name.as_bytes(), value.as_bytes(), value.as_bytes()]).await;
        // What the prefix would match if it were a pattern.
        super::redis::run(&[b"SET", key.replace("[*]", "*").as_bytes(), b"other"]).await;
        expected.push(format!("{number}={number}"));
    }
    super::redis::run(&[b"HSET", format!("{name}hash").as_bytes(), b"f", b"v"]).await;
    // A long value makes Redis keep the hash as a table, which it tells in parts.
    super::redis::run(&[b"HSET", name.as_bytes(), b"long", &[b'x'; 100]]).await;
    expected.sort();
    let (mut strings, pages) = all(&reader, &Scan(Lookup::Prefix(name.as_str().into())), 50).await.unwrap();
    strings.sort();
    strings.dedup();
    assert!(strings == expected && pages > 1, "{pages} pages: {strings:?}");
    let (mut fields, pages) = all(&reader, &Scan(Lookup::Hash(name.as_str().into())), 50).await.unwrap();
    fields.sort();
    fields.dedup();
    expected.push(format!("long={}", "x".repeat(100)));
    assert!(fields == expected && pages > 1, "{pages} pages: {fields:?}");
}

#[tokio::test]
async fn a_limit_above_that_of_the_store_is_refused() {
    let reader = reader(&WrittenStore { keys_per_read_max: 10, ..WrittenStore::new("sqlite:///no/such") });
    let error = reader.scan(&scan("q", KeyType::Text), None, 11).await.told.unwrap_err();
    assert_eq!(error, StoreError::TooManyKeys { keys: 11, keys_per_read_max: 10 });
}
