//! What `contract check` prints: a paragraph per map and store for people, one object for programs.

use super::finding::{Check, Key, Shown};
use crate::output::{Output, figure, plain_table};
use comfy_table::Cell;
use serde::Serialize;
use std::io::{self, Write};

/// Most characters of a key or value in a table; JSON has them whole.
const SHOWN_CHARS_MAX: usize = 60;

#[derive(Serialize)]
struct Document<'a> {
    checks: &'a [Check],
    warnings: usize,
    errors: usize,
}

/// Prints all checks.
pub(super) fn write(checks: &[Check], output: Output, out: &mut dyn Write) -> io::Result<()> {
    let warnings = checks.iter().map(|check| check.warnings.len()).sum();
    let errors = checks.iter().map(|check| check.errors.len()).sum();
    match output {
        Output::Json => {
            serde_json::to_writer(&mut *out, &Document { checks, warnings, errors })?;
            writeln!(out)
        }
        Output::Table => {
            checks.iter().try_for_each(|check| write_check(check, out))?;
            writeln!(out, "{}, {}", count(warnings, "warning"), count(errors, "error"))
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn write_check(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "map {} in store {} ({}), compared as {}", check.map, check.store, check.kind, check.form)?;
    for (name, said) in facts(check) {
        writeln!(out, "  {name:<7} {said}")?;
    }
    if !check.keys.is_empty() {
        for line in table(&check.keys).lines() {
            writeln!(out, "  {}", line.trim_end())?;
        }
    }
    for (kind, texts) in [("warning", &check.warnings), ("error", &check.errors)] {
        texts.iter().try_for_each(|text| writeln!(out, "  {kind}: {text}"))?;
    }
    writeln!(out)
}

/// What is known of the store, a line each.
fn facts(check: &Check) -> Vec<(&'static str, String)> {
    let told = &check.description;
    let mut facts = Vec::new();
    if let Some(server) = &told.server {
        let role = match told.is_primary {
            Some(true) => ", primary",
            Some(false) => ", replica",
            None => "",
        };
        facts.push(("server", format!("{server}{role}")));
    }
    if let Some(tables) = &told.tables_scanned {
        let said =
            if tables.is_empty() { "an index serves the lookup" } else { "no index serves the lookup" };
        facts.push(("index", said.to_owned()));
    }
    if let Some(rights) = &told.may_write {
        let said = if rights.is_empty() { "read only" } else { "more than reading" };
        facts.push(("rights", said.to_owned()));
    }
    if let Some(read_ms) = check.read_ms {
        facts.push(("read", format!("{} in {read_ms:.1} ms", count(check.keys.len(), "key"))));
    }
    facts
}

fn table(keys: &[Key]) -> String {
    let mut table = plain_table(["key", "version", "bytes", "value"]);
    let number = |number: Option<String>| figure(number.unwrap_or_else(|| "-".into()));
    for key in keys {
        table.add_row([
            Cell::new(shown(&key.key)),
            number(key.version.map(|version| version.to_string())),
            number(key.bytes.map(|bytes| bytes.to_string())),
            Cell::new(value(key)),
        ]);
    }
    table.trim_fmt()
}

fn value(key: &Key) -> String {
    match (&key.error, &key.canonical, key.is_found) {
        (Some(error), _, _) => format!("error: {error}"),
        (None, Some(canonical), _) => shown(canonical),
        (None, None, Some(false)) => "absent".into(),
        (None, None, _) => "(hidden)".into(),
    }
}

/// One line, whatever the bytes are: a terminal obeys control characters.
fn shown(bytes: &Shown) -> String {
    let text = match bytes {
        Shown::Text(text) => text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"),
        Shown::Hex(hex) => format!("0x{hex}"),
    };
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}
