//! CloudEvents 1.0 in the JSON format, structured: the event is the whole body, signed as in Standard Webhooks.

use super::channel::insert;
use super::{Common, SigningSecret, text};
use crate::ledger::outbox::{Example, Group, Message};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// An event.
pub(crate) struct Event<'a> {
    /// The same for as long as it is the same event, however often it is sent.
    pub(crate) id: &'a str,
    /// Which comparator speaks.
    pub(crate) source: &'a str,
    /// What happened.
    pub(crate) kind: &'a str,
    /// The map and the store.
    pub(crate) map: &'a str,
    pub(crate) store: Option<&'a str>,
    /// When it happened: wall-clock time, nanoseconds since 1970.
    pub(crate) at_unix_ns: i64,
    pub(crate) data: Value,
}

impl Event<'_> {
    /// The body that it is sent as.
    pub(crate) fn body(self) -> Value {
        let subject = match self.store {
            Some(store) => format!("{}/{store}", self.map),
            None => self.map.to_owned(),
        };
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.kind,
            "subject": subject,
            "time": text::time(self.at_unix_ns),
            "datacontenttype": "application/json",
            "data": self.data,
        })
    }
}

/// What stands in front of an event that is sent at this time: wall-clock, seconds since 1970.
pub(crate) fn headers(secret: &SigningSecret, id: &str, at_unix_s: i64, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let content = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
    headers.insert(CONTENT_TYPE, content);
    for (name, text) in secret.headers(id, at_unix_s, body) {
        insert(&mut headers, HeaderName::from_static(name), &text);
    }
    headers
}

/// The message as an event: `counterfoil.divergences.open` while some are open, `counterfoil.divergences.resolved` once none is.
pub(super) fn event(message: &Message, common: &Common) -> Option<Value> {
    let group = message.groups.first()?;
    let is_open = group.open > 0;
    let event = Event {
        id: &message.id,
        source: common.source(),
        kind: if is_open { "counterfoil.divergences.open" } else { "counterfoil.divergences.resolved" },
        map: &group.map,
        store: group.store.as_deref(),
        at_unix_ns: message.made_at_unix_ns,
        data: data(group, common),
    };
    Some(event.body())
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
