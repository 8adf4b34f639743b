//! Every bound of the emitter, and the ones an application may move.

use counterfoil_proto::wire::emit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Events that may wait in the ring. Eight bytes each are taken at once, the rest as events come.
const RING_EVENTS: usize = 65_536;
/// Bytes that waiting events may take.
const RING_BYTES: usize = 64 << 20;
/// Encoded bytes kept until the sidecar acknowledges them.
const REPLAY_BYTES: usize = 4 << 20;
/// Writes that may be open at once without holding the watermark back. A scan of so many slots takes microseconds.
const OPEN_WRITES: usize = 4_096;
/// Time between heartbeats where the sidecar has not told one.
const HEARTBEAT: Duration = Duration::from_millis(50);
/// Longest pause between attempts to connect.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Shortest time between heartbeats that an application may ask for.
pub(crate) const HEARTBEAT_MIN: Duration = Duration::from_millis(1);
/// First pause between attempts to connect.
pub(crate) const RETRY_MIN: Duration = Duration::from_millis(50);
/// Bytes of a service or instance name.
pub(crate) const NAME_BYTES_MAX: usize = 128;
/// Bytes of a map's name. No contract has a longer one.
pub(crate) const MAP_NAME_BYTES_MAX: usize = 256;
/// Bytes of a cohort (`key=value`); longer baggage is no cohort, here as in the sidecar.
pub(crate) const COHORT_BYTES_MAX: usize = 128;
/// Bytes that go into one call that writes to the socket, and into a frame of several events.
pub(crate) const WRITE_BYTES: usize = 64 << 10;
/// Pieces that go into one call that writes to the socket; the kernel takes 1,024.
pub(crate) const WRITE_SLICES: usize = 64;
/// While events come, how long the writer thread gathers before it looks again. An event that comes to an idle emitter
/// leaves at once; the next ones share a system call.
pub(crate) const LINGER: Duration = Duration::from_millis(1);
/// For so long after the last event it goes on looking like that. The next event need not wake it then, which is what an
/// emitter call costs most by far.
pub(crate) const ALERT: Duration = Duration::from_millis(50);
/// How long the sidecar may take to welcome a connection.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long the sidecar may leave a full socket unread before the connection is given up.
pub(crate) const STALL: Duration = Duration::from_secs(10);
/// Largest frame taken from the sidecar; a `Welcome` names each map.
pub(crate) const INCOMING_BYTES_MAX: usize = 1 << 20;
/// Largest frame sent, whatever the sidecar allows: the outbox overshoots its bound by at most one frame.
pub(crate) const FRAME_BYTES_CAP: usize = 4 << 20;
/// Bytes kept of a refusal's message.
pub(crate) const REFUSAL_BYTES_MAX: usize = 512;
/// After so many refusals in a row without progress, the first frame that the sidecar has not taken is given up.
pub(crate) const REFUSALS_MAX: u32 = 3;
/// How long a dropped emitter waits for its last events to be taken.
pub(crate) const DROP_WAIT: Duration = Duration::from_millis(500);
/// How long the farewell may take when the time for `close` was used up by the flush before it.
pub(crate) const FAREWELL: Duration = Duration::from_millis(100);
/// How far the watermark stays behind the clock; see `open`.
pub(crate) const CLOCK_SLACK: Duration = Duration::from_micros(100);

/// Limits until the sidecar has told its own.
const FRAME_BYTES_MAX: usize = 64 << 10;
const KEY_BYTES_MAX: usize = 4 << 10;
const VALUE_BYTES_MAX: usize = 56 << 10;
const EVENTS_PER_FRAME_MAX: usize = 4_096;

const _: () = {
    assert!(
        KEY_BYTES_MAX + VALUE_BYTES_MAX + MAP_NAME_BYTES_MAX + COHORT_BYTES_MAX + 512 <= FRAME_BYTES_MAX,
        "an event at its limits fits a frame"
    );
    assert!(FRAME_BYTES_CAP <= REPLAY_BYTES, "the outbox holds a frame");
    assert!(RING_BYTES > KEY_BYTES_MAX + VALUE_BYTES_MAX, "the ring holds an event");
    assert!(FRAME_BYTES_MAX <= FRAME_BYTES_CAP);
};

/// How safe an event must be before the sidecar acknowledges it. The sidecar may offer less than is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AckLevel {
    /// In the sidecar's memory.
    #[default]
    Received,
    /// Written in the pod: survives a kill of the sidecar.
    Spooled,
    /// Synced to disk: survives power loss.
    Durable,
    /// Taken over by the comparator.
    Accepted,
}

impl From<AckLevel> for emit::AckLevel {
    fn from(level: AckLevel) -> Self {
        match level {
            AckLevel::Received => Self::Received,
            AckLevel::Spooled => Self::Spooled,
            AckLevel::Durable => Self::Durable,
            AckLevel::Accepted => Self::Accepted,
        }
    }
}

/// The bounds that an application may want to move; `Options::default()` suits most. A number of 0 is taken as 1.
#[derive(Clone, Debug)]
pub struct Options {
    /// Events that may wait for the writer thread; more are lost and counted.
    pub ring_events: usize,
    /// Bytes that waiting events may take; more are lost and counted.
    pub ring_bytes: usize,
    /// Encoded bytes kept until the sidecar acknowledges them; then the ring fills.
    pub replay_bytes: usize,
    /// Writes that may be open at once; with more, the watermark waits until some end.
    pub open_writes: usize,
    /// Time between heartbeats, unless the sidecar tells another.
    pub heartbeat: Duration,
    /// Longest pause between attempts to connect.
    pub retry_max: Duration,
    /// How safe an event must be before it is dropped here.
    pub ack: AckLevel,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_events: RING_EVENTS,
            ring_bytes: RING_BYTES,
            replay_bytes: REPLAY_BYTES,
            open_writes: OPEN_WRITES,
            heartbeat: HEARTBEAT,
            retry_max: RETRY_MAX,
            ack: AckLevel::default(),
        }
    }
}

/// What the sidecar takes on this connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) frame_bytes: usize,
    pub(crate) key_bytes: usize,
    pub(crate) value_bytes: usize,
    pub(crate) events_per_frame: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: FRAME_BYTES_MAX,
            key_bytes: KEY_BYTES_MAX,
            value_bytes: VALUE_BYTES_MAX,
            events_per_frame: EVENTS_PER_FRAME_MAX,
        }
    }
}

impl From<&emit::Limits> for Limits {
    /// A limit of 0 was not told.
    fn from(told: &emit::Limits) -> Self {
        let or = |told: u32, default| usize::try_from(told).ok().filter(|&told| told > 0).unwrap_or(default);
        let default = Self::default();
        Self {
            frame_bytes: or(told.frame_bytes_max, default.frame_bytes).min(FRAME_BYTES_CAP),
            key_bytes: or(told.key_bytes_max, default.key_bytes),
            value_bytes: or(told.value_bytes_max, default.value_bytes),
            events_per_frame: or(told.events_per_frame_max, default.events_per_frame),
        }
    }
}

impl Limits {
    /// Whether a key and a value may travel.
    pub(crate) fn admit(&self, key: &[u8], value: &[u8]) -> bool {
        !key.is_empty() && key.len() <= self.key_bytes && value.len() <= self.value_bytes
    }
}

/// The limits of keys and values as the application's threads see them: the last that were told.
pub(crate) struct TellLimits {
    key_bytes: AtomicUsize,
    value_bytes: AtomicUsize,
}

impl Default for TellLimits {
    fn default() -> Self {
        let Limits { key_bytes, value_bytes, .. } = Limits::default();
        Self { key_bytes: key_bytes.into(), value_bytes: value_bytes.into() }
    }
}

impl TellLimits {
    pub(crate) fn tell(&self, limits: &Limits) {
        self.key_bytes.store(limits.key_bytes, Ordering::Relaxed);
        self.value_bytes.store(limits.value_bytes, Ordering::Relaxed);
    }

    /// Early refusal, so that nothing too large is copied. The writer thread checks again, as limits may have changed.
    pub(crate) fn admit(&self, key: &[u8], value: &[u8]) -> bool {
        let key_bytes = self.key_bytes.load(Ordering::Relaxed);
        let value_bytes = self.value_bytes.load(Ordering::Relaxed);
        Limits { key_bytes, value_bytes, ..Limits::default() }.admit(key, value)
    }
}
