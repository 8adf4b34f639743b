//! The form of the protocol for shells and scripts: one JSON object per line, each with one member that says what it is.
//! Each line becomes the protobuf message that says the same, so what holds for frames holds for lines.
//!
//! # From the client
//!
//! `{"hello":{"service":"cart","instance":"a","epoch":1,"stamps":"sidecar","map_order":"interval",
//! "ack":"received","clock":{"boot_id":"…","offset_ns":0}}}`
//!
//! May be left out, and so may each of its members. Without it the source is service `shell`, instance
//! `uid-<uid>-<number of the connection>`, and its epoch the present time. `stamps` says who reads the clock:
//!
//! - `sidecar` (the default): a write's map leg is the instant its line arrived, and the contract's `lead` covers what
//!   came before. Lines carry no times. The sidecar keeps the watermark: the present, as long as nothing waits to be
//!   read. The end of the connection is a bye.
//! - `emitter`: lines carry times, in nanoseconds of CLOCK_BOOTTIME, `clock` says which clock that is, and `heartbeat`
//!   lines carry the watermark.
//!
//! `map_order` is `interval` (the default) or `exact`; see `MapOrder`. `ack` is how safe a line is to be before it is
//! acknowledged: `received` (the default), `spooled`, `durable` or `accepted`; see `AckLevel`. The welcome has the level that is
//! granted. Whoever says hello with an `epoch` of its own and
//! finds `next_seq` 0 in the welcome, although it sent events before, takes a new epoch.
//!
//! `{"put":{"map":"cart","key":"k","value":"v"}}` and `{"remove":{"map":"cart","key":"k"}}`
//!
//! One write. Sequence numbers are given by the sidecar, in the order of the lines. `key` is text; `key_base64` stands
//! in its place for other bytes. `value` is a string, which stands for its UTF-8 bytes, or any other JSON value but null,
//! which stands for its text as written; `value_base64` is for other bytes. Also:
//!
//! - `"trace_id"` (32 hexadecimal digits) with `"span_id"` (16): the OpenTelemetry span of the write.
//! - `"cohort":"key=value"`, `"version":1`, `"map_order":1`: see `Event`.
//! - `"store"`: `ok`, `failed` or `unknown`, what the application was told about its store call. `unknown` needs times.
//! - `"map_ns":[begin,end]`, `"store_ns":[begin,end]`: the legs, where `stamps` is `emitter`. Without `map_ns` the map
//!   leg was skipped.
//!
//! `{"held":{"map":"cart","key":"k","value":"v"}}`
//!
//! Nothing was written: the map holds this value now, or did so at some instant of `map_ns`. For what was there before anybody
//! watched; as a `put`, without `store` and `store_ns`.
//!
//! `{"heartbeat":{"watermark_ns":1}}`: everything begun before that was reported. `{"heartbeat":{}}` only keeps the
//! connection open.
//!
//! `{"bye":{}}`: nothing more will come from this source.
//!
//! # To the client
//!
//! - `{"welcome":{"protocol":1,"limits":{…},"maps":["cart"],"next_seq":0,"heartbeat_ms":50,"ack":"received",
//!   "cohort_keys":[]}}`
//! - `{"ack":{"level":"received","through_seq":7}}`: every line before the seventh has reached that level.
//! - `{"warning":"…"}`: one event was not taken and counts as lost; the connection goes on.
//! - `{"refusal":"…"}`: why the sidecar ends the connection.

use crate::refused::Refused;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::{
    AckLevel, Bye, ClockDomain, Event, Events, Frame, Heartbeat, Hello, MapOrder, MapOutcome, Op, Stamps,
    StoreOutcome, Welcome, frame::Body,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A line from the client.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Hello(HelloLine),
    #[serde(borrow)]
    Put(Write<'a>),
    #[serde(borrow)]
    Remove(Write<'a>),
    #[serde(borrow)]
    Held(Write<'a>),
    Heartbeat(HeartbeatLine),
    Bye(ByeLine),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct HelloLine {
    service: String,
    instance: String,
    epoch: u64,
    stamps: Option<StampsName>,
    map_order: Option<OrderName>,
    ack: Option<LevelName>,
    clock: Option<Clock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StampsName {
    Sidecar,
    Emitter,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderName {
    Exact,
    Interval,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelName {
    Received,
    Spooled,
    Durable,
    Accepted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    boot_id: String,
    #[serde(default)]
    offset_ns: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write<'a> {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeartbeatLine {
    #[serde(default)]
    watermark_ns: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByeLine {}

/// Whether a line has nothing but white space.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// The frame that says what `line` says. Sequence numbers are left at 0: they are given by the sidecar.
pub(crate) fn frame(line: &[u8]) -> Result<Frame, Refused> {
    let line: Line<'_> = serde_json::from_slice(line)
        .map_err(|error| Refused::NotJson { column: error.column(), detail: error.to_string() })?;
    let body = match line {
        Line::Hello(hello) => Body::Hello(hello.into()),
        Line::Put(write) => Body::Events(write.events(Op::Put)?),
        Line::Remove(write) => Body::Events(write.events(Op::Remove)?),
        Line::Held(write) => Body::Events(write.held()?),
        Line::Heartbeat(HeartbeatLine { watermark_ns }) => {
            Body::Heartbeat(Heartbeat { watermark_ns, ..Default::default() })
        }
        Line::Bye(ByeLine {}) => Body::Bye(Bye {}),
    };
    Ok(Frame { body: Some(body) })
}

/// The hello of a client that says none.
pub(crate) fn implicit_hello() -> Hello {
    HelloLine::default().into()
}

impl From<HelloLine> for Hello {
    fn from(line: HelloLine) -> Self {
        let stamps = match line.stamps {
            Some(StampsName::Emitter) => Stamps::Emitter,
            Some(StampsName::Sidecar) | None => Stamps::Sidecar,
        };
        let order = match line.map_order {
            Some(OrderName::Exact) => MapOrder::Exact,
            Some(OrderName::Interval) | None => MapOrder::Interval,
        };
        let ack = match line.ack {
            Some(LevelName::Received) | None => AckLevel::Received,
            Some(LevelName::Spooled) => AckLevel::Spooled,
            Some(LevelName::Durable) => AckLevel::Durable,
            Some(LevelName::Accepted) => AckLevel::Accepted,
        };
        Self {
            protocol: PROTOCOL,
            service: line.service,
            instance: line.instance,
            epoch: line.epoch,
            clock: line.clock.map(|clock| ClockDomain { boot_id: clock.boot_id, offset_ns: clock.offset_ns }),
            ack: ack.into(),
            map_order: order.into(),
            stamps: stamps.into(),
        }
    }
}

impl Write<'_> {
    /// That the map holds the value, whoever wrote it.
    fn held(self) -> Result<Events, Refused> {
        if self.store.is_some() || self.store_ns.is_some() {
            return Err(wrong(
                "nobody knows of a held value's store call; leave out store and store_ns".to_owned(),
            ));
        }
        let mut events = self.events(Op::Put)?;
        events.events.iter_mut().for_each(|event| event.set_map_outcome(MapOutcome::Held));
        Ok(events)
    }

    fn events(self, op: Op) -> Result<Events, Refused> {
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

/// The line that says welcome.
pub(crate) fn welcome(welcome: &Welcome) -> String {
    let limits = welcome.limits.unwrap_or_default();
    let value = serde_json::json!({ "welcome": {
        "protocol": welcome.protocol,
        "limits": {
            "frame_bytes_max": limits.frame_bytes_max,
            "key_bytes_max": limits.key_bytes_max,
            "value_bytes_max": limits.value_bytes_max,
            "events_per_frame_max": limits.events_per_frame_max,
            "idle_timeout_ms": limits.idle_timeout_ms,
        },
        "maps": welcome.maps,
        "next_seq": welcome.next_seq,
        "heartbeat_ms": welcome.heartbeat_ms,
        "ack": level_name(welcome.ack()),
        "cohort_keys": welcome.cohort_keys,
    }});
    format!("{value}\n")
}

/// The line that says how far events are safe.
pub(crate) fn ack(level: AckLevel, through_seq: u64) -> String {
    let level = level_name(level);
    format!("{{\"ack\":{{\"level\":\"{level}\",\"through_seq\":{through_seq}}}}}\n")
}

fn level_name(level: AckLevel) -> &'static str {
    match level {
        AckLevel::Unspecified | AckLevel::Received => "received",
        AckLevel::Spooled => "spooled",
        AckLevel::Durable => "durable",
        AckLevel::Accepted => "accepted",
    }
}

/// The line that warns.
pub(crate) fn warning(message: &str) -> String {
    format!("{}\n", serde_json::json!({ "warning": message }))
}

/// The line that refuses.
pub(crate) fn refusal(message: &str) -> String {
    format!("{}\n", serde_json::json!({ "refusal": message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event {
        match frame(line.as_bytes()).unwrap().body {
            Some(Body::Events(events)) => events.events.into_iter().next().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_write_becomes_the_event_that_says_the_same() {
        let line = r#"{"put":{"map":"cart","key":"k\u00e9","value":"v","trace_id":"000102030405060708090a0b0c0d0e0f",
            "span_id":"f0e1d2c3b4a59687","cohort":"canary=1","version":7,"map_order":3,"map_ns":[1,2],
            "store_ns":[3,4],"store":"failed"}}"#;
        let expected = Event {
            map: 0,
            op: Op::Put.into(),
            key: Bytes::from("k\u{e9}"),
            value: Bytes::from("v"),
            map_outcome: MapOutcome::Done.into(),
            map_begin_ns: 1,
            map_end_ns: 2,
            store_outcome: StoreOutcome::Failed.into(),
            store_begin_ns: 3,
            store_end_ns: 4,
            map_order: Some(3),
            version: Some(7),
            trace_id: (0..16).collect(),
            span_id: Bytes::from_static(&[0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87]),
            cohort: 1,
        };
        assert_eq!(event(line), expected);
    }

    #[test]
    fn a_held_value_is_a_put_that_says_so_and_knows_of_no_store_call() {
        let line = r#"{"held":{"map":"m","key":"k","value":"v","map_ns":[1,2],"map_order":4}}"#;
        let event = event(line);
        assert_eq!((event.op(), event.map_outcome()), (Op::Put, MapOutcome::Held));
        assert_eq!((event.map_end_ns, event.map_order, &event.value[..]), (2, Some(4), &b"v"[..]));
    }

    #[test]
    fn values_are_strings_or_other_json_or_base64() {
        for (value, expected) in [
            (r#""value":"{\"a\": 1}""#, "{\"a\": 1}"),
            (r#""value":{"a": 1.0}"#, "{\"a\": 1.0}"),
            (r#""value":12"#, "12"),
            (r#""value":"""#, ""),
            (r#""value_base64":"aGk=""#, "hi"),
        ] {
            let event = event(&format!(r#"{{"put":{{"map":"m","key_base64":"AP8=",{value}}}}}"#));
            assert_eq!(event.value, expected.as_bytes(), "{value}");
            assert_eq!(event.key, [0, 0xff].as_slice());
        }
    }

    #[test]
    fn lines_that_are_no_message_say_what_is_wrong() {
        for (line, expected) in [
            (r#"{"put":{"map":"m","key":"k"}}"#, "needs a value"),
            (r#"{"put":{"map":"m","key":"k","value":null}}"#, "needs a value"),
            (r#"{"put":{"map":"m","value":"v"}}"#, "key is missing"),
            (r#"{"put":{"map":"m","key":"k","key_base64":"","value":"v"}}"#, "key and key_base64"),
            (r#"{"remove":{"map":"m","key":"k","value":"v"}}"#, "a remove has no value"),
            (r#"{"put":{"map":"m","key":"k","value_base64":"?"}}"#, "value_base64"),
            (r#"{"put":{"map":"m","key":"k","value":"v","trace_id":"zz"}}"#, "trace_id needs 32"),
            (r#"{"put":{"map":"m","key":"k","value":"v","when":1}}"#, "when"),
            (r#"{"held":{"map":"m","key":"k","value":"v","store":"ok"}}"#, "leave out store"),
            (r#"{"held":{"map":"m","key":"k"}}"#, "needs a value"),
            (r#"{"set":{}}"#, "set"),
            (r#"{"bye":{}} x"#, "trailing"),
        ] {
            let message = frame(line.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message:?} should say {expected:?}");
        }
    }

    #[test]
    fn a_hello_defaults_to_the_sidecars_clock() {
        let frame = frame(br#"{"hello":{}}"#).unwrap();
        assert_eq!(frame.body, Some(Body::Hello(implicit_hello())));
        assert_eq!(implicit_hello().stamps(), Stamps::Sidecar);
    }

    #[test]
    fn a_hello_names_the_level_of_its_acks() {
        for (name, level) in [
            ("received", AckLevel::Received),
            ("spooled", AckLevel::Spooled),
            ("durable", AckLevel::Durable),
            ("accepted", AckLevel::Accepted),
        ] {
            let line = format!(r#"{{"hello":{{"ack":"{name}"}}}}"#);
            let Some(Body::Hello(hello)) = frame(line.as_bytes()).unwrap().body else { panic!("{line}") };
            assert_eq!((hello.ack(), level_name(level)), (level, name));
        }
    }

    #[test]
    fn messages_are_quoted_in_replies() {
        assert_eq!(refusal("a \"b\""), "{\"refusal\":\"a \\\"b\\\"\"}\n");
        assert_eq!(ack(AckLevel::Received, 7), "{\"ack\":{\"level\":\"received\",\"through_seq\":7}}\n");
    }
}
