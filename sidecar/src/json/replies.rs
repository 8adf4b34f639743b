//! The lines that the sidecar answers with.

use counterfoil_proto::wire::emit::{AckLevel, Welcome};

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

pub(super) fn level_name(level: AckLevel) -> &'static str {
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
