//! The sidecar's configuration as it is written.
//!
//! Every key has a default that suits a pod, except the maps, the uplink and the keys. [`Settings`] is the
//! same as it is used; the conversion between the two is where relations between keys are checked.

mod maps;
mod naming;
mod settings;
mod values;
mod way;

pub use maps::{Map, Told};
pub(crate) use naming::{INSTANCE_BYTES_MAX, NAME_BYTES_MAX, NotGranted, is_name};
pub use naming::{Naming, Service, Services, WrittenService, WrittenSource};
#[cfg(test)]
pub(crate) use settings::tests::settings_of;
pub use settings::{Allowed, Backoff, Key, Settings, Socket, Spool};
pub use values::{Values, WrittenValues};
pub use way::{Tls, Uplink};

use counterfoil_digest::{Codec, WrittenRules};
use counterfoil_keys::TenantName;
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
    /// Who the sources are that report here.
    #[serde(default)]
    pub source: WrittenSource,
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
    /// Where batches are kept on disk until the comparator has accepted them. Without this section they are kept in memory
    /// alone, and the sidecar acknowledges at no other level than `received` and `accepted`.
    #[serde(default)]
    pub spool: Option<WrittenSpool>,
    /// Of which maps recent values are kept in memory, so that the comparator can recall those of divergences. Without this section
    /// no value is kept or leaves the sidecar.
    #[serde(default)]
    pub values: Option<WrittenValues>,
    /// The way to the comparator.
    pub uplink: WrittenUplink,
    /// Whose values these are: the name of the tenant that the comparator's contracts of the maps have.
    #[serde(default = "tenant")]
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,63}$"))]
    pub tenant: String,
    /// The keys that digests and batches are made under; needed. The first one that the comparator accepts is used, and the
    /// first one until the comparator was heard.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub keys: Vec<WrittenKey>,
    /// Not any more: write `keys`, a list.
    #[serde(default)]
    pub key: Option<serde_json::Value>,
    /// What batches are signed with.
    #[serde(default)]
    pub signing: WrittenSigning,
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

fn tenant() -> String {
    TenantName::default().to_string()
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
    /// Most events per second of one connection. One that sends more is not read until there is room again.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub events_per_second_max: u32,
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
            events_per_second_max: 1_000_000,
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
    /// How its values are written: `bytes`, `text`, `json` or `columns`. The comparator must say the same.
    #[serde(default)]
    pub codec: Codec,
    /// What does not count in its values. The comparator must say the same.
    #[serde(default)]
    pub rules: WrittenRules,
    /// Whether more than a digest of each value travels, so that a divergence names the fields that differ, and a map whose
    /// values are written otherwise in the store is told with the rule that helps: prints of the fields, and samples. `true` where
    /// not set; of a map without fields, the codecs `bytes` and `text`, there are samples only.
    #[serde(default)]
    pub fields: Option<bool>,
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
    /// The longest time an event waits for others to travel with, in milliseconds; where there are many connections, half a
    /// millisecond for each of them if that is longer.
    #[schemars(range(min = 0, max = 60_000))]
    pub age_ms_max: u32,
}

impl Default for WrittenBatch {
    fn default() -> Self {
        Self { events_max: 4_096, bytes_max: 262_144, age_ms_max: 10 }
    }
}

/// The section `spool`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenSpool {
    /// A directory of its own, which is made if it is not there. To outlive a container, let it lie on a volume.
    pub path: PathBuf,
    /// The disk cap in bytes. When little room is left of it, events are shed by key, and declared lost.
    #[serde(default = "spool_bytes_max")]
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64))]
    pub bytes_max: u64,
    /// The longest time that events of a connection with the level `durable` wait to be synced to disk with others, in
    /// milliseconds.
    #[serde(default = "sync_ms")]
    #[schemars(range(min = 0, max = 10_000))]
    pub sync_ms: u32,
}

const fn spool_bytes_max() -> u64 {
    1_073_741_824
}

const fn sync_ms() -> u32 {
    20
}

/// The section `uplink`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenUplink {
    /// The comparator: `https://comparator:7411`, with `tls`; or `http://…`, with `insecure: true`.
    pub endpoint: String,
    /// Who this sidecar is, and whom it believes. Needed for `https`.
    #[serde(default)]
    pub tls: Option<WrittenTls>,
    /// Send in plain text over `http`: whoever is on the way can read which keys are written, and may pose as the comparator.
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

/// The section `uplink.tls`. All files are PEM, and are read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenTls {
    /// File of the sidecar's certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// File of the certificate's key. Its mode must be 0640, 0440 or stricter.
    pub key: PathBuf,
    /// File of the authorities' certificates that the comparator's must come from.
    pub authorities: PathBuf,
    /// Who the comparator is: one exact name in its certificate, `spiffe://TRUST-DOMAIN/PATH` or `dns:NAME`. Nobody else is
    /// talked to.
    pub server: String,
    /// How often the files are looked at, in milliseconds.
    #[serde(default = "reload_ms")]
    #[schemars(range(min = 10, max = 3_600_000))]
    pub reload_ms: u32,
}

const fn reload_ms() -> u32 {
    10_000
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

/// An entry of `keys`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenKey {
    /// The id that travels with each batch; digests under different ids are never compared.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// A file that others may not read (mode 0400), with the deployment key's 64 hexadecimal digits, or the tenant's own key as
    /// `counterfoil key tenant` prints it.
    pub file: PathBuf,
}

/// The section `signing`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenSigning {
    /// A file that others may not read (mode 0400), with the 64 hexadecimal digits of an Ed25519 seed. Without it a key is
    /// made at each start, and lives as long as the process.
    pub file: Option<PathBuf>,
}

/// The section `admin`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenAdmin {
    /// Address to listen on, such as `127.0.0.1:7412`.
    pub listen: String,
}
