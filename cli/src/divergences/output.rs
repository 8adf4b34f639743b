//! What `divergences` prints: a line for each of many, a paragraph and the history of one; JSON as the comparator tells it.

use super::told::{Acted, Entry, Told};
use crate::duration;
use crate::exit::Failure;
use crate::output::{Output, figure, one_line, plain_table};
use comfy_table::Cell;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Write};
use thiserror::Error;

/// Most characters of a key in a list; one divergence alone and JSON have it whole.
const KEY_CHARS_MAX: usize = 60;

/// The comparator tells something else than this version knows.
#[derive(Debug, Error)]
#[error("the comparator's answer cannot be shown: {0}; --output json shows it as it is")]
struct NotShown(serde_json::Error);

#[derive(Serialize)]
struct Document<'a> {
    divergences: &'a [Value],
    /// Whether there are others beyond `--limit`.
    more: bool,
}

/// Prints many, and whether there are more.
pub(super) fn all(rows: &[Value], more: bool, output: Output, out: &mut dyn Write) -> Result<(), Failure> {
    if output == Output::Json {
        return json(&Document { divergences: rows, more }, out);
    }
    let mut table = plain_table(["id", "state", "kind", "severity", "map", "store", "age", "acted", "key"]);
    for row in rows {
        let told = read(row)?;
        let text = |text: Option<&str>| Cell::new(text.map_or_else(|| "-".to_owned(), one_line));
        table.add_row([
            text(Some(&told.id)),
            text(Some(&told.state)),
            text(Some(&told.kind)),
            text(told.severity.as_deref()),
            text(Some(&told.map)),
            text(told.store.as_deref()),
            figure(duration::shown(told.age_ms)),
            text(told.acted.as_ref().map(|acted| acted.what.as_str())),
            Cell::new(shortened(&one_line(&told.key))),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    if more {
        eprintln!("there are more; --limit shows them, and `counterfoil divergences export` writes all");
    }
    Ok(())
}

/// Prints one.
pub(super) fn one(row: &Value, output: Output, out: &mut dyn Write) -> Result<(), Failure> {
    if output == Output::Json {
        return json(row, out);
    }
    let told = read(row)?;
    for (name, said) in facts(&told) {
        writeln!(out, "{name:<10} {}", one_line(&said))?;
    }
    Ok(write_history(&told, out)?)
}

fn json(document: &impl Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, document).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn read(row: &Value) -> Result<Told, Failure> {
    Told::deserialize(row).map_err(|error| Failure::of(NotShown(error)))
}

/// What is known of a divergence, a line each.
fn facts(told: &Told) -> Vec<(&'static str, String)> {
    let Told { id, map, key, kind, state, times, revision, source, seq, .. } = told;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut facts = vec![
        ("id", id.clone()),
        ("map", map.clone()),
        ("store", or_none(&told.store)),
        ("key", key.clone()),
        ("kind", kind.clone()),
        ("severity", or_none(&told.severity)),
        ("state", format!("{state}, revision {revision}")),
        ("age", duration::shown(told.age_ms)),
        (
            "opened",
            format!("{}, {times} time{}", time(told.opened_at_unix_ns), if *times == 1 { "" } else { "s" }),
        ),
    ];
    facts.extend(told.confirmed_at_unix_ns.map(|at| ("confirmed", time(at))));
    let how = told.resolved_how.as_ref().map(|how| format!(", {how}")).unwrap_or_default();
    facts.extend(told.resolved_at_unix_ns.map(|at| ("resolved", format!("{}{how}", time(at)))));
    facts.extend(told.acted.as_ref().map(|acted| ("acted", acted_shown(acted))));
    facts.push(("write", format!("{source}, number {seq}")));
    facts.push(("map has", told.map_digest.clone()));
    facts.push(("store has", told.store_digest.clone()));
    facts.extend(told.fields.as_ref().map(|fields| ("fields", fields.join(", "))));
    facts.extend(told.trace_id.as_ref().map(|trace| ("trace", trace.clone())));
    facts
}

fn acted_shown(acted: &Acted) -> String {
    let Acted { what, by, why, at_unix_ns, until_unix_ns } = acted;
    let until = until_unix_ns.map(|until| format!(", until {}", time(until))).unwrap_or_default();
    format!("{what} by {by}, {}{until}: {why}", time(*at_unix_ns))
}

fn write_history(told: &Told, out: &mut dyn Write) -> io::Result<()> {
    let mut table = plain_table(["revision", "when", "what", "by", "why"]);
    for Entry { revision, at_unix_ns, what, by, why } in &told.history {
        let text = |text: Option<&str>| Cell::new(text.map(one_line).unwrap_or_default());
        table.add_row([
            figure(revision),
            Cell::new(time(*at_unix_ns)),
            text(Some(what)),
            text(by.as_deref()),
            text(why.as_deref()),
        ]);
    }
    writeln!(out, "\n{}", table.trim_fmt())?;
    match told.history_dropped {
        0 => Ok(()),
        dropped => writeln!(out, "{dropped} entries are not kept any more"),
    }
}

/// A time as in RFC 3339, to the second.
fn time(unix_ns: i64) -> String {
    let seconds = jiff::Timestamp::from_second(unix_ns.div_euclid(1_000_000_000));
    seconds.map_or_else(|_| unix_ns.to_string(), |time| time.to_string())
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= KEY_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(KEY_CHARS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::json;

    fn told(key: &str) -> Value {
        json!({
            "id": "00", "map": "cart", "store": "main", "key": key, "kind": "missing", "severity": "critical",
            "state": "confirmed", "times": 2, "revision": 4, "source": "shop/pod-1/7", "seq": 9, "age_ms": 3_723_000,
            "opened_at_unix_ns": 1_500_000_000, "confirmed_at_unix_ns": 2_500_000_000_i64, "resolved_at_unix_ns": null,
            "resolved_how": null, "store_digest": "absent", "map_digest": "01", "trace_id": null, "fields": ["price"],
            "acted": { "what": "ignored", "by": "alice", "why": "\u{1b}[2J", "at_unix_ns": 0, "until_unix_ns": 0 },
            "history": [{ "revision": 4, "at_unix_ns": 0, "what": "ignored", "by": "alice", "why": "\u{1b}[2J" }],
            "history_dropped": 3,
        })
    }

    fn printed(print: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_has_a_line_for_each_and_no_key_drives_the_terminal() {
        let long = "k".repeat(KEY_CHARS_MAX + 1);
        let rows = [told("\u{1b}]0;x\u{7}\r\n\u{202e}'q'"), told(&long)];
        let text = printed(|out| all(&rows, false, Output::Table, out));
        let lines: Vec<_> = text.lines().collect();
        let [head, first, second] = lines[..] else { panic!("{text}") };
        let words: Vec<_> = head.split_whitespace().collect();
        assert_eq!(words, ["id", "state", "kind", "severity", "map", "store", "age", "acted", "key"]);
        assert!(first.ends_with(r"1h 2m  ignored  \u{1b}]0;x\u{7}\r\n\u{202e}'q'"), "{first}");
        assert!(second.ends_with("k…") && !second.contains(&long), "{second}");
    }

    #[test]
    fn one_is_shown_with_all_that_is_known_of_it_and_what_happened() {
        let text = printed(|out| one(&told("user-7"), Output::Table, out));
        for expected in [
            "key        user-7\n",
            "state      confirmed, revision 4\n",
            "age        1h 2m\n",
            "opened     1970-01-01T00:00:01Z, 2 times\n",
            "acted      ignored by alice, 1970-01-01T00:00:00Z, until 1970-01-01T00:00:00Z: \\u{1b}[2J\n",
            "write      shop/pod-1/7, number 9\n",
            "3 entries are not kept any more\n",
        ] {
            assert!(text.contains(expected), "{expected} in:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn json_is_what_the_comparator_told() {
        let told = told("user-7");
        let text = printed(|out| one(&told, Output::Json, out));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), told);
        let text = printed(|out| all(std::slice::from_ref(&told), true, Output::Json, out));
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document, json!({ "divergences": [told], "more": true }));
    }
}
