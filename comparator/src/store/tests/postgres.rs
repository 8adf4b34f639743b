use super::*;
use tokio_postgres::NoTls;

pub(super) fn url() -> String {
    server("COUNTERFOIL_TEST_POSTGRES")
}

pub(super) async fn run(commands: &str) {
    let (client, connection) = tokio_postgres::connect(&url(), NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(commands).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
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
    sql(format!("SELECT k, v FROM {table} WHERE k = ANY($1)"))
}

fn any() -> Reader {
    reader(&WrittenStore::new(url()))
}

#[tokio::test]
async fn keys_are_answered_in_their_order_and_those_that_are_not_text_do_not_spoil_the_others() {
    let table = table("text", "('a', 'x', 3), ('b', NULL, 1), ('c', '', NULL), ('d', 'y', -1)").await;
    let query = sql(format!("SELECT k, v, n FROM {table} WHERE k = ANY($1)"));
    let keys: [&[u8]; 8] = [b"c", b"none", b"a", b"b", b"\xff", b"a\0", b"a", b"d"];
    let not_text = || Err(KeyError::NotText);
    let expected = vec![
        value(""),
        ABSENT,
        versioned("x", 3),
        ABSENT,
        not_text(),
        not_text(),
        versioned("x", 3),
        Err(KeyError::Version),
    ];
    assert_eq!(read(&any(), &query, &keys).await, Ok(expected));
}

#[tokio::test]
async fn a_full_batch_of_keys_takes_one_query() {
    let table = fresh_name();
    run(&format!(
        "CREATE TABLE {table} AS SELECT 'k' || i AS k, i::text AS v FROM generate_series(0, 9998, 2) AS i"
    ))
    .await;
    let keys: Vec<_> = (0..10_000).rev().map(|number| format!("k{number}")).collect();
    let reader = reader(&WrittenStore { keys_per_read_max: 10_000, ..WrittenStore::new(url()) });
    let expected =
        (0..10_000).rev().map(|n| if n % 2 == 0 { value(n.to_string()) } else { ABSENT }).collect();
    assert_eq!(read(&reader, &by_key(&table), &keys).await, Ok(expected));
}

#[tokio::test]
async fn keys_are_bound_as_the_type_that_the_query_takes() {
    let reader = any();
    let no = || Err(KeyError::NotInteger);
    for (key, range_end) in [("int2", "32768"), ("int4", "2147483648"), ("int8", "9223372036854775808")] {
        let table = table(key, "(7, 'seven', 1), (-7, 'minus', 1)").await;
        let answers = read(&reader, &by_key(&table), &["-7", "7", "8", "07", range_end]).await;
        assert_eq!(answers, Ok(vec![value("minus"), value("seven"), ABSENT, no(), no()]), "{key}");
    }
    let bytes = table("bytea", "('\\xff00', 'bytes', 1)").await;
    let keys: [&[u8]; 2] = [b"\xff\x00", b"\x00"];
    assert_eq!(read(&reader, &by_key(&bytes), &keys).await, Ok(vec![value("bytes"), ABSENT]));
    for key in ["varchar(9)", "name"] {
        let table = table(key, "('a', 'x', 1)").await;
        assert_eq!(read(&reader, &by_key(&table), &["a", "b"]).await, Ok(vec![value("x"), ABSENT]), "{key}");
    }
}

#[tokio::test]
async fn other_key_types_need_a_cast_and_are_refused_without() {
    let id = "123e4567-e89b-12d3-a456-426614174000";
    let table = table("uuid", &format!("('{id}', 'x', 1)")).await;
    let refused = read(&any(), &by_key(&table), &[id]).await.unwrap_err();
    assert!(refused.to_string().contains("_uuid") && refused.to_string().contains("cast"), "{refused}");
    let cast = sql(format!("SELECT k::text, v FROM {table} WHERE k = ANY($1::text[]::uuid[])"));
    assert_eq!(read(&any(), &cast, &[id]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn a_key_type_that_contradicts_the_query_is_refused() {
    let table = table("int8", "(7, 'x', 1)").await;
    let Lookup::Sql { query, .. } = by_key(&table) else { panic!("by_key gives a query") };
    let typed =
        |key_type| Lookup::Sql { query: query.clone(), key_type: Some(key_type), shape: Shape::Value };
    assert_eq!(read(&any(), &typed(KeyType::Integer), &["7"]).await, Ok(vec![value("x")]));
    let refused = read(&any(), &typed(KeyType::Text), &["7"]).await.unwrap_err();
    assert!(refused.to_string().contains("key_type"), "{refused}");
}

#[tokio::test]
async fn a_value_has_the_bytes_that_the_documentation_says_or_wants_a_cast() {
    let mood = fresh_name();
    run(&format!("CREATE TYPE {mood} AS ENUM ('sad', 'glad'); CREATE DOMAIN {mood}_d AS int")).await;
    let wants_cast = |found: &str| Err(KeyError::ValueType { found: found.into() });
    for (expression, expected) in [
        ("'h\u{e9}'::text".to_owned(), value("h\u{e9}")),
        ("'x'::varchar".into(), value("x")),
        ("'x'::char(3)".into(), value("x  ")),
        ("'x'::name".into(), value("x")),
        ("'{\"b\": 1.0}'::json".into(), value("{\"b\": 1.0}")),
        ("'{\"b\":1.0,  \"a\":null}'::jsonb".into(), value("{\"a\": null, \"b\": 1.0}")),
        ("'\\xff00'::bytea".into(), value(b"\xff\x00")),
        ("(-7)::int2".into(), value("-7")),
        ("2147483647::int4".into(), value("2147483647")),
        ("(-9223372036854775808)::int8".into(), value("-9223372036854775808")),
        ("true".into(), value("true")),
        ("false".into(), value("false")),
        (format!("'glad'::{mood}"), value("glad")),
        (format!("5::{mood}_d"), value("5")),
        ("NULL::text".into(), ABSENT),
        ("NULL::float8".into(), ABSENT),
        ("1.5::float8".into(), wants_cast("float8")),
        ("1.50::numeric".into(), wants_cast("numeric")),
        ("now()".into(), wants_cast("timestamptz")),
        ("gen_random_uuid()".into(), wants_cast("uuid")),
    ] {
        let query = sql(format!("SELECT k, {expression} FROM unnest($1::text[]) AS k"));
        assert_eq!(read(&any(), &query, &["a"]).await, Ok(vec![expected]), "{expression}");
    }
}

#[tokio::test]
async fn rows_that_do_not_answer_the_keys_make_them_unknown_not_absent() {
    let twice = sql("SELECT k, 'x' FROM unnest($1::text[] || $1::text[]) AS k");
    assert_eq!(read(&any(), &twice, &["a"]).await, Ok(vec![Err(KeyError::SeveralRows)]));
    let padded = sql("SELECT k::char(5), 'x' FROM unnest($1::text[]) AS k");
    let expected = Ok(vec![Err(KeyError::OtherKey), value("x")]);
    assert_eq!(read(&any(), &padded, &["abc", "abcde"]).await, expected);
    let null = sql("SELECT NULL::text, 'x' FROM unnest($1::text[]) AS k");
    assert_eq!(read(&any(), &null, &["a"]).await, Ok(vec![Err(KeyError::OtherKey)]));
}

#[tokio::test]
async fn nothing_can_be_written() {
    let table = table("text", "('a', 'x', 1)").await;
    let reader = any();
    for change in ["DELETE FROM", "UPDATE"] {
        let set = if change == "UPDATE" { "SET v = 'y'" } else { "" };
        let change = sql(format!("{change} {table} {set} WHERE k = ANY($1) RETURNING k, v"));
        let refused = read(&reader, &change, &["a"]).await.unwrap_err();
        assert_eq!(refused, StoreError::Query { why: "SQLSTATE 25006".into() });
    }
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn a_slow_query_times_out_and_the_next_read_works() {
    let reader = reader(&WrittenStore { timeout_ms: 200, concurrency: 1, ..WrittenStore::new(url()) });
    let slow = sql("SELECT k, pg_sleep(3600)::text FROM unnest($1::text[]) AS k");
    assert_eq!(read(&reader, &slow, &["a"]).await, Err(StoreError::Timeout));
    let quick = sql("SELECT k, 'x' FROM unnest($1::text[]) AS k");
    assert_eq!(read(&reader, &quick, &["a"]).await, Ok(vec![value("x")]));
}

#[tokio::test]
async fn the_server_is_told_the_timeout_too() {
    let reader = reader(&WrittenStore { timeout_ms: 1234, ..WrittenStore::new(url()) });
    let query = sql("SELECT k, current_setting('statement_timeout') FROM unnest($1::text[]) AS k");
    assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![value("1234ms")]));
}

#[tokio::test]
async fn a_standby_is_refused() {
    // The test's server is none, so a function of the same name stands in front of the server's own.
    let name = fresh_name();
    run(&format!(
        "CREATE SCHEMA {name}; CREATE FUNCTION {name}.pg_is_in_recovery() RETURNS bool LANGUAGE sql RETURN true"
    ))
    .await;
    let mut standby = url::Url::parse(&url()).unwrap();
    standby.query_pairs_mut().append_pair("options", &format!("-csearch_path={name},pg_catalog"));
    let reader = reader(&WrittenStore::new(String::from(standby)));
    assert_eq!(read(&reader, &by_key("t"), &["a"]).await, Err(StoreError::Standby));
}

#[tokio::test]
async fn a_query_that_does_not_work_says_why_and_works_once_it_can() {
    let (table, reader) = (fresh_name(), any());
    let missing = read(&reader, &by_key(&table), &["a"]).await.unwrap_err();
    assert_eq!((missing.label(), missing.to_string().contains(&table)), ("query", true), "{missing}");
    run(&format!("CREATE TABLE {table} (k text, v text); INSERT INTO {table} VALUES ('a', '1')")).await;
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await, Ok(vec![value("1")]));
    run(&format!("ALTER TABLE {table} ALTER v TYPE int USING v::int")).await;
    let stale_plan = read(&reader, &by_key(&table), &["a"]).await;
    assert!(stale_plan.as_ref().is_err_and(|error| error.label() == "query"), "{stale_plan:?}");
    assert_eq!(read(&reader, &by_key(&table), &["a"]).await, Ok(vec![value("1")]));
    for (query, why) in [
        ("SELECT k FROM unnest($1::text[]) AS k", "two or three columns"),
        ("SELECT k, k FROM unnest($1::text[]) AS k WHERE k = $2", "one parameter"),
        ("SELECT $1::int + 1, 1", "array"),
    ] {
        let error = read(&reader, &sql(query), &["a"]).await.unwrap_err();
        assert!(error.label() == "query" && error.to_string().contains(why), "{why} in {error}");
    }
}

#[tokio::test]
async fn an_error_does_not_quote_data() {
    let query = sql("SELECT k, (k::int)::text FROM unnest($1::text[]) AS k");
    let error = read(&any(), &query, &["hunter2"]).await.unwrap_err();
    assert_eq!(error, StoreError::Query { why: "SQLSTATE 22P02".into() });
}

#[tokio::test]
async fn a_database_that_is_not_there_is_no_connection() {
    let mut elsewhere = url::Url::parse(&url()).unwrap();
    elsewhere.set_path("/no_such_database");
    let reader = reader(&WrittenStore::new(String::from(elsewhere)));
    let error = read(&reader, &by_key("t"), &["a"]).await.unwrap_err();
    assert!(error.label() == "connect" && error.to_string().contains("no_such_database"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_down_at_start_goes_away_and_falls_silent_is_read_whenever_it_answers() {
    let query = sql("SELECT k, 'x' FROM unnest($1::text[]) AS k");
    is_read_whenever_it_answers(&url(), &query).await;
}
