use super::*;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

pub(super) fn url() -> String {
    server("COUNTERFOIL_TEST_MARIADB")
}

pub(super) async fn run(commands: &str) {
    let mut connection = Conn::from_url(url()).await.unwrap();
    for command in commands.split(';').filter(|command| !command.trim().is_empty()) {
        connection.query_drop(command).await.unwrap();
    }
    connection.disconnect().await.unwrap();
}

/// A table with keys of the type `key` and these rows; it goes away with the test run's server.
pub(super) async fn table(key: &str, rows: &str) -> String {
    let name = fresh_name();
    run(&format!(
        "CREATE TABLE {name} (k {key} PRIMARY KEY, v text, n bigint); INSERT INTO {name} VALUES {rows}"
    ))
    .await;
    name
}

pub(super) fn by_key(table: &str) -> Lookup {
    sql(format!("SELECT k, v FROM {table} WHERE k IN (?)"))
}

fn typed(table: &str, key_type: KeyType) -> Lookup {
    let query = format!("SELECT k, v FROM {table} WHERE k IN (?)").into();
    Lookup::Sql { query, key_type: Some(key_type), shape: Shape::Value }
}

fn any() -> Reader {
    reader(&WrittenStore::new(url()))
}

#[tokio::test]
async fn keys_are_answered_in_their_order_and_those_that_are_not_text_do_not_spoil_the_others() {
    let rows = "('a', 'x', 3), ('b', NULL, 1), ('c', '', NULL), ('d', 'y', -1), ('h\u{e9}\u{1f980}', 'z', 1)";
    let table = table("varchar(50) COLLATE utf8mb4_bin", rows).await;
    let query = sql(format!("SELECT k, v, n FROM {table} WHERE k IN (?)"));
    let keys: [&[u8]; 8] = [b"c", b"none", b"a", b"b", b"\xff", "h\u{e9}\u{1f980}".as_bytes(), b"a", b"d"];
    let expected = vec![
        value(""),
        ABSENT,
        versioned("x", 3),
        ABSENT,
        Err(KeyError::NotText),
        versioned("z", 1),
        versioned("x", 3),
        Err(KeyError::Version),
    ];
    assert_eq!(read(&any(), &query, &keys).await, Ok(expected));
    assert_eq!(read(&any(), &query, &[b"\xff"]).await, Ok(vec![Err(KeyError::NotText)]));
}

#[tokio::test]
async fn batches_of_every_size_are_answered_and_a_full_one_takes_one_query() {
    let table = fresh_name();
    run(&format!("CREATE TABLE {table} (k varchar(20) PRIMARY KEY, v text) AS SELECT concat('k', seq) AS k, seq AS v FROM seq_0_to_9998_step_2")).await;
    let reader =
        reader(&WrittenStore { keys_per_read_max: 10_000, concurrency: 1, ..WrittenStore::new(url()) });
    for size in [1, 2, 3, 5, 8, 10_000] {
        let keys: Vec<_> = (0..size).rev().map(|number| format!("k{number}")).collect();
        let expected =
            (0..size).rev().map(|n| if n % 2 == 0 { value(n.to_string()) } else { ABSENT }).collect();
        assert_eq!(read(&reader, &by_key(&table), &keys).await, Ok(expected), "{size}");
    }
}

#[tokio::test]
async fn keys_are_bound_as_the_type_that_the_contract_says() {
    let reader = any();
    let no = || Err(KeyError::NotInteger);
    for key in ["tinyint", "int", "bigint"] {
        let table = table(key, "(7, 'seven', 1), (-7, 'minus', 1)").await;
        let keys = ["-7", "7", "8", "07", "9223372036854775808"];
        let answers = read(&reader, &typed(&table, KeyType::Integer), &keys).await;
        assert_eq!(answers, Ok(vec![value("minus"), value("seven"), ABSENT, no(), no()]), "{key}");
    }
    for key in ["varbinary(9)", "binary(2)"] {
        let table = table(key, "(x'ff00', 'bytes', 1), (x'6162', 'text', 2)").await;
        let keys: [&[u8]; 3] = [b"\xff\x00", b"\xff\x01", b"ab"];
        let answers = read(&reader, &typed(&table, KeyType::Bytes), &keys).await;
        assert_eq!(answers, Ok(vec![value("bytes"), ABSENT, value("text")]), "{key}");
    }
    let table = table("char(5)", "('ab', 'x', 1)").await;
    assert_eq!(read(&reader, &by_key(&table), &["ab", "b"]).await, Ok(vec![value("x"), ABSENT]));
}

#[tokio::test]
async fn a_row_under_another_spelling_of_the_key_makes_it_unknown_not_absent() {
    let table = table("varchar(9) COLLATE utf8mb4_general_ci", "('Abc', 'x', 1)").await;
    let reader = any();
    for key in ["abc", "\u{e1}bc", "Abc "] {
        assert_eq!(read(&reader, &by_key(&table), &[key]).await, Ok(vec![Err(KeyError::OtherKey)]), "{key}");
    }
    assert_eq!(read(&reader, &by_key(&table), &["Abc", "b"]).await, Ok(vec![value("x"), ABSENT]));
    let number = self::table("int", "(7, 'x', 1)").await;
    assert_eq!(read(&reader, &by_key(&number), &["7a"]).await, Ok(vec![Err(KeyError::OtherKey)]));
}

#[tokio::test]
async fn nothing_can_be_written() {
    let table = table("varchar(9)", "('a', 'x', 1)").await;
    let reader = any();
    let delete = sql(format!("DELETE FROM {table} WHERE k IN (?) RETURNING k, v"));
    let refused = read(&reader, &delete, &["a"]).await.unwrap_err();
    assert_eq!(refused, StoreError::Query { why: "error 1792, SQLSTATE 25006".into() });
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn a_slow_query_times_out_and_the_next_read_works() {
    let reader = reader(&WrittenStore { timeout_ms: 300, concurrency: 1, ..WrittenStore::new(url()) });
    let slow = sql("SELECT 'a', sleep(3600) FROM dual WHERE 'a' IN (?)");
    assert_eq!(read(&reader, &slow, &["a"]).await, Err(StoreError::Timeout));
    let quick = sql("SELECT 'a', 'x' FROM dual WHERE 'a' IN (?)");
    assert_eq!(read(&reader, &quick, &["a"]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn the_server_is_told_the_timeout_the_time_zone_and_to_write_nothing() {
    let reader = reader(&WrittenStore { timeout_ms: 1234, ..WrittenStore::new(url()) });
    let settings = "CONCAT_WS(' ', @@max_statement_time, @@time_zone, @@tx_read_only)";
    let query = sql(format!("SELECT 'a', {settings} FROM dual WHERE 'a' IN (?)"));
    assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![value("1.234000 +00:00 ON")]));
}

#[tokio::test]
async fn a_query_that_does_not_work_says_why_and_works_once_it_can() {
    let (table, reader) = (fresh_name(), any());
    let missing = read(&reader, &by_key(&table), &["a"]).await.unwrap_err();
    assert_eq!((missing.label(), missing.to_string().contains(&table)), ("query", true), "{missing}");
    run(&format!("CREATE TABLE {table} (k varchar(9), v text); INSERT INTO {table} VALUES ('a', '1')")).await;
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await, Ok(vec![value("1")]));
    run(&format!("ALTER TABLE {table} MODIFY v int")).await;
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await, Ok(vec![value("1")]));
    for (query, why) in [
        ("SELECT 'a' FROM dual WHERE 'a' IN (?)", "two or three columns"),
        ("SELECT 'a', 1 FROM dual WHERE 'a' IN (?) AND 1 = ?", "one parameter"),
        ("SELECT 'a', 1 FROM dual WHERE 'a' = ?", "one place"),
        ("SELEKT 1 IN (?)", "SELEKT"),
    ] {
        let error = read(&reader, &sql(query), &["a"]).await.unwrap_err();
        assert!(error.label() == "query" && error.to_string().contains(why), "{why} in {error}");
    }
}

#[tokio::test]
async fn an_error_does_not_quote_data() {
    let query =
        sql("SELECT 'a', JSON_VALUE(EXTRACTVALUE('x', k), '$') FROM (SELECT 'hunter2[' k) t WHERE k IN (?)");
    let error = read(&any(), &query, &["hunter2["]).await.unwrap_err();
    assert!(error.label() == "query" && !error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_database_or_a_user_that_is_not_there_is_no_connection() {
    let place = url().replace("counterfoil@", "nobody@");
    let error = read(&reader(&WrittenStore::new(place)), &by_key("t"), &["a"]).await.unwrap_err();
    assert!(error.label() == "connect" && error.to_string().contains("nobody"), "{error}");
    let place = url().replace("/counterfoil", "/no_such_database");
    let error = read(&reader(&WrittenStore::new(place)), &by_key("t"), &["a"]).await.unwrap_err();
    assert!(error.label() == "connect" && error.to_string().contains("no_such_database"), "{error}");
}

#[tokio::test]
async fn the_password_comes_from_its_file_at_each_connect() {
    let (user, table) = (fresh_name(), table("varchar(9)", "('a', 'x', 1)").await);
    run(&format!("CREATE USER {user} IDENTIFIED BY 'secret'; GRANT SELECT ON *.* TO {user}")).await;
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    let url = url().replace("counterfoil@", &format!("{user}@"));
    let reader =
        reader(&WrittenStore { password_file: Some(password_file.clone()), ..WrittenStore::new(url) });
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await.unwrap_err().label(), "connect");
    std::fs::write(&password_file, "wrong").unwrap();
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await.unwrap_err().label(), "connect");
    std::fs::write(&password_file, "secret\n").unwrap();
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn a_server_that_is_down_at_start_goes_away_and_falls_silent_is_read_whenever_it_answers() {
    let query = sql("SELECT 'a', 'x' FROM dual WHERE 'a' IN (?)");
    is_read_whenever_it_answers(&url(), &query).await;
}
