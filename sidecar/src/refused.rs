//! Why a connection is ended: errors of framing and of the protocol.
//!
//! Messages name the field, the limit and the key to set; they go to the emitter, in a `Refusal`, and to the log.
//! What is wrong with one event alone ends nothing; see [`crate::events::Unfit`].

use crate::config::NotGranted;
use counterfoil_proto::{LossError, PROTOCOL};
use thiserror::Error;

/// Why a connection is ended.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum Refused {
    #[error("frame has {bytes} bytes; limits.frame_bytes_max is {max}")]
    Oversize { bytes: u64, max: u32 },
    #[error("frame does not begin with a length: a varint of at most 5 bytes")]
    Length,
    #[error("frame is not a protobuf Frame: {0}")]
    NotProtobuf(prost::DecodeError),
    #[error("line is not a message of the protocol (column {column}): {detail}")]
    NotJson { column: usize, detail: String },
    #[error("frame has no body that protocol version {PROTOCOL} knows")]
    NoBody,
    #[error("connection ended within a frame of which {bytes} bytes had come")]
    Truncated { bytes: usize },
    #[error("hello.protocol is {theirs}; this sidecar speaks {PROTOCOL}")]
    Protocol { theirs: u32 },
    #[error("{frame} came {when}")]
    Order { frame: &'static str, when: &'static str },
    #[error("hello.{field} has {bytes} bytes; send 1 to {max}, and no control characters")]
    Name { field: &'static str, bytes: usize, max: usize },
    #[error(transparent)]
    Service(#[from] NotGranted),
    #[error("hello.{field} is {value}, which protocol version {PROTOCOL} does not know")]
    Unknown { field: &'static str, value: i32 },
    #[error("hello.clock is not set; send clock.boot_id, or hello.stamps SIDECAR")]
    NoClock,
    #[error("hello.epoch {0} has said bye; start over with a larger one")]
    Ended(u64),
    #[error(
        "events.first_seq is {first_seq} but {next} comes next; declare what was lost in heartbeat.losses"
    )]
    Hole { first_seq: u64, next: u64 },
    #[error(
        "events.first_seq is {first_seq} but this source began at {floor} here; send the oldest events first"
    )]
    BelowStart { first_seq: u64, floor: u64 },
    #[error("events.first_seq {0} leaves no room for its events below 2^64")]
    SequenceEnd(u64),
    #[error("frame has {count} events; limits.events_per_frame_max is {max}")]
    Events { count: usize, max: u32 },
    #[error("events[{at}].{field}: {problem}")]
    Event { at: usize, field: &'static str, problem: &'static str },
    #[error("heartbeat.watermark_ns: the sidecar keeps the watermark of this connection; leave it out")]
    Watermark,
    #[error("heartbeat.losses: {0}")]
    Loss(#[from] LossError),
    #[error("heartbeat.losses: more than {max} ranges lie ahead of the next event")]
    LossesAhead { max: usize },
    #[error("heartbeat.snapshots: begin_ns needs the emitter's clock; say hello with stamps `emitter`")]
    Snapshots,
    #[error("snapshot_done.begin_ns: {0}")]
    SnapshotDone(&'static str),
    #[error("no hello within limits.handshake_timeout_ms, {ms} ms")]
    HandshakeTimeout { ms: u32 },
    #[error("frame not complete within limits.frame_timeout_ms, {ms} ms")]
    FrameTimeout { ms: u32 },
    #[error("nothing arrived for limits.idle_timeout_ms, {ms} ms")]
    IdleTimeout { ms: u32 },
    #[error("a newer connection of the same source took over")]
    Replaced,
}

/// Every label that [`Refused::label`] gives.
pub(crate) const REFUSED_LABELS: &[&str] = &[
    "oversize",
    "garbage",
    "truncated",
    "protocol",
    "order",
    "hello",
    "service",
    "sequence",
    "event",
    "heartbeat",
    "timeout",
    "replaced",
];

impl Refused {
    /// The reason as a metric label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Oversize { .. } | Self::Events { .. } => "oversize",
            Self::Length | Self::NotProtobuf(_) | Self::NotJson { .. } | Self::NoBody => "garbage",
            Self::Truncated { .. } => "truncated",
            Self::Protocol { .. } => "protocol",
            Self::Order { .. } => "order",
            Self::Name { .. } | Self::Unknown { .. } | Self::NoClock | Self::Ended(_) => "hello",
            Self::Service(_) => "service",
            Self::Hole { .. } | Self::BelowStart { .. } | Self::SequenceEnd(_) => "sequence",
            Self::Event { .. } => "event",
            Self::Watermark
            | Self::Loss(_)
            | Self::LossesAhead { .. }
            | Self::Snapshots
            | Self::SnapshotDone(_) => "heartbeat",
            Self::HandshakeTimeout { .. } | Self::FrameTimeout { .. } | Self::IdleTimeout { .. } => "timeout",
            Self::Replaced => "replaced",
        }
    }

    /// The message for the log, which never shows what an application sent.
    pub(crate) fn for_log(&self) -> String {
        match self {
            Self::NotJson { column, .. } => {
                format!("line is not a message of the protocol (column {column})")
            }
            _ => self.to_string(),
        }
    }
}
