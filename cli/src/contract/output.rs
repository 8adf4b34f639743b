//! What `contract check` prints: a paragraph per map and store for people, one object for programs.

use super::comparison::{Comparison, Field};
use super::finding::{Check, Key, Shown};
use crate::output::{Output, figure, one_line, plain_table};
use comfy_table::Cell;
use counterfoil_comparator::store::{About, Description, Eviction};
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
    if let Some(comparison) = &check.comparison {
        write_comparison(comparison, out)?;
    }
    for (kind, texts) in [("warning", &check.warnings), ("error", &check.errors)] {
        texts.iter().try_for_each(|text| writeln!(out, "  {kind}: {text}"))?;
    }
    writeln!(out)
}

fn write_comparison(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let Comparison { is_equal, given, stored, differences } = comparison;
    let verb = if *is_equal { "equals" } else { "differs from" };
    writeln!(out, "  the value that was given {verb} what the store has")?;
    let text = |value: &Option<Shown>| value.as_ref().map(escaped);
    let is_hidden = given.is_none();
    let nothing = if is_hidden { "(hidden)" } else { "absent" };
    for (name, value) in [("given", given), ("store", stored)] {
        writeln!(out, "  {name:<7} {}", text(value).unwrap_or_else(|| nothing.to_owned()))?;
    }
    for Field { path, how, rule, is_weak } in differences {
        writeln!(out, "  differ  {path}: {how}")?;
        let condition = if *is_weak { ", if it need not agree" } else { "" };
        if let Some(rule) = rule {
            writeln!(out, "          rules: {{ {rule} }}{condition}")?;
        }
    }
    Ok(())
}

/// What is known of the store, and what is not, a line each.
fn facts(check: &Check) -> Vec<(&'static str, String)> {
    let told = &check.description;
    let mut facts = Vec::new();
    if let Some(server) = &told.server {
        facts.push((About::Server.label(), format!("{server}{}", role(told))));
    }
    if let Some(tables) = &told.tables_scanned {
        let said =
            if tables.is_empty() { "an index serves the lookup" } else { "no index serves the lookup" };
        facts.push((About::Index.label(), said.to_owned()));
    }
    if let Some(rights) = &told.may_write {
        let said = if rights.is_empty() { "read only" } else { "more than reading" };
        facts.push((About::Rights.label(), said.to_owned()));
    }
    facts.extend(told.eviction.as_ref().map(|eviction| (About::Eviction.label(), evicts(eviction))));
    if told.has_scan == Some(false) {
        facts.push(("scan", "not implemented, so the store's keys cannot be gone through".to_owned()));
    }
    let untold = told.untold.iter();
    facts.extend(untold.map(|it| (it.about.label(), format!("cannot be told: {}", it.why))));
    if let Some(read_ms) = check.read_ms {
        facts.push(("read", format!("{} in {read_ms:.1} ms", count(check.keys.len(), "key"))));
    }
    facts
}

fn role(told: &Description) -> String {
    let cluster = if told.is_cluster == Some(true) { ", cluster" } else { "" };
    let role = match told.is_primary {
        Some(true) => ", primary",
        Some(false) => ", replica",
        None => "",
    };
    format!("{cluster}{role}")
}

fn evicts(eviction: &Eviction) -> String {
    let policy = &eviction.policy;
    match eviction.memory_bytes_max {
        None => format!("nothing, as there is no limit ({policy})"),
        Some(_) if !eviction.drops_values() => "nothing".to_owned(),
        Some(limit) => format!("values beyond {limit} bytes ({policy})"),
    }
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

/// One line, whatever the bytes are.
fn escaped(bytes: &Shown) -> String {
    match bytes {
        Shown::Text(text) => one_line(text),
        Shown::Hex(hex) => format!("0x{hex}"),
    }
}

fn shown(bytes: &Shown) -> String {
    let text = escaped(bytes);
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}
