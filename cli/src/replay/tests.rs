#![allow(clippy::unwrap_used, reason = "a test may panic")]
//! The command's own path from text to results: by example, and against a search over every order of the writes.

mod brute_force;

use super::*;

const OPTIONS: Options = Options { deadline: 100, lead: 0, clock_error: 0, map_order_is_exact: false };

fn results(text: &str, options: &Options) -> Vec<(bool, &'static str)> {
    let judged = judge_all(text.as_bytes(), options).unwrap();
    judged.iter().map(|read| (read.is_legal(), read.judgement.verdict.label())).collect()
}

fn result(text: &str) -> (bool, &'static str) {
    *results(text, &OPTIONS).first().unwrap()
}

/// A write `ID=VALUE [begin,end]` of both legs to key `k`; `-` for a remove.
fn put(id: u64, value: &str, begin: i64, end: i64) -> String {
    let value = if value == "-" { "null".to_owned() } else { format!("\"{value}\"") };
    format!(
        r#"{{"type":"write","id":"w{id}","key":"k","source":"s","seq":{id},"value":{value},"map":[{begin},{end}],"store":[{begin},{end}]}}"#
    )
}

fn read(value: &str, begin: i64, end: i64) -> String {
    let value = if value == "-" { "null".to_owned() } else { format!("\"{value}\"") };
    format!(r#"{{"type":"read","id":"r","key":"k","at":[{begin},{end}],"value":{value}}}"#)
}

#[test]
fn each_verdict_is_given_where_it_is_due() {
    for (lines, expected) in [
        (vec![put(1, "a", 0, 1), read("a", 10, 11)], (true, "consistent")),
        (vec![put(1, "a", 0, 1), put(2, "b", 9, 20), read("a", 10, 11)], (true, "in_flight")),
        (vec![put(1, "a", 0, 1), read("-", 10, 11)], (false, "missing")),
        (vec![put(1, "a", 0, 1), put(2, "b", 2, 3), read("a", 10, 11)], (false, "stale")),
        (vec![put(1, "a", 0, 1), put(2, "-", 2, 3), read("a", 10, 11)], (false, "resurrected")),
        (vec![put(1, "a", 0, 1), read("z", 10, 11)], (false, "foreign")),
        (vec![put(1, "a", 20, 21), read("z", 10, 11)], (true, "undetermined")),
        (vec![read("-", 10, 11), put(1, "-", 0, 1)], (true, "consistent")),
    ] {
        assert_eq!(result(&lines.join("\n")), expected, "{lines:#?}");
    }
}

#[test]
fn a_value_from_before_its_write_began_is_foreign_not_stale() {
    let lines = [put(1, "a", 0, 1), put(2, "b", 50, 60), read("b", 10, 11)];
    assert_eq!(result(&lines.join("\n")), (false, "foreign"));
}

#[test]
fn the_sequence_orders_the_map_only_when_it_is_said_to_be_exact() {
    let write = |id: u64, value: &str, store: &str| {
        format!(
            r#"{{"type":"write","id":"w{id}","key":"k","source":"s","seq":{id},"value":"{value}","map":[0,10],"store":{store}}}"#
        )
    };
    let lines = [write(1, "a", "[0,20]"), write(2, "b", "[0,20]"), read("a", 500, 501)].join("\n");
    assert_eq!(results(&lines, &OPTIONS), [(true, "consistent")]);
    let exact = Options { map_order_is_exact: true, ..OPTIONS };
    assert_eq!(results(&lines, &exact), [(true, "inverted")]);
}

#[test]
fn a_missing_leg_is_supplied_by_the_contract_or_by_the_other_leg() {
    let map_only = r#"{"type":"write","id":"w1","key":"k","source":"s","seq":1,"value":"a","map":[100,110]}"#;
    let late = |at: i64| format!("{map_only}\n{}", read("-", at, at));
    assert_eq!(result(&late(150)), (true, "in_flight"));
    assert_eq!(result(&late(211)), (false, "missing"));
    let lead = Options { lead: 50, ..OPTIONS };
    let early = format!("{map_only}\n{}", read("a", 60, 61));
    assert!(results(&early, &lead).first().unwrap().0);
    let store_only =
        r#"{"type":"write","id":"w1","key":"k","source":"s","seq":1,"value":"a","store":[100,110]}"#;
    assert_eq!(result(&format!("{store_only}\n{}", read("a", 300, 301))), (true, "consistent"));
}

#[test]
fn the_outcome_says_whether_a_store_leg_counts() {
    let write = |outcome: &str| {
        format!(
            r#"{{"type":"write","id":"w2","key":"k","source":"s","seq":2,"value":"b","map":[2,3],"store":[2,3],"outcome":"{outcome}"}}"#
        )
    };
    let lines = |outcome: &str| [put(1, "a", 0, 1), write(outcome), read("a", 500, 501)].join("\n");
    assert_eq!(result(&lines("ok")), (false, "stale"));
    assert_eq!(result(&lines("failed")), (true, "partial"));
    assert_eq!(result(&lines("unknown")), (true, "in_flight"));
}

#[test]
fn a_clock_error_widens_and_so_loses_a_detection() {
    let lines = [put(1, "a", 0, 10), put(2, "b", 20, 30), read("a", 35, 36)].join("\n");
    assert_eq!(result(&lines), (false, "stale"));
    let unsure = Options { clock_error: 10, ..OPTIONS };
    assert_eq!(results(&lines, &unsure), [(true, "in_flight")]);
}

#[test]
fn a_key_with_more_writes_than_a_history_keeps_is_judged_the_same() {
    let writes =
        (0..1_000u32).map(|n| put(n.into(), &format!("v{n}"), i64::from(n) * 10, i64::from(n) * 10 + 5));
    let writes = writes.collect::<Vec<_>>().join("\n");
    let judged = |value: &str| result(&format!("{writes}\n{}", read(value, 10_000, 10_001)));
    assert_eq!(judged("v999"), (true, "consistent"));
    assert_eq!(judged("v3"), (false, "stale"));
    assert_eq!(judged("z"), (false, "foreign"));
}

#[test]
fn a_bad_line_is_refused_with_its_number_and_the_reason() {
    let write =
        |fields: &str| format!(r#"{{"type":"write","id":"w","key":"k","source":"s","seq":1,{fields}}}"#);
    for (line, reason) in [
        ("{".to_owned(), "not JSON: EOF while parsing an object (column 1)"),
        ("\u{ff}".to_owned(), "not JSON: expected value (column 1)"),
        ("[1]".to_owned(), "invalid type"),
        (r#"{"type":"scan"}"#.to_owned(), "unknown variant `scan`, expected `write` or `read`"),
        (r#"{"id":"r"}"#.to_owned(), "missing field `type`"),
        (write(r#""value":"x","map":[0,1],"ttl":3"#), "unknown field `ttl`"),
        (write(r#""map":[0,1]"#), "missing field `value`"),
        (write(r#""value":7,"map":[0,1]"#), "expected a string"),
        (write(r#""value":"x""#), "a write needs `map`, `store` or both"),
        (write(r#""value":"x","map":[2,1]"#), "field `map` ends at 1, before it begins at 2"),
        (write(r#""value":"x","map":[0,1],"store":[9,3]"#), "field `store` ends at 3, before it begins at 9"),
        (write(r#""value":"x","map":[0.5,1]"#), "field `map` is [0.5,1]; write [begin, end]"),
        (write(r#""value":"x","map":[null,1]"#), "field `map` is [null,1]"),
        (write(r#""value":"x","map":[0,9223372036854775807]"#), "field `map` holds a time outside"),
        (write(r#""value":"x","map":[0]"#), "field `map` is [0]"),
        (write(r#""value":"x","store":[0,1,2]"#), "field `store` is [0,1,2]"),
        (write(r#""value":"x","map":[0,1],"outcome":"lost""#), "unknown variant `lost`"),
        (write(r#""value":"x","map":[0,1],"version":-1"#), "expected u64"),
        (read("x", 3, 2), "field `at` ends at 2, before it begins at 3"),
        (r#"{"type":"read","id":"","key":"k","at":[0,1],"value":null}"#.to_owned(), "field `id` is empty"),
        (r#"{"type":"read","id":"r","key":"","at":[0,1],"value":null}"#.to_owned(), "field `key` is empty"),
        (r#"{"type":"read","id":"r","key":"k","at":[0,1]}"#.to_owned(), "missing field `value`"),
        (put(8, "x", 0, 1), "id `w8` is that of line 1 already"),
        (put(8, "x", 0, 1).replace("w8", "w9"), "seq 8 of source `s` is that of line 1 already"),
    ] {
        let text = format!("{}\n\n{line}\n", put(8, "x", 0, 1));
        let bad = judge_all(text.as_bytes(), &OPTIONS).err().unwrap().to_string();
        assert!(bad.starts_with("line 3: ") && bad.contains(reason), "{line}\ngave {bad}\nnot  {reason}");
    }
}

#[test]
fn bytes_that_are_not_text_are_a_bad_line_too() {
    let bad = judge_all(&b"{\"type\":\"read\",\"id\":\"\xff\"}"[..], &OPTIONS).err().unwrap();
    assert!(bad.to_string().starts_with("line 1: "), "{bad}");
}

#[test]
fn output_has_one_line_per_read_in_the_order_of_the_file() {
    let first = read("a", 10, 11);
    let second = read("z", 10, 11).replace("\"r\"", "\"r2\"");
    let text = [put(1, "a", 0, 1), put(2, "b", 2, 3), first, second].join("\n");
    let judged = judge_all(text.as_bytes(), &OPTIONS).unwrap();
    let print = |form| {
        let mut out = Vec::new();
        output::write(&judged, form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        print(Output::Json),
        concat!(
            r#"{"id":"r","legal":false,"verdict":"stale","versions":1,"at_least_ns":7}"#,
            "\n",
            r#"{"id":"r2","legal":false,"verdict":"foreign"}"#,
            "\n"
        )
    );
    let table = print(Output::Table);
    let lines = table.lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines.get(1).unwrap().split_whitespace().take(3).eq(["r", "false", "stale"]), "{table}");
}
