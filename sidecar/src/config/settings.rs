//! The sidecar's configuration as it is used.

use super::maps::{Map, maps};
use super::naming::{self, Naming};
use super::values::{Values, values};
use super::way::{self, Uplink};
use super::{Written, WrittenBatch, WrittenLimits, WrittenSocket, WrittenSpool};
use counterfoil_digest::{PRINTS_MAX, Print, SPELLINGS_MAX};
use counterfoil_keys::TenantName;
use counterfoil_settings::Problems;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of a frame besides the key and the value of its only event.
const EVENT_OVERHEAD_BYTES: u32 = 1_024;

/// Most bytes of the prints of one event, its sample among them.
const PRINTS_BYTES_MAX: u64 = ((PRINTS_MAX + SPELLINGS_MAX) * size_of::<Print>()) as u64;

/// The longest socket path that the kernel takes (`sun_path`, without its closing zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Batches that a spool holds at least: with fewer, what is shed by and by would be all at once.
const SPOOLED_BATCHES_MIN: u64 = 32;

/// Longest cohort key in bytes.
const COHORT_KEY_BYTES_MAX: usize = 64;

/// A sidecar's configuration, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where emitters connect.
    pub socket: Socket,
    /// Who the sources are.
    pub source: Naming,
    /// Bounds of each connection.
    pub limits: WrittenLimits,
    /// The maps that are known.
    pub maps: Vec<Map>,
    /// Baggage keys that may travel as a cohort.
    pub cohort_keys: Vec<String>,
    /// When a batch is sent.
    pub batch: WrittenBatch,
    /// Where batches are kept on disk, if they are.
    pub spool: Option<Spool>,
    /// Which values are kept, if any.
    pub values: Option<Values>,
    /// The way to the comparator.
    pub uplink: Uplink,
    /// Whose values these are.
    pub tenant: TenantName,
    /// Where the keys are, the preferred one first.
    pub keys: Vec<Key>,
    /// Where the signing key is, if it is to outlive the process.
    pub signing_file: Option<PathBuf>,
    /// Where the admin endpoints listen, if they do.
    pub admin: Option<SocketAddr>,
    /// The longest time between two heartbeats, in milliseconds.
    pub heartbeat_ms: u32,
    /// How long a stopping sidecar goes on delivering.
    pub drain_max: Duration,
    /// Logs and traces.
    pub telemetry: counterfoil_telemetry::Written,
}

/// Where emitters connect, and who may.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Path of the socket.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// Permissions of its directory, if that has to be made.
    pub directory_mode: u32,
    /// Connections served at a time.
    pub connections_max: u32,
    /// Who may connect.
    pub allowed: Allowed,
}

/// Who may connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Allowed {
    /// The sidecar's own user, and root.
    OwnUser,
    /// Whoever is in one of the lists.
    Listed {
        /// User ids.
        uids: Vec<u32>,
        /// Group ids.
        gids: Vec<u32>,
    },
}

impl Allowed {
    /// Whether a peer with these ids may connect to a sidecar that runs as `own_uid`.
    #[must_use]
    pub fn admits(&self, uid: u32, gid: u32, own_uid: u32) -> bool {
        match self {
            Self::OwnUser => uid == own_uid || uid == 0,
            Self::Listed { uids, gids } => uids.contains(&uid) || gids.contains(&gid),
        }
    }
}

/// Where batches are kept on disk.
#[derive(Clone, Debug)]
pub struct Spool {
    /// Its directory.
    pub path: PathBuf,
    /// The disk cap in bytes.
    pub bytes_max: u64,
    /// The shortest time between two syncs, in milliseconds.
    pub sync_ms: u32,
}

/// The waits between attempts to connect.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first one.
    pub min: Duration,
    /// The longest one.
    pub max: Duration,
}

/// Where a key is.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Its file.
    pub file: PathBuf,
}

impl Settings {
    /// Checks what a person wrote.
    ///
    /// # Errors
    ///
    /// Every problem there is.
    pub fn try_from_written(written: Written) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        check_relations(&written, &mut problems);
        check_names(&written, &mut problems);
        let tls = way::tls(&written.uplink, &mut problems);
        check_keys(&written, &mut problems);
        let tenant = written.tenant.parse::<TenantName>();
        if let Err(error) = &tenant {
            problems.add("tenant", error.to_string());
        }
        let admin = written.admin.as_ref().and_then(|admin| {
            let address = admin.listen.parse();
            if address.is_err() {
                problems.add("admin.listen", "not an address; write one such as 127.0.0.1:7412");
            }
            address.ok()
        });
        let socket = socket(written.socket, &mut problems);
        let source = naming::naming(written.source, written.uplink.insecure, &mut problems);
        let maps = maps(&written.maps, &mut problems);
        let section = written.values.as_ref();
        let values =
            section.map(|section| values(section, &maps, &written.limits, &written.uplink, &mut problems));
        let Written { uplink, keys, spool, .. } = written;
        problems.none_or(Self {
            socket,
            source,
            limits: written.limits,
            maps,
            cohort_keys: written.cohort_keys,
            batch: written.batch,
            spool: spool.map(|WrittenSpool { path, bytes_max, sync_ms }| Spool { path, bytes_max, sync_ms }),
            values,
            uplink: Uplink {
                endpoint: uplink.endpoint,
                tls,
                unacked_bytes_max: uplink.unacked_bytes_max,
                backoff: Backoff { min: millis(uplink.backoff_ms_min), max: millis(uplink.backoff_ms_max) },
            },
            tenant: tenant.unwrap_or_default(),
            keys: keys.into_iter().map(|key| Key { id: key.id, file: key.file }).collect(),
            signing_file: written.signing.file,
            admin,
            heartbeat_ms: written.heartbeat_ms,
            drain_max: millis(written.drain_ms_max),
            telemetry: written.telemetry,
        })
    }
}

pub(super) fn millis(milliseconds: u32) -> Duration {
    Duration::from_millis(u64::from(milliseconds))
}

fn check_relations(written: &Written, problems: &mut Problems) {
    let Written { limits, batch, uplink, .. } = written;
    let largest_event =
        u64::from(limits.key_bytes_max) + u64::from(limits.value_bytes_max) + u64::from(EVENT_OVERHEAD_BYTES);
    if largest_event > u64::from(limits.frame_bytes_max) {
        problems.add(
            "limits.frame_bytes_max",
            format!(
                "{} bytes do not hold one event of key_bytes_max + value_bytes_max + {EVENT_OVERHEAD_BYTES}; write at \
                 least {largest_event}",
                limits.frame_bytes_max
            ),
        );
    }
    let largest_batch = u64::from(batch.bytes_max) + u64::from(limits.key_bytes_max) + PRINTS_BYTES_MAX;
    if largest_batch * 2 > u64::from(uplink.unacked_bytes_max) {
        problems.add(
            "uplink.unacked_bytes_max",
            format!("holds fewer than two batches of batch.bytes_max; write at least {}", largest_batch * 2),
        );
    }
    let least = largest_batch.saturating_mul(SPOOLED_BATCHES_MIN);
    if written.spool.as_ref().is_some_and(|spool| spool.bytes_max < least) {
        let message = format!(
            "holds fewer than {SPOOLED_BATCHES_MIN} batches of batch.bytes_max; write at least {least}"
        );
        problems.add("spool.bytes_max", message);
    }
    if written.heartbeat_ms >= limits.idle_timeout_ms {
        problems.add("limits.idle_timeout_ms", "not above heartbeat_ms: quiet emitters would be cut off");
    }
    if uplink.backoff_ms_min > uplink.backoff_ms_max {
        problems.add("uplink.backoff_ms_min", "above uplink.backoff_ms_max; write at most that");
    }
}

fn check_names(written: &Written, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for (at, map) in written.maps.iter().enumerate() {
        if map.name.chars().any(char::is_control) {
            problems.add(format!("maps[{at}].name"), "has a control character; write a name without");
        }
        if !seen.insert(&map.name) {
            problems.add(format!("maps[{at}].name"), format!("`{}` is there twice; remove one", map.name));
        }
    }
    for (at, key) in written.cohort_keys.iter().enumerate() {
        if key.is_empty() || key.len() > COHORT_KEY_BYTES_MAX || key.contains('=') {
            let message = format!("write a baggage key of 1 to {COHORT_KEY_BYTES_MAX} bytes without `=`");
            problems.add(format!("cohort_keys[{at}]"), message);
        }
    }
}

fn check_keys(written: &Written, problems: &mut Problems) {
    if written.key.is_some() {
        problems.add("key", "is a list now; write `keys: [{ id: …, file: … }]`");
    } else if written.keys.is_empty() {
        problems.add("keys", "empty; write `keys: [{ id: k1, file: … }]`");
    }
    for (at, key) in written.keys.iter().enumerate() {
        if written.keys.iter().take(at).any(|other| other.id == key.id) {
            problems.add(format!("keys[{at}].id"), format!("`{}` is there twice; rename one", key.id));
        }
    }
}

fn socket(written: WrittenSocket, problems: &mut Problems) -> Socket {
    let length = written.path.as_os_str().len();
    if length == 0 || length > SOCKET_PATH_BYTES_MAX || written.path.file_name().is_none() {
        let message =
            format!("{length} bytes; write the path of a file, 1 to {SOCKET_PATH_BYTES_MAX} bytes long");
        problems.add("socket.path", message);
    }
    let mut mode = |key: &str, text: &str| {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        if mode.is_none() {
            problems.add(
                key,
                format!("`{text}` is no file mode; write octal digits in quotes, such as \"0660\""),
            );
        }
        mode.unwrap_or_default()
    };
    let nobody_listed = written.allow_uids.is_empty() && written.allow_gids.is_empty();
    Socket {
        mode: mode("socket.mode", &written.mode),
        directory_mode: mode("socket.directory_mode", &written.directory_mode),
        path: written.path,
        connections_max: written.connections_max,
        allowed: if nobody_listed {
            Allowed::OwnUser
        } else {
            Allowed::Listed { uids: written.allow_uids, gids: written.allow_gids }
        },
    }
}

#[cfg(test)]
pub(super) mod tests;
