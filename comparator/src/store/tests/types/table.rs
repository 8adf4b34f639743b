//! What each type of each server becomes as a member of an object, and how an application may write the same: the tables of the
//! documentation.

use Expected::WantsCast;

/// What is expected of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// It has a form.
    Json {
        /// As the store's side writes it.
        form: &'static str,
        /// As an application may write it.
        by_application: &'static str,
    },
    /// It has none; the type that is named.
    WantsCast(&'static str),
}

/// Both sides write it alike.
const fn json(form: &'static str) -> Expected {
    Expected::Json { form, by_application: form }
}

/// An application may write it otherwise.
const fn spelled(form: &'static str, by_application: &'static str) -> Expected {
    Expected::Json { form, by_application }
}

/// Expressions of Postgres, where `{name}` is an enum of `sad` and `glad`, and `{name}_d` a domain over `numeric`.
pub(super) const POSTGRES: &[(&str, Expected)] = &[
    ("NULL::int4", json("null")),
    ("true", json("true")),
    ("(-7)::int2", json("-7")),
    ("2147483647::int4", json("2147483647")),
    ("9223372036854775807::int8", json("9223372036854775807")),
    ("1.50::numeric", spelled("1.50", "1.5")),
    ("(-0.00001234)::numeric", spelled("-0.00001234", "-1.234e-5")),
    (
        "12345678901234567890123456789012345678901.5::numeric",
        json("12345678901234567890123456789012345678901.5"),
    ),
    ("10000::numeric(10, 2)", spelled("10000.00", "1e4")),
    ("'NaN'::numeric", json("\"NaN\"")),
    ("'-Infinity'::numeric", json("\"-Infinity\"")),
    ("'1.1'::float4", json("1.1")),
    ("'0.1'::float8 + '0.2'::float8", json("0.30000000000000004")),
    ("'1e300'::float8", spelled("1e300", "1.0E+300")),
    ("'NaN'::float8", json("\"NaN\"")),
    ("'Infinity'::float4", json("\"Infinity\"")),
    ("E'h\u{e9}\"'::text", spelled("\"h\u{e9}\\\"\"", "\"h\\u00e9\\u0022\"")),
    ("'x'::char(3)", json("\"x  \"")),
    ("'x'::name", json("\"x\"")),
    ("'\\xff00'::bytea", json("\"/wA=\"")),
    ("'2026-11-23'::date", json("\"2026-11-23\"")),
    ("'0001-01-01'::date", json("\"0001-01-01\"")),
    ("'infinity'::date", WantsCast("date outside the years 1 to 9999")),
    ("'0044-03-15 BC'::date", WantsCast("date outside the years 1 to 9999")),
    ("'10:00:00.5'::time", json("\"10:00:00.5\"")),
    ("'24:00:00'::time", json("\"24:00:00\"")),
    ("'2026-11-23 10:00:00.123456'::timestamp", json("\"2026-11-23T10:00:00.123456\"")),
    ("'1969-12-31 23:59:59.9'::timestamp", json("\"1969-12-31T23:59:59.9\"")),
    ("'-infinity'::timestamp", WantsCast("timestamp outside the years 1 to 9999")),
    ("'2026-11-23 10:00:00+02'::timestamptz", json("\"2026-11-23T08:00:00Z\"")),
    ("'123E4567-E89B-12D3-A456-426614174000'::uuid", json("\"123e4567-e89b-12d3-a456-426614174000\"")),
    ("'{\"b\": 1.0}'::json", json("{\"b\": 1.0}")),
    ("'{\"b\":1.0,  \"a\":null}'::jsonb", spelled("{\"a\": null, \"b\": 1.0}", "{\"b\":1}")),
    ("'glad'::{name}", json("\"glad\"")),
    ("1.50::{name}_d", json("1.50")),
    ("'{}'::int4[]", json("[]")),
    ("'{1,NULL,3}'::int4[]", spelled("[1,null,3]", "[1, null, 3.0]")),
    ("'{{1,2},{3,4}}'::int8[]", json("[[1,2],[3,4]]")),
    ("'{a,\"b c\"}'::text[]", json("[\"a\",\"b c\"]")),
    ("ARRAY['1.50'::numeric, 'NaN']", json("[1.50,\"NaN\"]")),
    ("ARRAY['2026-11-23'::date, NULL]", json("[\"2026-11-23\",null]")),
    ("ARRAY['infinity'::date]", WantsCast("date outside the years 1 to 9999")),
    ("ARRAY['glad'::{name}]", json("[\"glad\"]")),
    ("ARRAY['{}'::jsonb]", json("[{}]")),
    ("'10:00:00+02'::timetz", WantsCast("timetz")),
    ("'1 day'::interval", WantsCast("interval")),
    ("'1'::money", WantsCast("money")),
    ("'[1,2]'::int4range", WantsCast("int4range")),
    ("ROW(1, 2)", WantsCast("record")),
    ("ARRAY['1 day'::interval]", WantsCast("interval")),
    ("'127.0.0.1'::inet", WantsCast("inet")),
];

/// Column types of MariaDB, and what is written into them at two hours east of Greenwich.
pub(super) const MARIADB: &[(&str, &str, Expected)] = &[
    ("int", "NULL", json("null")),
    ("tinyint(1)", "1", json("1")),
    ("boolean", "true", json("1")),
    ("smallint", "-7", json("-7")),
    ("mediumint unsigned", "16777215", json("16777215")),
    ("int(8) zerofill", "7", json("7")),
    ("bigint unsigned", "18446744073709551615", json("18446744073709551615")),
    ("bigint", "-9223372036854775808", json("-9223372036854775808")),
    ("bit(1)", "b'1'", json("1")),
    (
        "bit(64)",
        "b'1111111111111111111111111111111111111111111111111111111111111111'",
        json("18446744073709551615"),
    ),
    ("bit(12)", "b'101000000001'", json("2561")),
    ("year", "2026", json("2026")),
    ("decimal(10, 2)", "1.5", spelled("1.50", "1.5")),
    ("decimal(10, 2)", "-0.5", json("-0.50")),
    ("decimal(10, 2) zerofill", "1.5", json("1.50")),
    (
        "decimal(60, 0)",
        "123456789012345678901234567890123456789012",
        json("123456789012345678901234567890123456789012"),
    ),
    ("float", "1.1", json("1.1")),
    ("double", "0.1 + 0.2e0", json("0.30000000000000004")),
    ("double", "1e300", json("1e300")),
    ("varchar(9)", "'h\u{e9}\\\"'", spelled("\"h\u{e9}\\\"\"", "\"h\\u00e9\\u0022\"")),
    ("varchar(9) character set latin1", "'h\u{e9}'", json("\"h\u{e9}\"")),
    ("char(5)", "'x'", json("\"x\"")),
    ("text", "'\u{1f980}'", spelled("\"\u{1f980}\"", "\"\\ud83e\\udd80\"")),
    ("enum('sad', 'glad')", "'glad'", json("\"glad\"")),
    ("set('a', 'b', 'c')", "'c,a'", json("\"a,c\"")),
    ("varbinary(9)", "x'ff00'", json("\"/wA=\"")),
    ("binary(3)", "x'ff'", json("\"/wAA\"")),
    ("blob", "x'ff00'", json("\"/wA=\"")),
    ("date", "'2026-11-23'", json("\"2026-11-23\"")),
    ("date", "'0000-00-00'", WantsCast("date with a zero in it")),
    ("date", "'2026-00-00'", WantsCast("date with a zero in it")),
    ("datetime", "'2026-11-23 10:00:00'", json("\"2026-11-23T10:00:00\"")),
    ("datetime", "'2026-11-23 00:00:00'", json("\"2026-11-23T00:00:00\"")),
    ("datetime(6)", "'2026-11-23 10:00:00.123456'", json("\"2026-11-23T10:00:00.123456\"")),
    ("datetime(3)", "'2026-11-23 10:00:00.120'", json("\"2026-11-23T10:00:00.12\"")),
    ("timestamp(6)", "'2026-11-23 10:00:00.5'", json("\"2026-11-23T08:00:00.5Z\"")),
    ("time", "'10:00:00'", json("\"10:00:00\"")),
    ("time", "'00:00:00'", json("\"00:00:00\"")),
    ("time(6)", "'-838:59:59.5'", json("\"-838:59:59.5\"")),
    ("json", "'{\"a\": [1.0]}'", json("\"{\\\"a\\\": [1.0]}\"")),
    ("uuid", "'123E4567-E89B-12D3-A456-426614174000'", json("\"123e4567-e89b-12d3-a456-426614174000\"")),
    ("inet6", "'::1'", json("\"::1\"")),
    ("point", "ST_GeomFromText('POINT(1 2)')", WantsCast("geometry")),
];

/// Column types of SQLite, and what is written into them.
pub(super) const SQLITE: &[(&str, &str, Expected)] = &[
    ("INTEGER", "NULL", json("null")),
    ("BOOLEAN", "1", json("1")),
    ("INTEGER", "-9223372036854775808", json("-9223372036854775808")),
    ("REAL", "7", spelled("7.0", "7")),
    ("REAL", "0.1 + 0.2", json("0.30000000000000004")),
    ("REAL", "9e999", json("\"Infinity\"")),
    ("NUMERIC", "'1.50'", json("1.5")),
    ("TEXT", "'1.50'", json("\"1.50\"")),
    ("TEXT", "'h\u{e9}\"'", spelled("\"h\u{e9}\\\"\"", "\"h\\u00e9\\u0022\"")),
    ("TEXT", "CAST(x'ff' AS TEXT)", json("\"/w==\"")),
    ("BLOB", "x'ff00'", json("\"/wA=\"")),
    ("JSON", "'{\"a\":1}'", json("\"{\\\"a\\\":1}\"")),
    ("DATETIME", "'2026-11-23 10:00:00'", json("\"2026-11-23 10:00:00\"")),
];
