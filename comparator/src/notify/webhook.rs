//! CloudEvents 1.0 in the JSON format, structured: the event is the whole body.

use super::{Common, text};
use crate::ledger::outbox::{Example, Group, Message};
use serde_json::{Value, json};

/// The message as an event: `counterfoil.divergences.open` while some are open, `counterfoil.divergences.resolved` once none is.
pub(super) fn event(message: &Message, common: &Common) -> Option<Value> {
    let group = message.groups.first()?;
    let kind = if group.open > 0 { "open" } else { "resolved" };
    Some(json!({
        "specversion": "1.0",
        "id": message.id,
        "source": common.source(),
        "type": format!("counterfoil.divergences.{kind}"),
        "subject": subject(group),
        "time": text::time(message.made_at_unix_ns),
        "datacontenttype": "application/json",
        "data": data(group, common),
    }))
}

fn subject(group: &Group) -> String {
    match &group.store {
        Some(store) => format!("{}/{store}", group.map),
        None => group.map.clone(),
    }
}

fn data(group: &Group, common: &Common) -> Value {
    let turns: Vec<_> = group
        .turns
        .iter()
        .map(|turns| json!({ "turn": turns.turn.as_str(), "kind": turns.kind, "count": turns.count }))
        .collect();
    let examples: Vec<_> = group.examples.iter().map(|example| told(example, common)).collect();
    json!({
        "summary": text::summary(group),
        "map": group.map,
        "store": group.store,
        "severity": common.severity(&group.map).label(),
        "open": group.open,
        "since": text::time(group.since_unix_ns),
        "turns": turns,
        "folded": group.folded,
        "examples": examples,
    })
}

fn told(example: &Example, common: &Common) -> Value {
    let mut told = json!({
        "id": example.id,
        "kind": example.kind,
        "state": example.state.as_str(),
        "opened_at": text::time(example.opened_at_unix_ns),
        "confirmed_at": example.confirmed_at_unix_ns.map(text::time),
        "resolved_at": example.resolved_at_unix_ns.map(text::time),
        "source": example.source,
        "trace_id": example.trace_id,
        "link": common.link(example),
    });
    if let (Some(told), Some(key)) = (told.as_object_mut(), &example.key) {
        told.insert("key".to_owned(), key.as_str().into());
    }
    told
}
