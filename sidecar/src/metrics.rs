//! The sidecar's metrics: their catalogue, and the handles that the stages keep.

use crate::events::Unfit;
use crate::refused::REFUSED_LABELS;
use counterfoil_proto::{LossReason, NoValue};
use counterfoil_spool::State;
use counterfoil_telemetry::{Kind, Metric};
use metrics::{Counter, Gauge};
use std::collections::HashMap;

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal $unit:literal $labels:expr, $help:literal;)*) => {
        $(static $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, unit: $unit, labels: &$labels, help: $help };)*

        /// Every metric of the sidecar.
        pub static METRICS: &[&Metric] =
            &[$(&$constant),*, &counterfoil_telemetry::DROPPED, &counterfoil_tls::INSECURE, &counterfoil_tls::RELOADS, &counterfoil_tls::REMAINING];
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
    DIFFERING_FORMS Gauge "counterfoil_uplink_differing_forms" "maps" [],
        "Maps whose codec or rules are not the comparator's: no value of theirs will agree.";
    EVENTS_ABANDONED Counter "counterfoil_uplink_abandoned_events_total" "events" [],
        "Events that were neither delivered nor spooled when the time to drain was over.";
    SPOOL_BYTES Gauge "counterfoil_spool_used_bytes" "bytes" [],
        "Bytes of its disk cap that the spool uses.";
    SPOOL_OCCUPANCY Gauge "counterfoil_spool_occupancy_ratio" "1" [],
        "Share of the spool's room that is taken, on disk and by what waits to be written.";
    SPOOL_STATE Gauge "counterfoil_spool_state" "1" ["state"],
        "1 for the state that the spool is in: `healthy`, `full` or `failing`; 0 for the others.";
    SPOOL_UNSENT Gauge "counterfoil_spool_unsent_entries" "batches" [],
        "Batches that were not sent on the present stream.";
    SPOOL_READS Counter "counterfoil_spool_reads_total" "reads" [],
        "Times batches were read back from the spool.";
    CLOSED_BUCKETS Gauge "counterfoil_session_closed_buckets" "buckets" [],
        "Key buckets, of 1,024, whose events are shed for want of room.";
    EVENTS_SHED Counter "counterfoil_session_shed_events_total" "events" [],
        "Events shed for want of room; each is declared lost.";
    BATCHES_RESEALED Counter "counterfoil_uplink_resealed_batches_total" "batches" [],
        "Batches sealed anew, because one before them was lost.";
    KEPT_VALUES Gauge "counterfoil_values_kept_values" "values" [],
        "Values that are kept in memory, for the comparator to recall; 0 where the section `values` is not there.";
    KEPT_BYTES Gauge "counterfoil_values_kept_bytes" "bytes" [],
        "Bytes of memory that kept values take.";
    VALUES_LET_GO Counter "counterfoil_values_evicted_values_total" "values" ["reason"],
        "Kept values that were let go of, by reason: their `age`, or because others needed the `room`.";
    RECALLS Counter "counterfoil_values_recalls_total" "recalls" ["result"],
        "Values that the comparator asked for: shown (`value`, or `masked`), or not, by reason.";
    THROTTLED Counter "counterfoil_framer_throttles_total" "waits" [],
        "Times a connection was not read because it was over limits.events_per_second_max.";
}

/// Why a peer is turned away, as labels.
pub(crate) const PEER: &str = "peer";
pub(crate) const FULL: &str = "full";

/// How a value is shown, as labels.
const RECALLED: [&str; 2] = ["value", "masked"];

/// The states of the spool, as labels.
const STATES: [(State, &str); 3] =
    [(State::Healthy, "healthy"), (State::Full, "full"), (State::Failing, "failing")];

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
    pub(crate) differing_forms: Gauge,
    pub(crate) events_abandoned: Counter,
    pub(crate) spool_bytes: Gauge,
    pub(crate) spool_occupancy: Gauge,
    spool_states: [(State, Gauge); 3],
    pub(crate) spool_unsent: Gauge,
    pub(crate) spool_reads: Counter,
    pub(crate) closed_buckets: Gauge,
    pub(crate) events_shed: Counter,
    pub(crate) batches_resealed: Counter,
    pub(crate) kept_values: Gauge,
    pub(crate) kept_bytes: Gauge,
    pub(crate) values_let_go: Labelled,
    pub(crate) recalls: Labelled,
    pub(crate) throttled: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        METRICS.iter().for_each(|metric| metric.describe());
        Self {
            connections_open: CONNECTIONS_OPEN.gauge(&[]),
            connections: CONNECTIONS.counter(&[]),
            peers_refused: Labelled::new(&PEERS_REFUSED, "reason", [PEER, FULL]),
            accept_errors: ACCEPT_ERRORS.counter(&[]),
            read_bytes: READ_BYTES.counter(&[]),
            frames: FRAMES.counter(&[]),
            frames_refused: Labelled::new(&FRAMES_REFUSED, "reason", REFUSED_LABELS.iter().copied()),
            events: EVENTS.counter(&[]),
            events_refused: Labelled::new(&EVENTS_REFUSED, "reason", Unfit::LABELS.iter().copied()),
            events_repeated: EVENTS_REPEATED.counter(&[]),
            events_lost: Labelled::new(&EVENTS_LOST, "reason", LossReason::ALL.map(LossReason::label)),
            batches: BATCHES.counter(&[]),
            uploads_sent: UPLOADS_SENT.counter(&[]),
            uploads_acknowledged: UPLOADS_ACKNOWLEDGED.counter(&[]),
            unacknowledged_bytes: UNACKNOWLEDGED_BYTES.gauge(&[]),
            connects: CONNECTS.counter(&[]),
            connect_errors: CONNECT_ERRORS.counter(&[]),
            differing_forms: DIFFERING_FORMS.gauge(&[]),
            events_abandoned: EVENTS_ABANDONED.counter(&[]),
            spool_bytes: SPOOL_BYTES.gauge(&[]),
            spool_occupancy: SPOOL_OCCUPANCY.gauge(&[]),
            spool_states: STATES.map(|(state, label)| (state, SPOOL_STATE.gauge(&[("state", label)]))),
            spool_unsent: SPOOL_UNSENT.gauge(&[]),
            spool_reads: SPOOL_READS.counter(&[]),
            closed_buckets: CLOSED_BUCKETS.gauge(&[]),
            events_shed: EVENTS_SHED.counter(&[]),
            batches_resealed: BATCHES_RESEALED.counter(&[]),
            kept_values: KEPT_VALUES.gauge(&[]),
            kept_bytes: KEPT_BYTES.gauge(&[]),
            values_let_go: Labelled::new(&VALUES_LET_GO, "reason", ["age", "room"]),
            recalls: Labelled::new(
                &RECALLS,
                "result",
                RECALLED.into_iter().chain(NoValue::ALL.map(NoValue::label)),
            ),
            throttled: THROTTLED.counter(&[]),
        }
    }

    /// Shows the state that the spool is in.
    pub(crate) fn show_state(&self, now: State) {
        for (state, gauge) in &self.spool_states {
            gauge.set(if *state == now { 1.0 } else { 0.0 });
        }
    }
}

/// One counter for each value of a label.
pub(crate) struct Labelled(HashMap<&'static str, Counter>);

impl Labelled {
    fn new(metric: &Metric, label: &'static str, values: impl IntoIterator<Item = &'static str>) -> Self {
        Self(values.into_iter().map(|value| (value, metric.counter(&[(label, value)]))).collect())
    }

    /// Adds to the counter of `value`.
    pub(crate) fn add(&self, value: &'static str, count: u64) {
        debug_assert!(self.0.contains_key(value), "{value} is not in the list of labels");
        if let Some(counter) = self.0.get(value) {
            counter.increment(count);
        }
    }
}
