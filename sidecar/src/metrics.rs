//! The sidecar's metrics: their catalogue, and the handles that the stages keep.

use crate::events::Unfit;
use crate::refused::REFUSED_LABELS;
use counterfoil_proto::LossReason;
use counterfoil_telemetry::{Kind, Metric};
use metrics::{Counter, Gauge};
use std::collections::HashMap;

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal $unit:literal $labels:expr, $help:literal;)*) => {
        $(static $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, unit: $unit, labels: &$labels, help: $help };)*

        /// Every metric of the sidecar.
        pub static METRICS: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    CONNECTIONS_OPEN Gauge "counterfoil_listener_open_connections" "connections" [],
        "Connections being served.";
    CONNECTIONS Counter "counterfoil_listener_accepted_connections_total" "connections" [],
        "Connections taken in.";
    PEERS_REFUSED Counter "counterfoil_listener_refused_peers_total" "connections" ["reason"],
        "Connections turned away: `peer` is not allowed, or the sidecar is `full`.";
    ACCEPT_ERRORS Counter "counterfoil_listener_accept_errors_total" "errors" [],
        "Times the system had no connection to give, for want of descriptors for example.";
    READ_BYTES Counter "counterfoil_framer_read_bytes_total" "bytes" [],
        "Bytes read from sockets.";
    FRAMES Counter "counterfoil_framer_frames_total" "frames" [],
        "Frames and lines understood.";
    FRAMES_REFUSED Counter "counterfoil_framer_refused_frames_total" "frames" ["reason"],
        "Frames and lines that ended their connection.";
    EVENTS Counter "counterfoil_session_events_total" "events" [],
        "Events taken in.";
    EVENTS_REFUSED Counter "counterfoil_framer_events_refused_total" "events" ["reason"],
        "Events that broke a limit or that no map takes; each is declared lost.";
    EVENTS_REPEATED Counter "counterfoil_session_repeated_events_total" "events" [],
        "Events that came again, and were dropped.";
    EVENTS_LOST Counter "counterfoil_session_lost_events_total" "events" ["reason"],
        "Events declared lost, by the emitter or by the sidecar.";
    BATCHES Counter "counterfoil_batcher_batches_total" "batches" [],
        "Batches sealed, those of heartbeats alone included.";
    UPLOADS_SENT Counter "counterfoil_uplink_sent_uploads_total" "uploads" [],
        "Uploads put on the stream, those sent again included.";
    UPLOADS_ACKNOWLEDGED Counter "counterfoil_uplink_acknowledged_uploads_total" "uploads" [],
        "Uploads that the comparator took over.";
    UNACKNOWLEDGED_BYTES Gauge "counterfoil_uplink_unacknowledged_bytes" "bytes" [],
        "Bytes of batches that the comparator has not acknowledged.";
    CONNECTS Counter "counterfoil_uplink_connects_total" "streams" [],
        "Streams to the comparator opened.";
    CONNECT_ERRORS Counter "counterfoil_uplink_errors_total" "errors" [],
        "Streams that broke, or could not be opened.";
    EVENTS_ABANDONED Counter "counterfoil_uplink_abandoned_events_total" "events" [],
        "Events not delivered when the time to drain was over.";
}

/// Why a peer is turned away, as labels.
pub(crate) const PEER: &str = "peer";
pub(crate) const FULL: &str = "full";

/// The handles, made once.
pub(crate) struct Meters {
    pub(crate) connections_open: Gauge,
    pub(crate) connections: Counter,
    pub(crate) peers_refused: Labelled,
    pub(crate) accept_errors: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) frames: Counter,
    pub(crate) frames_refused: Labelled,
    pub(crate) events: Counter,
    pub(crate) events_refused: Labelled,
    pub(crate) events_repeated: Counter,
    pub(crate) events_lost: Labelled,
    pub(crate) batches: Counter,
    pub(crate) uploads_sent: Counter,
    pub(crate) uploads_acknowledged: Counter,
    pub(crate) unacknowledged_bytes: Gauge,
    pub(crate) connects: Counter,
    pub(crate) connect_errors: Counter,
    pub(crate) events_abandoned: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        METRICS.iter().for_each(|metric| metric.describe());
        Self {
            connections_open: CONNECTIONS_OPEN.gauge(&[]),
            connections: CONNECTIONS.counter(&[]),
            peers_refused: Labelled::new(&PEERS_REFUSED, [PEER, FULL]),
            accept_errors: ACCEPT_ERRORS.counter(&[]),
            read_bytes: READ_BYTES.counter(&[]),
            frames: FRAMES.counter(&[]),
            frames_refused: Labelled::new(&FRAMES_REFUSED, REFUSED_LABELS.iter().copied()),
            events: EVENTS.counter(&[]),
            events_refused: Labelled::new(&EVENTS_REFUSED, Unfit::LABELS.iter().copied()),
            events_repeated: EVENTS_REPEATED.counter(&[]),
            events_lost: Labelled::new(&EVENTS_LOST, LossReason::ALL.map(LossReason::label)),
            batches: BATCHES.counter(&[]),
            uploads_sent: UPLOADS_SENT.counter(&[]),
            uploads_acknowledged: UPLOADS_ACKNOWLEDGED.counter(&[]),
            unacknowledged_bytes: UNACKNOWLEDGED_BYTES.gauge(&[]),
            connects: CONNECTS.counter(&[]),
            connect_errors: CONNECT_ERRORS.counter(&[]),
            events_abandoned: EVENTS_ABANDONED.counter(&[]),
        }
    }
}

/// One counter for each value of the label `reason`.
pub(crate) struct Labelled(HashMap<&'static str, Counter>);

impl Labelled {
    fn new(metric: &Metric, reasons: impl IntoIterator<Item = &'static str>) -> Self {
        Self(reasons.into_iter().map(|reason| (reason, metric.counter(&[("reason", reason)]))).collect())
    }

    /// Adds to the counter of `reason`.
    pub(crate) fn add(&self, reason: &'static str, count: u64) {
        debug_assert!(self.0.contains_key(reason), "{reason} is not in the list of labels");
        if let Some(counter) = self.0.get(reason) {
            counter.increment(count);
        }
    }
}
