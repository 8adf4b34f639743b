//! What `repair` prints: a line for each of many, a paragraph for one; JSON as the comparator tells it.

use crate::exit::Failure;
use crate::output::{Output, one_line, plain_table};
use serde_json::Value;
use std::io::{self, Write};

/// What stands where there is nothing.
const NONE: &str = "-";

/// Prints a document as it is.
pub(super) fn json(document: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, document).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

/// Prints a plan.
pub(super) fn plan(told: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    table(told, ["id", "action", "kind", "map", "store", "key", "why_not"], out)?;
    if told.get("more") == Some(&Value::Bool(true)) {
        eprintln!("there are more divergences than a plan may have; apply this one first");
    }
    Ok(())
}

/// Prints what became of approvals.
pub(super) fn applied(told: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    table(told, ["id", "result", "repair", "state", "why"], out)
}

/// Prints repairs.
pub(super) fn all(told: &Value, output: Output, out: &mut dyn Write) -> Result<(), Failure> {
    match output {
        Output::Json => json(told, out),
        Output::Table => table(told, ["id", "state", "action", "kind", "map", "by", "key", "why"], out),
    }
}

/// Prints one repair.
pub(super) fn one(told: &Value, output: Output, out: &mut dyn Write) -> Result<(), Failure> {
    if output == Output::Json {
        return json(told, out);
    }
    for (name, said) in told.as_object().into_iter().flatten() {
        writeln!(out, "{name:<22} {}", shown(Some(said)))?;
    }
    Ok(())
}

/// A row for each of the repairs in a document, with these members of each.
fn table<const N: usize>(told: &Value, columns: [&str; N], out: &mut dyn Write) -> Result<(), Failure> {
    let mut table = plain_table(columns);
    for row in told.get("repairs").and_then(Value::as_array).into_iter().flatten() {
        table.add_row(columns.map(|column| shown(row.get(column))));
    }
    Ok(writeln!(out, "{}", table.trim_fmt())?)
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => NONE.to_owned(),
        Some(Value::String(text)) => one_line(text),
        Some(other) => one_line(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_repair_is_a_line_and_a_terminal_obeys_none_of_it() {
        let told =
            json!({ "repairs": [{ "id": "d-1", "state": "applied", "key": "a\u{1b}[2J", "why": null }] });
        let mut out = Vec::new();
        all(&told, Output::Table, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("d-1") && text.contains("applied") && text.contains("\\u{1b}[2J"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
