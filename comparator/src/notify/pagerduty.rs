//! Events of PagerDuty's Events API v2: an incident for each group, triggered while something is open, then resolved.

use super::{Common, text};
use crate::ledger::outbox::{Example, Group, Message};
use serde_json::{Value, json};

/// Characters of a summary that are taken.
const SUMMARY_MAX: usize = 1024;

/// The message as an event.
pub(super) fn event(message: &Message, common: &Common, routing_key: &str) -> Option<Value> {
    let group = message.groups.first()?;
    let is_open = group.open > 0;
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": if is_open { "trigger" } else { "resolve" },
        "dedup_key": common.group_key(group),
    });
    if let Some(event) = event.as_object_mut().filter(|_| is_open) {
        event.insert("payload".to_owned(), payload(message, group, common));
        event.insert("links".to_owned(), group.examples.iter().filter_map(|it| link(it, common)).collect());
        event.insert("client".to_owned(), "Counterfoil".into());
        event.extend(common.external_url.iter().map(|url| ("client_url".to_owned(), url.as_str().into())));
    }
    Some(event)
}

fn payload(message: &Message, group: &Group, common: &Common) -> Value {
    let example = |example: &Example| json!({ "id": example.id, "kind": example.kind, "source": example.source, "trace_id": example.trace_id, "key": example.key });
    json!({
        "summary": text::cut(&text::summary(group), SUMMARY_MAX),
        "timestamp": text::time(message.made_at_unix_ns),
        "severity": common.severity(&group.map).label(),
        "source": common.source(),
        "component": group.map,
        "group": group.store,
        "class": "divergence",
        "custom_details": {
            "since": text::time(group.since_unix_ns),
            "happened": text::turns(group),
            "message": message.id,
            "examples": group.examples.iter().map(example).collect::<Vec<_>>(),
        },
    })
}

fn link(example: &Example, common: &Common) -> Option<Value> {
    let href = common.link(example)?;
    Some(json!({ "href": href, "text": format!("{} {}", example.kind, example.id) }))
}
