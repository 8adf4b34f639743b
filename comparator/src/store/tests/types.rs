//! What each type of each server becomes as a member of an object: the tables of the documentation, on real servers.

use super::*;

fn object(json: &str) -> Answer {
    value(format!("{{\"c\":{json}}}"))
}

fn wants_cast(found: &str) -> Answer {
    Err(KeyError::ValueType { found: found.into() })
}

#[tokio::test]
async fn each_type_of_postgres_has_its_form_or_wants_a_cast() {
    let name = fresh_name();
    let types = format!("CREATE TYPE {name} AS ENUM ('sad', 'glad'); CREATE DOMAIN {name}_d AS numeric");
    super::postgres::run(&types).await;
    let reader = reader(&WrittenStore::new(super::postgres::url()));
    for (expression, expected) in [
        ("NULL::int4", object("null")),
        ("true", object("true")),
        ("(-7)::int2", object("-7")),
        ("2147483647::int4", object("2147483647")),
        ("9223372036854775807::int8", object("9223372036854775807")),
        ("1.50::numeric", object("1.50")),
        ("(-0.00001234)::numeric", object("-0.00001234")),
        (
            "12345678901234567890123456789012345678901.5::numeric",
            object("12345678901234567890123456789012345678901.5"),
        ),
        ("10000::numeric(10, 2)", object("10000.00")),
        ("'NaN'::numeric", object("\"NaN\"")),
        ("'-Infinity'::numeric", object("\"-Infinity\"")),
        ("'1.1'::float4", object("1.1")),
        ("'0.1'::float8 + '0.2'::float8", object("0.30000000000000004")),
        ("'1e300'::float8", object("1e300")),
        ("'NaN'::float8", object("\"NaN\"")),
        ("'Infinity'::float4", object("\"Infinity\"")),
        ("E'h\u{e9}\"'::text", object("\"h\u{e9}\\\"\"")),
        ("'x'::char(3)", object("\"x  \"")),
        ("'x'::name", object("\"x\"")),
        ("'\\xff00'::bytea", object("\"/wA=\"")),
        ("'2026-11-23'::date", object("\"2026-11-23\"")),
        ("'0001-01-01'::date", object("\"0001-01-01\"")),
        ("'infinity'::date", wants_cast("date outside the years 1 to 9999")),
        ("'0044-03-15 BC'::date", wants_cast("date outside the years 1 to 9999")),
        ("'10:00:00.5'::time", object("\"10:00:00.5\"")),
        ("'24:00:00'::time", object("\"24:00:00\"")),
        ("'2026-11-23 10:00:00.123456'::timestamp", object("\"2026-11-23T10:00:00.123456\"")),
        ("'1969-12-31 23:59:59.9'::timestamp", object("\"1969-12-31T23:59:59.9\"")),
        ("'-infinity'::timestamp", wants_cast("timestamp outside the years 1 to 9999")),
        ("'2026-11-23 10:00:00+02'::timestamptz", object("\"2026-11-23T08:00:00Z\"")),
        ("'123E4567-E89B-12D3-A456-426614174000'::uuid", object("\"123e4567-e89b-12d3-a456-426614174000\"")),
        ("'{\"b\": 1.0}'::json", object("{\"b\": 1.0}")),
        ("'{\"b\":1.0,  \"a\":null}'::jsonb", object("{\"a\": null, \"b\": 1.0}")),
        (&format!("'glad'::{name}"), object("\"glad\"")),
        (&format!("1.50::{name}_d"), object("1.50")),
        ("'{}'::int4[]", object("[]")),
        ("'{1,NULL,3}'::int4[]", object("[1,null,3]")),
        ("'{{1,2},{3,4}}'::int8[]", object("[[1,2],[3,4]]")),
        ("'{a,\"b c\"}'::text[]", object("[\"a\",\"b c\"]")),
        ("ARRAY['1.50'::numeric, 'NaN']", object("[1.50,\"NaN\"]")),
        ("ARRAY['2026-11-23'::date, NULL]", object("[\"2026-11-23\",null]")),
        ("ARRAY['infinity'::date]", wants_cast("date outside the years 1 to 9999")),
        (&format!("ARRAY['glad'::{name}]"), object("[\"glad\"]")),
        ("ARRAY['{}'::jsonb]", object("[{}]")),
        ("'10:00:00+02'::timetz", wants_cast("timetz")),
        ("'1 day'::interval", wants_cast("interval")),
        ("'1'::money", wants_cast("money")),
        ("'[1,2]'::int4range", wants_cast("int4range")),
        ("ROW(1, 2)", wants_cast("record")),
        ("ARRAY['1 day'::interval]", wants_cast("interval")),
        ("'127.0.0.1'::inet", wants_cast("inet")),
    ] {
        let query = columns(format!("SELECT k, {expression} AS c FROM unnest($1::text[]) AS k"), None);
        assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![expected]), "{expression}");
    }
}

#[tokio::test]
async fn each_type_of_mariadb_has_its_form_or_wants_a_cast() {
    let reader = reader(&WrittenStore::new(super::mysql::url()));
    for (kind, written, expected) in [
        ("int", "NULL", object("null")),
        ("tinyint(1)", "1", object("1")),
        ("boolean", "true", object("1")),
        ("smallint", "-7", object("-7")),
        ("mediumint unsigned", "16777215", object("16777215")),
        ("int(8) zerofill", "7", object("7")),
        ("bigint unsigned", "18446744073709551615", object("18446744073709551615")),
        ("bigint", "-9223372036854775808", object("-9223372036854775808")),
        ("bit(1)", "b'1'", object("1")),
        (
            "bit(64)",
            "b'1111111111111111111111111111111111111111111111111111111111111111'",
            object("18446744073709551615"),
        ),
        ("bit(12)", "b'101000000001'", object("2561")),
        ("year", "2026", object("2026")),
        ("decimal(10, 2)", "1.5", object("1.50")),
        ("decimal(10, 2)", "-0.5", object("-0.50")),
        ("decimal(10, 2) zerofill", "1.5", object("1.50")),
        (
            "decimal(60, 0)",
            "123456789012345678901234567890123456789012",
            object("123456789012345678901234567890123456789012"),
        ),
        ("float", "1.1", object("1.1")),
        ("double", "0.1 + 0.2e0", object("0.30000000000000004")),
        ("double", "1e300", object("1e300")),
        ("varchar(9)", "'h\u{e9}\\\"'", object("\"h\u{e9}\\\"\"")),
        ("varchar(9) character set latin1", "'h\u{e9}'", object("\"h\u{e9}\"")),
        ("char(5)", "'x'", object("\"x\"")),
        ("text", "'\u{1f980}'", object("\"\u{1f980}\"")),
        ("enum('sad', 'glad')", "'glad'", object("\"glad\"")),
        ("set('a', 'b', 'c')", "'c,a'", object("\"a,c\"")),
        ("varbinary(9)", "x'ff00'", object("\"/wA=\"")),
        ("binary(3)", "x'ff'", object("\"/wAA\"")),
        ("blob", "x'ff00'", object("\"/wA=\"")),
        ("date", "'2026-11-23'", object("\"2026-11-23\"")),
        ("date", "'0000-00-00'", wants_cast("date with a zero in it")),
        ("date", "'2026-00-00'", wants_cast("date with a zero in it")),
        ("datetime", "'2026-11-23 10:00:00'", object("\"2026-11-23T10:00:00\"")),
        ("datetime", "'2026-11-23 00:00:00'", object("\"2026-11-23T00:00:00\"")),
        ("datetime(6)", "'2026-11-23 10:00:00.123456'", object("\"2026-11-23T10:00:00.123456\"")),
        ("datetime(3)", "'2026-11-23 10:00:00.120'", object("\"2026-11-23T10:00:00.12\"")),
        ("timestamp(6)", "'2026-11-23 10:00:00.5'", object("\"2026-11-23T08:00:00.5Z\"")),
        ("time", "'10:00:00'", object("\"10:00:00\"")),
        ("time", "'00:00:00'", object("\"00:00:00\"")),
        ("time(6)", "'-838:59:59.5'", object("\"-838:59:59.5\"")),
        ("json", "'{\"a\": [1.0]}'", object("\"{\\\"a\\\": [1.0]}\"")),
        (
            "uuid",
            "'123E4567-E89B-12D3-A456-426614174000'",
            object("\"123e4567-e89b-12d3-a456-426614174000\""),
        ),
        ("inet6", "'::1'", object("\"::1\"")),
        ("point", "ST_GeomFromText('POINT(1 2)')", wants_cast("geometry")),
    ] {
        let table = fresh_name();
        super::mysql::run(&format!(
            "SET sql_mode = ''; SET time_zone = '+02:00'; CREATE TABLE {table} (k varchar(9), c {kind} NULL); \
             INSERT INTO {table} VALUES ('a', {written})"
        ))
        .await;
        let query = columns(format!("SELECT k, c FROM {table} WHERE k IN (?)"), None);
        assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![expected]), "{written} as {kind}");
    }
}

#[tokio::test]
async fn each_value_of_sqlite_is_what_it_is_stored_as_whatever_its_column_was_declared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let reader = reader(&WrittenStore::new(format!("sqlite://{}", path.display())));
    let file = rusqlite::Connection::open(&path).unwrap();
    for (kind, written, expected) in [
        ("INTEGER", "NULL", object("null")),
        ("BOOLEAN", "1", object("1")),
        ("INTEGER", "-9223372036854775808", object("-9223372036854775808")),
        ("REAL", "7", object("7.0")),
        ("REAL", "0.1 + 0.2", object("0.30000000000000004")),
        ("REAL", "9e999", object("\"Infinity\"")),
        ("NUMERIC", "'1.50'", object("1.5")),
        ("TEXT", "'1.50'", object("\"1.50\"")),
        ("TEXT", "'h\u{e9}\"'", object("\"h\u{e9}\\\"\"")),
        ("TEXT", "CAST(x'ff' AS TEXT)", object("\"/w==\"")),
        ("BLOB", "x'ff00'", object("\"/wA=\"")),
        ("JSON", "'{\"a\":1}'", object("\"{\\\"a\\\":1}\"")),
        ("DATETIME", "'2026-11-23 10:00:00'", object("\"2026-11-23 10:00:00\"")),
    ] {
        let table = fresh_name();
        file.execute_batch(&format!(
            "CREATE TABLE {table} (k TEXT, c {kind}); INSERT INTO {table} VALUES ('a', {written})"
        ))
        .unwrap();
        let query = columns(format!("SELECT k, c FROM {table} WHERE k IN rarray(?1)"), None);
        assert_eq!(read(&reader, &query, &["a"]).await, Ok(vec![expected]), "{written} as {kind}");
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
