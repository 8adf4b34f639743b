//! The lines that tell of a write, or of a value that was there.

use crate::refused::Refused;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use counterfoil_proto::wire::emit::{Event, Events, MapOutcome, Op, StoreOutcome};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write<'a> {
    #[serde(borrow)]
    map: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_id: Option<Cow<'a, str>>,
    #[serde(default)]
    cohort: Option<String>,
    #[serde(default)]
    version: Option<u64>,
    #[serde(default)]
    map_order: Option<u64>,
    #[serde(default)]
    map_ns: Option<(u64, u64)>,
    #[serde(default)]
    store_ns: Option<(u64, u64)>,
    #[serde(default)]
    store: Option<StoreName>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum StoreName {
    Ok,
    Failed,
    Unknown,
}

impl Write<'_> {
    /// That the map holds the value, whoever wrote it.
    pub(super) fn held(self) -> Result<Events, Refused> {
        if self.store.is_some() || self.store_ns.is_some() {
            return Err(wrong(
                "nobody knows of a held value's store call; leave out store and store_ns".to_owned(),
            ));
        }
        let mut events = self.events(Op::Put)?;
        events.events.iter_mut().for_each(|event| event.set_map_outcome(MapOutcome::Held));
        Ok(events)
    }

    pub(super) fn events(self, op: Op) -> Result<Events, Refused> {
        let key = either("key", self.key, "key_base64", self.key_base64)?;
        let key = key.ok_or_else(|| wrong("key is missing".to_owned()))?;
        let value = self.value.map(text_of).transpose()?;
        let value = either("value", value, "value_base64", self.value_base64)?;
        let value = match (op, value) {
            (Op::Put, None) => return Err(wrong("a put needs a value; say remove for none".to_owned())),
            (Op::Put, Some(value)) => value,
            (_, None) => Bytes::new(),
            (_, Some(_)) => return Err(wrong("a remove has no value".to_owned())),
        };
        let (map_begin_ns, map_end_ns) = self.map_ns.unwrap_or_default();
        let (store_begin_ns, store_end_ns) = self.store_ns.unwrap_or_default();
        // Without `map_ns` and `store_ns` the session tells by the stamps whether a leg is missing.
        let skipped = self.map_ns.is_none() && self.store_ns.is_some();
        let event = Event {
            map: 0,
            op: op.into(),
            key,
            value,
            map_outcome: if skipped { MapOutcome::Skipped } else { MapOutcome::Done }.into(),
            map_begin_ns,
            map_end_ns,
            store_outcome: match self.store {
                None => StoreOutcome::Unspecified,
                Some(StoreName::Ok) => StoreOutcome::Ok,
                Some(StoreName::Failed) => StoreOutcome::Failed,
                Some(StoreName::Unknown) => StoreOutcome::Unknown,
            }
            .into(),
            store_begin_ns,
            store_end_ns,
            map_order: self.map_order,
            version: self.version,
            trace_id: hexadecimal("trace_id", 16, self.trace_id)?,
            span_id: hexadecimal("span_id", 8, self.span_id)?,
            cohort: u32::from(self.cohort.is_some()),
        };
        let cohorts = self.cohort.into_iter().collect();
        Ok(Events { first_seq: 0, maps: vec![self.map.into_owned()], cohorts, events: vec![event] })
    }
}

fn wrong(detail: String) -> Refused {
    Refused::NotJson { column: 0, detail }
}

/// The bytes of a JSON string, or the text of another JSON value.
fn text_of(value: &RawValue) -> Result<Cow<'_, str>, Refused> {
    if value.get().starts_with('"') {
        let text = serde_json::from_str(value.get());
        return text.map(Cow::Owned).map_err(|_| wrong("value is not a JSON string".to_owned()));
    }
    Ok(Cow::Borrowed(value.get()))
}

fn either(
    name: &str,
    text: Option<Cow<'_, str>>,
    base64_name: &str,
    base64: Option<Cow<'_, str>>,
) -> Result<Option<Bytes>, Refused> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(wrong(format!("{name} and {base64_name} are both there; send one"))),
        (Some(text), None) => Ok(Some(Bytes::from(text.into_owned()))),
        (None, Some(base64)) => match BASE64_STANDARD.decode(base64.as_bytes()) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(_) => Err(wrong(format!("{base64_name} is not padded standard base64"))),
        },
        (None, None) => Ok(None),
    }
}

fn hexadecimal(name: &str, bytes: usize, text: Option<Cow<'_, str>>) -> Result<Bytes, Refused> {
    let Some(text) = text else { return Ok(Bytes::new()) };
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    match digits {
        Some(digits) if digits.len() == bytes * 2 => {
            let pairs = digits.chunks_exact(2);
            Ok(pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
        }
        _ => Err(wrong(format!("{name} needs {} hexadecimal digits", bytes * 2))),
    }
}
