//! The sidecar's configuration as it is written.
//!
//! Every key has a default that suits a pod, except the maps, the uplink and the deployment key. [`Settings`] is the
//! same as it is used; the conversion between the two is where relations between keys are checked.

mod settings;

pub use settings::{Allowed, Backoff, Key, Map, Settings, Socket, Uplink};

use counterfoil_digest::Codec;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Which process a configuration is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The process beside the application.
    Sidecar,
}

/// A sidecar's configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// `sidecar`.
    pub kind: Kind,
    /// The Unix socket that emitters connect to.
    #[serde(default)]
    pub socket: WrittenSocket,
    /// Bounds of each connection.
    #[serde(default)]
    pub limits: WrittenLimits,
    /// The maps whose writes are reported. Events of others are counted as lost.
    #[schemars(length(min = 1, max = 1024))]
    pub maps: Vec<WrittenMap>,
    /// Keys of OpenTelemetry baggage that may travel as an event's cohort. Other cohorts are left out.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub cohort_keys: Vec<String>,
    /// When a source's batch is sent: at whichever bound is reached first.
    #[serde(default)]
    pub batch: WrittenBatch,
    /// The way to the comparator.
    pub uplink: WrittenUplink,
    /// The deployment key that digests and batches are made with.
    pub key: WrittenKey,
    /// Admin endpoints: /livez, /readyz, /metrics. None without this section.
    #[serde(default)]
    pub admin: Option<WrittenAdmin>,
    /// The longest time between two heartbeats of an emitter, in milliseconds.
    #[serde(default = "heartbeat_ms")]
    #[schemars(range(min = 1, max = 60_000))]
    pub heartbeat_ms: u32,
    /// How long a stopping sidecar goes on delivering what it has, in milliseconds.
    #[serde(default = "drain_ms_max")]
    #[schemars(range(min = 0, max = 600_000))]
    pub drain_ms_max: u32,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: counterfoil_telemetry::Written,
}

const fn heartbeat_ms() -> u32 {
    50
}

const fn drain_ms_max() -> u32 {
    5_000
}

/// The section `socket`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenSocket {
    /// Path of the socket. Mount its directory into the application's container, not the socket itself.
    pub path: PathBuf,
    /// Permissions of the socket, in octal. To connect takes write permission.
    pub mode: String,
    /// Permissions of the socket's directory, in octal, if it has to be made.
    pub directory_mode: String,
    /// Connections served at a time.
    #[schemars(range(min = 1, max = 4096))]
    pub connections_max: u32,
    /// User ids that may connect. With both lists empty: the sidecar's own, and root.
    pub allow_uids: Vec<u32>,
    /// Group ids that may connect.
    pub allow_gids: Vec<u32>,
}

impl Default for WrittenSocket {
    fn default() -> Self {
        Self {
            path: "/run/counterfoil/emit.sock".into(),
            mode: "0660".to_owned(),
            directory_mode: "0750".to_owned(),
            connections_max: 64,
            allow_uids: Vec::new(),
            allow_gids: Vec::new(),
        }
    }
}

/// The section `limits`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenLimits {
    /// Largest frame, or line of JSON, in bytes.
    #[schemars(range(min = 1_024, max = 4_194_304))]
    pub frame_bytes_max: u32,
    /// Largest key in bytes.
    #[schemars(range(min = 1, max = 65_536))]
    pub key_bytes_max: u32,
    /// Largest value in bytes.
    #[schemars(range(min = 1, max = 4_194_304))]
    pub value_bytes_max: u32,
    /// Most events in one frame.
    #[schemars(range(min = 1, max = 65_536))]
    pub events_per_frame_max: u32,
    /// A connection must say who it is within this time, in milliseconds.
    #[schemars(range(min = 10, max = 600_000))]
    pub handshake_timeout_ms: u32,
    /// A frame that has begun must be complete within this time, in milliseconds.
    #[schemars(range(min = 10, max = 600_000))]
    pub frame_timeout_ms: u32,
    /// A connection on which nothing arrives for this time is closed, in milliseconds.
    #[schemars(range(min = 10, max = 86_400_000))]
    pub idle_timeout_ms: u32,
}

impl Default for WrittenLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 65_536,
            key_bytes_max: 1_024,
            value_bytes_max: 32_768,
            events_per_frame_max: 4_096,
            handshake_timeout_ms: 5_000,
            frame_timeout_ms: 5_000,
            idle_timeout_ms: 60_000,
        }
    }
}

/// One map.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenMap {
    /// Its name, as emitters and the comparator call it.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// How its values are written: `bytes`, `text` or `json`. The comparator must say the same.
    #[serde(default)]
    pub codec: Codec,
}

/// The section `batch`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenBatch {
    /// Most events in a batch.
    #[schemars(range(min = 1, max = 65_536))]
    pub events_max: u32,
    /// About the most bytes in a batch.
    #[schemars(range(min = 1_024, max = 3_145_728))]
    pub bytes_max: u32,
    /// The longest time an event waits for others to travel with, in milliseconds.
    #[schemars(range(min = 0, max = 60_000))]
    pub age_ms_max: u32,
}

impl Default for WrittenBatch {
    fn default() -> Self {
        Self { events_max: 4_096, bytes_max: 262_144, age_ms_max: 10 }
    }
}

/// The section `uplink`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenUplink {
    /// The comparator, with its scheme: `http://comparator:7411`.
    pub endpoint: String,
    /// Must be true: says that you know the stream is not encrypted. TLS is not built in yet.
    #[serde(default)]
    pub insecure: bool,
    /// Batches that the comparator has not acknowledged are kept in memory up to this many bytes; then the sidecar stops
    /// reading and emitters count what they drop.
    #[serde(default = "unacked_bytes_max")]
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub unacked_bytes_max: u32,
    /// The first wait before the sidecar connects again, in milliseconds; it doubles with each failure.
    #[serde(default = "backoff_ms_min")]
    #[schemars(range(min = 1, max = 600_000))]
    pub backoff_ms_min: u32,
    /// The longest wait before the sidecar connects again, in milliseconds.
    #[serde(default = "backoff_ms_max")]
    #[schemars(range(min = 1, max = 600_000))]
    pub backoff_ms_max: u32,
}

const fn unacked_bytes_max() -> u32 {
    16_777_216
}

const fn backoff_ms_min() -> u32 {
    50
}

const fn backoff_ms_max() -> u32 {
    5_000
}

/// The section `key`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenKey {
    /// The id that travels with each batch; digests under different ids are never compared.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// A file of 64 hexadecimal digits (openssl rand -hex 32).
    pub file: PathBuf,
}

/// The section `admin`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenAdmin {
    /// Address to listen on, such as `127.0.0.1:7412`.
    pub listen: String,
}
