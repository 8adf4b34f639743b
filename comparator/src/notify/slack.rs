//! Messages to an incoming webhook of Slack, as blocks.
//!
//! Slack does not know messages again, so one that is sent twice is there twice; its id stands at its end.

use super::{Common, text};
use crate::contract::Severity;
use crate::ledger::outbox::{Example, Group, Message};
use serde_json::{Value, json};
use std::fmt::Write;

/// Characters of a block's text that are taken.
const SECTION_MAX: usize = 3000;

/// Characters of a header that are taken.
const HEADER_MAX: usize = 150;

/// Characters of a name or a key that are shown.
const NAME_MAX: usize = 100;

/// The message as blocks, and as a text for where blocks are not shown.
pub(super) fn message(message: &Message, common: &Common) -> Option<Value> {
    let group = message.groups.first()?;
    let summary = text::summary(group);
    let severity = common.severity(&group.map);
    let about = format!(
        "{} since {} · {} · {}",
        severity.label(),
        text::time(group.since_unix_ns),
        common.external_url.as_deref().unwrap_or("counterfoil"),
        message.id
    );
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    let header = json!({ "type": "plain_text", "text": text::cut(&format!("{} {summary}", sign(group, severity)), HEADER_MAX) });
    let mut blocks = vec![json!({ "type": "header", "text": header }), section(escaped(&text::turns(group)))];
    let examples = examples(group, common);
    blocks.extend((!examples.is_empty()).then(|| section(examples)));
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": escaped(&about) }] }));
    Some(json!({ "text": escaped(&text::cut(&summary, SECTION_MAX / 5)), "blocks": blocks }))
}

fn sign(group: &Group, severity: Severity) -> &'static str {
    match severity {
        _ if group.open == 0 => "✅",
        Severity::Critical => "🔴",
        Severity::Warning => "🟠",
        Severity::Info => "🔵",
    }
}

/// A line for each example, as many as a block takes.
fn examples(group: &Group, common: &Common) -> String {
    let mut lines = String::new();
    for example in &group.examples {
        let line = line(example, common);
        if lines.chars().count() + line.chars().count() >= SECTION_MAX {
            break;
        }
        // Writing to a String cannot fail.
        writeln!(lines, "{line}").unwrap_or_default();
    }
    lines.truncate(lines.trim_end().len());
    lines
}

fn line(example: &Example, common: &Common) -> String {
    let name = match common.link(example) {
        Some(link) => format!("<{}|{}>", escaped(&link), example.id),
        None => format!("`{}`", example.id),
    };
    let source = escaped(&text::cut(&example.source, NAME_MAX));
    let key = example.key.as_ref().map(|key| format!(", key {}", escaped(&text::cut(key, NAME_MAX))));
    format!("• {name} {} {}, by {source}{}", example.state.as_str(), example.kind, key.unwrap_or_default())
}

/// The three characters that mean something to Slack mean themselves.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
