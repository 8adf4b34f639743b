//! The sidecar's configuration as it is used.

use super::{Written, WrittenBatch, WrittenLimits, WrittenSocket, WrittenUplink};
use counterfoil_digest::Codec;
use counterfoil_settings::Problems;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a frame besides the key and the value of its only event.
const EVENT_OVERHEAD_BYTES: u32 = 1_024;

/// The longest socket path that the kernel takes (`sun_path`, without its closing zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Longest cohort key in bytes.
const COHORT_KEY_BYTES_MAX: usize = 64;

/// A sidecar's configuration, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where emitters connect.
    pub socket: Socket,
    /// Bounds of each connection.
    pub limits: WrittenLimits,
    /// The maps that are known.
    pub maps: Vec<Map>,
    /// Baggage keys that may travel as a cohort.
    pub cohort_keys: Vec<String>,
    /// When a batch is sent.
    pub batch: WrittenBatch,
    /// The way to the comparator.
    pub uplink: Uplink,
    /// Where the deployment key is.
    pub key: Key,
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

/// A map that is known.
#[derive(Clone, Debug)]
pub struct Map {
    /// Its name.
    pub name: Arc<str>,
    /// How its values are written.
    pub codec: Codec,
}

/// The way to the comparator.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// The comparator, with its scheme.
    pub endpoint: String,
    /// Bytes that may wait for an acknowledgement.
    pub unacked_bytes_max: u32,
    /// The waits between attempts.
    pub backoff: Backoff,
}

/// The waits between attempts to connect.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first one.
    pub min: Duration,
    /// The longest one.
    pub max: Duration,
}

/// Where the deployment key is.
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
        check_uplink(&written.uplink, &mut problems);
        let admin = written.admin.as_ref().and_then(|admin| {
            let address = admin.listen.parse();
            if address.is_err() {
                problems.add("admin.listen", "not an address; write one such as 127.0.0.1:7412");
            }
            address.ok()
        });
        let socket = socket(written.socket, &mut problems);
        let Written { maps, uplink, key, .. } = written;
        problems.none_or(Self {
            socket,
            limits: written.limits,
            maps: maps.into_iter().map(|map| Map { name: map.name.into(), codec: map.codec }).collect(),
            cohort_keys: written.cohort_keys,
            batch: written.batch,
            uplink: Uplink {
                endpoint: uplink.endpoint,
                unacked_bytes_max: uplink.unacked_bytes_max,
                backoff: Backoff { min: millis(uplink.backoff_ms_min), max: millis(uplink.backoff_ms_max) },
            },
            key: Key { id: key.id, file: key.file },
            admin,
            heartbeat_ms: written.heartbeat_ms,
            drain_max: millis(written.drain_ms_max),
            telemetry: written.telemetry,
        })
    }
}

fn millis(milliseconds: u32) -> Duration {
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
    let largest_batch = u64::from(batch.bytes_max) + u64::from(limits.key_bytes_max);
    if largest_batch * 2 > u64::from(uplink.unacked_bytes_max) {
        problems.add(
            "uplink.unacked_bytes_max",
            format!("holds fewer than two batches of batch.bytes_max; write at least {}", largest_batch * 2),
        );
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

fn check_uplink(uplink: &WrittenUplink, problems: &mut Problems) {
    if !uplink.insecure {
        problems
            .add("uplink.insecure", "TLS is not built in yet; write `insecure: true` to send in the clear");
    }
    let authority = uplink.endpoint.strip_prefix("http://");
    if authority.is_none_or(|authority| authority.is_empty() || authority.contains(char::is_whitespace)) {
        problems.add("uplink.endpoint", "write the comparator as http://host:port");
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
mod tests {
    use super::*;
    use counterfoil_settings::Sources;

    const GOOD: &str = "kind: sidecar\nmaps: [{name: cart}]\n\
        uplink: {endpoint: 'http://127.0.0.1:7411', insecure: true}\nkey: {id: k1, file: /k}\n";

    fn settings(yaml: &str, overlays: &[&str]) -> Result<Settings, Problems> {
        let overlays = overlays.iter().map(|&overlay| overlay.to_owned()).collect();
        let written = Sources { yaml: yaml.to_owned(), overlays }.written::<Written>()?;
        Settings::try_from_written(written)
    }

    #[test]
    fn the_least_configuration_has_the_documented_defaults() {
        let settings = settings(GOOD, &[]).unwrap();
        assert_eq!(settings.socket.path, PathBuf::from("/run/counterfoil/emit.sock"));
        assert_eq!((settings.socket.mode, settings.socket.directory_mode), (0o660, 0o750));
        assert_eq!(settings.socket.allowed, Allowed::OwnUser);
        assert_eq!(settings.limits, WrittenLimits::default());
        assert_eq!((settings.heartbeat_ms, settings.drain_max), (50, Duration::from_secs(5)));
        assert!(settings.admin.is_none());
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let problems = settings(
            GOOD,
            &[
                "uplink.insecure=false",
                "uplink.endpoint=comparator:7411",
                "uplink.backoff_ms_min=9000",
                "uplink.unacked_bytes_max=65536",
                "limits.value_bytes_max=65536",
                "limits.idle_timeout_ms=50",
                "socket.mode='0999'",
                "socket.directory_mode=rwx",
                "socket.path=/",
                "maps=[{name: a}, {name: a}, {name: \"b\\n\"}]",
                "cohort_keys=['k=v']",
                "admin={listen: nowhere}",
            ],
        )
        .unwrap_err();
        let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
        let expected = [
            "limits.frame_bytes_max",
            "uplink.unacked_bytes_max",
            "limits.idle_timeout_ms",
            "uplink.backoff_ms_min",
            "maps[1].name",
            "maps[2].name",
            "cohort_keys[0]",
            "uplink.insecure",
            "uplink.endpoint",
            "admin.listen",
            "socket.path",
            "socket.mode",
            "socket.directory_mode",
        ];
        assert_eq!(paths, expected, "{problems}");
        assert!(problems.to_string().contains("TLS is not built in yet"));
    }

    #[test]
    fn ranges_and_unknown_keys_are_refused_with_their_paths() {
        let problems = settings(GOOD, &["limits.key_bytes_max=0", "limits.extra=1", "batch.bytes_max=1"]);
        let text = problems.unwrap_err().to_string();
        for expected in ["limits.key_bytes_max", "limits.extra", "batch.bytes_max"] {
            assert!(text.contains(expected), "{expected} in:\n{text}");
        }
    }

    #[test]
    fn the_allow_lists_decide_who_may_connect() {
        assert!(Allowed::OwnUser.admits(7, 7, 7) && Allowed::OwnUser.admits(0, 9, 7));
        assert!(!Allowed::OwnUser.admits(8, 7, 7));
        let listed = Allowed::Listed { uids: vec![5], gids: vec![6] };
        assert!(listed.admits(5, 1, 7) && listed.admits(1, 6, 7));
        assert!(!listed.admits(7, 7, 7) && !listed.admits(0, 0, 7));
    }
}
