//! The catalogue of the comparator's metrics.

use counterfoil_telemetry::{Kind, Metric};

macro_rules! catalogue {
    ($($name:ident: $kind:ident $metric:literal [$($label:literal),*] $unit:literal $help:literal;)*) => {
        $(
            #[doc = $help]
            pub(crate) static $name: Metric = Metric {
                name: $metric, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help,
            };
        )*
        /// Every metric of the comparator.
        pub(crate) static ALL: &[&Metric] =
            &[$(&$name),*, &counterfoil_telemetry::DROPPED, &counterfoil_tls::INSECURE, &counterfoil_tls::RELOADS, &counterfoil_tls::REMAINING];
    };
}

catalogue! {
    BATCHES: Counter "counterfoil_receiver_batches_total" [] "batches" "Batches taken in.";
    REFUSED: Counter "counterfoil_receiver_refused_batches_total" ["reason"] "batches"
        "Batches refused: of a tenant or service that is not allowed or not known, under a wrong key, with a wrong code or \
         signature, out of order, malformed, too large, or of too many sources.";
    REFUSED_PEERS: Counter "counterfoil_receiver_refused_peers_total" ["reason"] "peers"
        "Callers not let in, by what was wrong with their certificate or handshake, or for want of room; `no_rule` for streams of those \
        whom `clients` does not name; `expired` also for streams that outlived a certificate.";
    CHAINS_BEGUN: Counter "counterfoil_intake_chains_begun_total" [] "chains"
        "Chains of batches begun anew for a source that was known: its sidecar was started over.";
    JOURNAL_BYTES: Gauge "counterfoil_journal_used_bytes" [] "bytes" "Bytes that the journal takes.";
    JOURNAL_UNCOVERED: Counter "counterfoil_journal_uncovered_events_total" [] "events"
        "Events without an outcome that the journal had no room for any more. They have one all the same, unless the
        comparator ends before.";
    JOURNAL_REPLAYED: Counter "counterfoil_journal_replayed_entries_total" ["events"] "entries"
        "Entries of the journal taken again at the start: with open events, over, refused, or lost.";
    EVENTS: Counter "counterfoil_receiver_events_total" ["map"] "events"
        "Events accepted, each once, however many stores its map has; `other` for maps without a contract.";
    DUPLICATES: Counter "counterfoil_receiver_duplicate_events_total" [] "events"
        "Events that came again and were not applied again.";
    LOST: Counter "counterfoil_receiver_lost_events_total" ["reason"] "events" "Events declared lost.";
    UNDECLARED: Counter "counterfoil_receiver_undeclared_events_total" [] "events"
        "Sequence numbers missing that nobody declared lost. Anything but 0 is an alert.";
    CLOCK_EPOCHS: Counter "counterfoil_receiver_clock_epochs_total" [] "epochs"
        "Clocks of other machines that jumped, so that their bounds began anew.";
    CLOCK_ERROR: Gauge "counterfoil_receiver_clock_error_seconds" ["quantile"] "seconds"
        "Clock error of other machines heard of within 5 minutes: the median (0.5) and the worst (1); NaN without any.";
    CLOCK_DOMAINS: Gauge "counterfoil_receiver_clock_domains" ["state"] "domains"
        "Clock domains of other machines heard of within 5 minutes: bounded, or unbounded so that nothing is concluded.";
    OUTCOMES: Counter "counterfoil_outcome_events_total" ["map", "store", "outcome"] "events"
        "Events ended: confirmed, superseded, divergent, undetermined or shed; each once for every store of its map.";
    UNDETERMINED: Counter "counterfoil_outcome_undetermined_events_total" ["map", "store", "reason"] "events"
        "Events that ended undetermined, by reason.";
    SHED: Counter "counterfoil_outcome_shed_events_total" ["map", "store", "reason"] "events"
        "Events that were left out, by reason: for want of room, or because their keys are not in the contract's sample.";
    COHORTS: Counter "counterfoil_outcome_cohort_events_total" ["map", "store", "cohort", "outcome"] "events"
        "Events ended, by cohort, for maps whose contract names some; the events of others are `other`.";
    VERDICTS: Counter "counterfoil_judge_verdicts_total" ["map", "store", "verdict"] "verdicts" "Verdicts, one per observation.";
    CALIBRATION: Gauge "counterfoil_judge_calibration_checks" ["map", "store", "state"] "checks"
        "Whether both sides write values in the same form: 1 for the state that holds, of calibrating, calibrated and
        uncalibrated. Uncalibrated is an alert: nearly every value of the store is in a form that the map's side never reports.";
    LAG: Histogram "counterfoil_outcome_lag_seconds" ["map", "store"] "seconds"
        "From the end of the map's change until the store was seen to agree.";
    WITHIN: Counter "counterfoil_outcome_within_events_total" ["map", "store", "age"] "events"
        "Events whose write was seen to agree within the age: 1s, 10s, 1m, 5m or the contract's deadline.";
    TURNS: Counter "counterfoil_divergence_turns_total" ["map", "store", "kind", "turn", "severity"] "divergences"
        "Divergences opened, confirmed and resolved; the severity is that of the map's contract.";
    OPEN_EVENTS: Gauge "counterfoil_table_open_events" ["map", "store"] "events" "Events without an outcome yet.";
    KEYS: Gauge "counterfoil_table_keys" ["map", "store"] "keys" "Keys in the table.";
    MERGES: Counter "counterfoil_table_merges_total" [] "merges"
        "Times that a key had so many concurrent writes that half of them were merged; it is judged on, less sharply.";
    CLOSED_BUCKETS: Gauge "counterfoil_table_closed_buckets" [] "buckets"
        "Of 1,024 key buckets, those that take no new keys because the table is full of keys that wait.";
    REOPENED_BUCKETS: Counter "counterfoil_table_reopened_buckets_total" [] "buckets"
        "Key buckets that were opened again.";
    FIRST_DELAY: Gauge "counterfoil_prober_first_delay_seconds" ["map", "store"] "seconds"
        "From a write until its key is first probed: the learned 95th percentile of the map's lag.";
    OPEN_DIVERGENCES: Gauge "counterfoil_divergence_open" ["map", "store", "severity"] "divergences"
        "Divergences not resolved; the severity is that of the map's contract.";
    IGNORED: Gauge "counterfoil_divergence_ignored" ["map", "store", "severity"] "divergences"
        "Of the divergences not resolved, those that somebody ignores.";
    READS: Counter "counterfoil_prober_reads_total" ["store"] "reads" "Round trips to the store.";
    READ_KEYS: Counter "counterfoil_prober_read_keys_total" ["store"] "keys" "Keys looked up in the store.";
    MAP_READ_KEYS: Counter "counterfoil_prober_map_read_keys_total" ["map", "store"] "keys"
        "Keys of the map looked up in the store.";
    READ_TWICE: Counter "counterfoil_prober_read_twice_keys_total" ["map", "store", "result"] "keys"
        "Keys that were read twice in a row, each once, as long as values of the two sides were not seen to agree: both answers were the
        same, or one differs from the other. Where nearly all do, the store's query gives another value for the same row each time.";
    READ_ERRORS: Counter "counterfoil_prober_read_errors_total" ["store", "reason"] "reads"
        "Round trips that told nothing, by reason.";
    KEY_ERRORS: Counter "counterfoil_prober_key_errors_total" ["store"] "keys"
        "Keys or values that the store or the codec cannot represent.";
    READ_SECONDS: Histogram "counterfoil_prober_read_seconds" ["store"] "seconds" "Time of a round trip to the store.";
    PROBE_DELAY: Histogram "counterfoil_prober_delay_seconds" ["store"] "seconds"
        "From the instant at which the first key of a read was due until the read was sent off.";
    ALLOWED: Gauge "counterfoil_prober_allowed_keys_per_second" ["store"] "keys per second"
        "Keys a second that may be read of the store now; +Inf for as many as it bears.";
    STORE_STATE: Gauge "counterfoil_prober_store_state" ["store", "state"] "stores"
        "1 for the state that the store is in: healthy, slow (read less than its budget allows, or so until a few seconds ago), \
         refusing (it refuses the query of a map) or down (it does not answer); 0 for the others.";
    SWEEP_KEYS: Counter "counterfoil_sweep_keys_total" ["store"] "keys"
        "Keys that nobody wrote to, taken up to be read again.";
    SWEEP_ROUNDS: Counter "counterfoil_sweep_rounds_total" ["store"] "rounds" "Rounds over these keys completed.";
    SWEEP_ROUND_SECONDS: Gauge "counterfoil_sweep_round_seconds" ["store"] "seconds"
        "How long the last round over these keys took; NaN before there was one.";
    SWEEP_ROWS: Counter "counterfoil_sweep_rows_total" ["map", "store", "row"] "rows"
        "Rows that the store was gone through: of keys that a source told of (known); that no map knows and that are looked at
        again, or told as orphans (suspected); or unknown, because not every source of the map has told all that it holds
        (no_snapshot), something was lost or forgotten since (doubt), values were not seen to agree yet (representation), or there
        is no room for more (room).";
    SWEEP_AGREEING: Counter "counterfoil_sweep_agreeing_rows_total" ["map", "store"] "rows"
        "Of the known rows those that agreed with a key at rest, which need not be looked up again.";
    SWEEP_SCANS: Counter "counterfoil_sweep_scans_total" ["map", "store"] "rounds" "Rounds over these rows completed.";
    WAITING: Gauge "counterfoil_prober_waiting_observations" [] "observations"
        "Observations that wait for the sources' watermarks.";
    SOURCES: Gauge "counterfoil_source_sources" ["phase"] "sources" "Sources by phase: live, ended, lost or expired.";
    SOURCES_LOST: Counter "counterfoil_source_lost_total" [] "sources" "Sources that fell silent.";
    LEDGER_LEADS: Gauge "counterfoil_ledger_leads" [] "comparators" "1 where this comparator does what is done once over all that share the ledger: notifications and retention; else 0.";
    LEDGER_RETRIES: Gauge "counterfoil_ledger_retries" [] "writes" "Tries in a row to write the ledger that did not succeed; 0 while it can be written.";
    EVIDENCE_WRITTEN: Counter "counterfoil_evidence_written_total" [] "bundles" "Bundles of evidence written.";
    EVIDENCE_SECONDS: Histogram "counterfoil_evidence_write_seconds" [] "seconds"
        "Time that a bundle of evidence took: to gather what it says, to sign it, and to have it on the disk; not the time that it waited.";
    EVIDENCE_SKIPPED: Counter "counterfoil_evidence_skipped_total" ["reason"] "bundles"
        "Bundles of evidence left out: more divergences were confirmed at once than could be written (queue), the disk did not take
        them (disk), or the comparator stopped before it had written them (stop).";
    EVIDENCE_EXPIRED: Counter "counterfoil_evidence_expired_total" ["reason"] "bundles"
        "Bundles of evidence deleted because they were too old (age), or took too much room together (bytes).";
    EVIDENCE_BYTES: Gauge "counterfoil_evidence_used_bytes" [] "bytes" "Bytes that all bundles of evidence take.";
    NOTIFY_MESSAGES: Counter "counterfoil_notify_messages_total" ["receiver", "result"] "messages"
        "Messages about divergences delivered, tried again (each attempt), or dead: refused for good, or given up.";
    NOTIFY_PENDING: Gauge "counterfoil_notify_pending" ["receiver"] "turns"
        "Turns of divergences that the receiver was not told of yet.";
    NOTIFY_OLDEST: Gauge "counterfoil_notify_oldest_pending_seconds" ["receiver"] "seconds"
        "How long ago the oldest came of what the receiver is to be told; 0 for nothing.";
    NOTIFY_FOLDED: Counter "counterfoil_notify_folded_total" ["receiver"] "turns"
        "Turns told later than they could have been, with those of a later message, as the receiver did not answer or is not to get
        more messages in a minute.";
    GATE_CHECKS: Counter "counterfoil_gate_checks_total" ["map", "result"] "answers"
        "Answers of the gate about the map: pass, insufficient or fail.";
    GATE_BEHIND: Gauge "counterfoil_gate_verified_through_seconds_behind" ["map", "store"] "seconds"
        "How old the instant is until which every event has an outcome; NaN while a live source has promised nothing that can be placed.";
    RECALLS: Counter "counterfoil_recall_recalls_total" ["result"] "recalls"
        "Values asked for of sidecars, by what came of it: the value, or it with masked fields; none, because the sidecar does not know it, has let
        go of it (expired), keeps none of the map (off), was too large, does not answer recalls (unsupported), was gone, late or busy;
        or a sidecar does not keep to the protocol: it told another value than it reported (mismatch), or answered what nobody asked
        for (unasked).";
    VALUES_READ: Counter "counterfoil_recall_accesses_total" ["map"] "accesses"
        "Times that an operator had the values of a divergence shown.";
    REPAIRS: Counter "counterfoil_repair_repairs_total" ["map", "result"] "repairs"
        "Repairs by what became of them: applied, overtaken (somebody else wrote to the key, and nothing was done), refused, failed,
        undone, handed (to a webhook); of those applied or handed also confirmed (the divergence was seen to be over) and recurred (it
        came back).";
    REPAIR_BREAKER: Gauge "counterfoil_repair_breaker_open" ["map"] "breakers"
        "1 while repairs of the map are stopped until an operator lets them go on. Anything but 0 is an alert.";
    INVARIANTS: Counter "counterfoil_invariant_violations_total" ["id"] "violations"
        "Breaches of the comparator's own invariants: P3 (an event ended twice), divergence_order (a divergence was
        confirmed or resolved that was not opened). Anything but 0 is a bug.";
}
