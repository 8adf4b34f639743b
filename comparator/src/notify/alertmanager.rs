//! Alerts of the Alertmanager's API v2: one for each group, that fires while something is open.

use super::{Common, nanoseconds, text};
use crate::ledger::outbox::{Example, Group, Message};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// So many times as long as it is between two messages an alert fires after the last one, as Prometheus has it: one that is
/// lost, or late, does not end it.
const LASTS_REPEATS: i64 = 4;

/// The message as a list of alerts.
pub(super) fn alerts(message: &Message, common: &Common, repeat: Option<Duration>) -> Value {
    message.groups.iter().map(|group| alert(message, group, common, repeat)).collect()
}

fn alert(message: &Message, group: &Group, common: &Common, repeat: Option<Duration>) -> Value {
    let ends_at_unix_ns = match repeat.filter(|_| group.open > 0) {
        Some(repeat) => {
            message.made_at_unix_ns.saturating_add(nanoseconds(repeat).saturating_mul(LASTS_REPEATS))
        }
        None => message.made_at_unix_ns,
    };
    let mut alert = json!({
        "labels": labels(group, common),
        "annotations": annotations(group, common),
        "startsAt": text::time(group.since_unix_ns),
        "endsAt": text::time(ends_at_unix_ns),
    });
    if let (Some(alert), Some(url)) = (alert.as_object_mut(), &common.external_url) {
        alert.insert("generatorURL".to_owned(), url.as_str().into());
    }
    alert
}

/// What makes it the same alert each time: nothing that changes.
fn labels(group: &Group, common: &Common) -> Value {
    let mut labels = Map::new();
    let mut add = |name: &str, text: &str| _ = labels.insert(name.to_owned(), text.into());
    add("alertname", "CounterfoilDivergences");
    add("map", &group.map);
    group.store.iter().for_each(|store| add("store", store));
    add("severity", common.severity(&group.map).label());
    labels.into()
}

fn annotations(group: &Group, common: &Common) -> Value {
    let example = |example: &Example| {
        let key = example.key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
        let place = common.link(example).unwrap_or_else(|| example.id.clone());
        format!("{}{key} {place}", example.kind)
    };
    let examples: Vec<_> = group.examples.iter().map(example).collect();
    json!({
        "summary": text::summary(group),
        "description": text::turns(group),
        "examples": examples.join("\n"),
    })
}
