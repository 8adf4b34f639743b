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
//! `{"snapshot_done":{"map":"cart"}}`: every key that had a value in the map at some instant since the hello, or since the last such
//! line of the map, was told since then, as held or by the line of its change. Then the comparator knows of a row that no map has. Where
//! `stamps` is `emitter`, `"begin_ns":1` says since which instant that is so.
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

mod hello;
mod replies;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use hello::implicit_hello;
pub(crate) use replies::{ack, refusal, warning, welcome};

use crate::refused::Refused;
use counterfoil_proto::wire::emit::{Bye, Frame, Heartbeat, Op, Snapshot, frame::Body};
use hello::HelloLine;
use serde::Deserialize;
use write::Write;

/// A line from the client.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Hello(HelloLine),
    #[serde(borrow)]
    Put(Write<'a>),
    #[serde(borrow)]
    Remove(Write<'a>),
    #[serde(borrow)]
    Held(Write<'a>),
    SnapshotDone(SnapshotDoneLine),
    Heartbeat(HeartbeatLine),
    Bye(ByeLine),
}

/// The line that ends a snapshot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotDoneLine {
    map: String,
    #[serde(default)]
    begin_ns: u64,
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
        Line::SnapshotDone(line) => Body::Heartbeat(line.into()),
        Line::Heartbeat(HeartbeatLine { watermark_ns }) => {
            Body::Heartbeat(Heartbeat { watermark_ns, ..Default::default() })
        }
        Line::Bye(ByeLine {}) => Body::Bye(Bye {}),
    };
    Ok(Frame { body: Some(body) })
}

impl From<SnapshotDoneLine> for Heartbeat {
    /// Its numbers are left at 0 as well.
    fn from(line: SnapshotDoneLine) -> Self {
        let SnapshotDoneLine { map, begin_ns } = line;
        Self { snapshots: vec![Snapshot { map, begin_ns, ..Default::default() }], ..Default::default() }
    }
}
