//! What stands on each dashboard.

use super::{Dashboard, Kind, Panel, Row, Unit};

const fn panel(
    title: &'static str,
    about: &'static str,
    (kind, unit): (Kind, Unit),
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, about, kind, unit, queries }
}

/// Whether all is well, over all maps.
pub(super) static OVERVIEW: Dashboard = Dashboard {
    name: "overview",
    title: "Overview",
    variables: &[],
    rows: &[
        Row(&[
            panel(
                "Diff rate, 1 h",
                "Of the writes that were checked within the last hour, those that diverge.",
                (Kind::Stat, Unit::Share),
                &[(
                    "sum(increase(counterfoil_outcome_events_total{outcome=\"divergent\"}[1h])) / (sum(increase(counterfoil_outcome_events_total{outcome=~\"confirmed|divergent\"}[1h])) > 0)",
                    "",
                )],
            ),
            panel(
                "Open divergences",
                "Disagreements that are not resolved, of all maps.",
                (Kind::Stat, Unit::Count),
                &[("sum(counterfoil_divergence_open)", "")],
            ),
            panel(
                "Coverage, 1 h",
                "Of the events that ended, those about which something was said: confirmed, divergent or superseded.",
                (Kind::Stat, Unit::Share),
                &[(
                    "sum(increase(counterfoil_outcome_events_total{outcome=~\"confirmed|divergent|superseded\"}[1h])) / (sum(increase(counterfoil_outcome_events_total[1h])) > 0)",
                    "",
                )],
            ),
            panel(
                "Live sources",
                "Processes that report.",
                (Kind::Stat, Unit::Count),
                &[("sum(counterfoil_source_sources{phase=\"live\"})", "")],
            ),
            panel(
                "Lost or undeclared, 1 h",
                "Events that were declared lost, and numbers missing that nobody declared.",
                (Kind::Stat, Unit::Count),
                &[(
                    "sum(increase(counterfoil_receiver_lost_events_total[1h])) + sum(increase(counterfoil_receiver_undeclared_events_total[1h]))",
                    "",
                )],
            ),
            panel(
                "Invariants broken",
                "Breaches of the comparator's own rules since its start. Anything but 0 is a bug.",
                (Kind::Stat, Unit::Count),
                &[("sum(counterfoil_invariant_violations_total)", "")],
            ),
        ]),
        Row(&[
            panel(
                "Diff rate by map",
                "Divergent over checked writes, of each map and store.",
                (Kind::Lines, Unit::Share),
                &[(
                    "sum by (map, store) (rate(counterfoil_outcome_events_total{outcome=\"divergent\"}[5m])) / (sum by (map, store) (rate(counterfoil_outcome_events_total{outcome=~\"confirmed|divergent\"}[5m])) > 0)",
                    "{{map}} in {{store}}",
                )],
            ),
            panel(
                "Events",
                "Events accepted, by map.",
                (Kind::Stacked, Unit::PerSecond),
                &[("sum by (map) (rate(counterfoil_receiver_events_total[$__rate_interval]))", "{{map}}")],
            ),
        ]),
        Row(&[
            panel(
                "Lag, 99th percentile",
                "From the end of the map's change until the store was seen to agree.",
                (Kind::Lines, Unit::Seconds),
                &[(
                    "histogram_quantile(0.99, sum by (le, map, store) (rate(counterfoil_outcome_lag_seconds_bucket[5m])))",
                    "{{map}} in {{store}}",
                )],
            ),
            panel(
                "Open divergences by map",
                "Disagreements that are not resolved.",
                (Kind::Stacked, Unit::Count),
                &[("sum by (map, store) (counterfoil_divergence_open)", "{{map}} in {{store}}")],
            ),
        ]),
        Row(&[
            panel(
                "Events without an outcome",
                "They wait to be checked. It should follow the traffic, not grow.",
                (Kind::Lines, Unit::Count),
                &[("sum by (map, store) (counterfoil_table_open_events)", "{{map}} in {{store}}")],
            ),
            panel(
                "Uncalibrated maps",
                "1 for a map whose values have another form in the store: its unknown values are not told one by one.",
                (Kind::Lines, Unit::Count),
                &[("counterfoil_judge_calibration_checks{state=\"uncalibrated\"}", "{{map}} in {{store}}")],
            ),
        ]),
    ],
};

/// One map, or some.
pub(super) static MAP: Dashboard = Dashboard {
    name: "map",
    title: "Map",
    variables: &[("map", "counterfoil_outcome_events_total"), ("store", "counterfoil_outcome_events_total")],
    rows: &[
        Row(&[
            panel(
                "How events end",
                "Each event ends in exactly one outcome.",
                (Kind::Stacked, Unit::PerSecond),
                &[(
                    "sum by (outcome) (rate(counterfoil_outcome_events_total{map=~\"$map\",store=~\"$store\"}[$__rate_interval]))",
                    "{{outcome}}",
                )],
            ),
            panel(
                "What reads proved",
                "Verdicts, one per observation.",
                (Kind::Stacked, Unit::PerSecond),
                &[(
                    "sum by (verdict) (rate(counterfoil_judge_verdicts_total{map=~\"$map\",store=~\"$store\"}[$__rate_interval]))",
                    "{{verdict}}",
                )],
            ),
        ]),
        Row(&[
            panel(
                "Divergences by kind",
                "Confirmed: they outlived the deadline.",
                (Kind::Stacked, Unit::Count),
                &[(
                    "sum by (kind) (increase(counterfoil_divergence_turns_total{turn=\"confirmed\",map=~\"$map\",store=~\"$store\"}[$__rate_interval]))",
                    "{{kind}}",
                )],
            ),
            panel(
                "Open divergences",
                "Not resolved.",
                (Kind::Lines, Unit::Count),
                &[(
                    "sum by (map, store) (counterfoil_divergence_open{map=~\"$map\",store=~\"$store\"})",
                    "{{map}} in {{store}}",
                )],
            ),
        ]),
        Row(&[
            panel(
                "Lag",
                "From the end of the map's change until the store was seen to agree.",
                (Kind::Lines, Unit::Seconds),
                &[
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(counterfoil_outcome_lag_seconds_bucket{map=~\"$map\",store=~\"$store\"}[5m])))",
                        "median",
                    ),
                    (
                        "histogram_quantile(0.95, sum by (le) (rate(counterfoil_outcome_lag_seconds_bucket{map=~\"$map\",store=~\"$store\"}[5m])))",
                        "95 %",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(counterfoil_outcome_lag_seconds_bucket{map=~\"$map\",store=~\"$store\"}[5m])))",
                        "99 %",
                    ),
                ],
            ),
            panel(
                "Agreeing within",
                "Of the writes of which it is known whether they agreed, those seen to agree within an age. 1 minus this, in tenths, is the number of nines.",
                (Kind::Lines, Unit::Share),
                &[(
                    "sum by (age) (rate(counterfoil_outcome_within_events_total{map=~\"$map\",store=~\"$store\"}[5m])) / on () group_left () (sum(rate(counterfoil_outcome_events_total{map=~\"$map\",store=~\"$store\",outcome=~\"confirmed|divergent\"}[5m])) > 0)",
                    "{{age}}",
                )],
            ),
        ]),
        Row(&[
            panel(
                "Why nothing was said",
                "Undetermined events by reason.",
                (Kind::Stacked, Unit::PerSecond),
                &[(
                    "sum by (reason) (rate(counterfoil_outcome_undetermined_events_total{map=~\"$map\",store=~\"$store\"}[$__rate_interval]))",
                    "{{reason}}",
                )],
            ),
            panel(
                "Keys and open events",
                "In the table.",
                (Kind::Lines, Unit::Count),
                &[
                    ("sum(counterfoil_table_keys{map=~\"$map\",store=~\"$store\"})", "keys"),
                    ("sum(counterfoil_table_open_events{map=~\"$map\",store=~\"$store\"})", "open events"),
                ],
            ),
            panel(
                "First look",
                "From a write until its key is first read: the learned 95th percentile of the lag.",
                (Kind::Lines, Unit::Seconds),
                &[(
                    "counterfoil_prober_first_delay_seconds{map=~\"$map\",store=~\"$store\"}",
                    "{{map}} in {{store}}",
                )],
            ),
        ]),
    ],
};

/// Those who report: applications and their sidecars.
pub(super) static SOURCE: Dashboard = Dashboard {
    name: "source",
    title: "Sources and sidecars",
    variables: &[("instance", "counterfoil_session_events_total")],
    rows: &[
        Row(&[
            panel(
                "Sources",
                "By phase. A lost one puts every key in doubt.",
                (Kind::Stacked, Unit::Count),
                &[("sum by (phase) (counterfoil_source_sources)", "{{phase}}")],
            ),
            panel(
                "Events lost",
                "Declared lost, by reason, and missing without a word.",
                (Kind::Stacked, Unit::PerSecond),
                &[
                    (
                        "sum by (reason) (rate(counterfoil_receiver_lost_events_total[$__rate_interval]))",
                        "{{reason}}",
                    ),
                    (
                        "sum(rate(counterfoil_receiver_undeclared_events_total[$__rate_interval]))",
                        "undeclared",
                    ),
                ],
            ),
            panel(
                "Clock error",
                "Of other machines: the legs of their writes are wider by it. Empty where all share one machine.",
                (Kind::Lines, Unit::Seconds),
                &[("max by (quantile) (counterfoil_receiver_clock_error_seconds)", "quantile {{quantile}}")],
            ),
        ]),
        Row(&[
            panel(
                "Events taken in",
                "By sidecar.",
                (Kind::Stacked, Unit::PerSecond),
                &[(
                    "sum by (instance) (rate(counterfoil_session_events_total{instance=~\"$instance\"}[$__rate_interval]))",
                    "{{instance}}",
                )],
            ),
            panel(
                "Batches not acknowledged",
                "Bytes that the comparator has not taken over.",
                (Kind::Lines, Unit::Bytes),
                &[("counterfoil_uplink_unacknowledged_bytes{instance=~\"$instance\"}", "{{instance}}")],
            ),
        ]),
        Row(&[
            panel(
                "Spool",
                "Share of its room that is taken. Above nine tenths events are shed.",
                (Kind::Lines, Unit::Share),
                &[("counterfoil_spool_occupancy_ratio{instance=~\"$instance\"}", "{{instance}}")],
            ),
            panel(
                "Lost at the sidecar",
                "Events declared lost by emitters and sidecars.",
                (Kind::Stacked, Unit::PerSecond),
                &[(
                    "sum by (reason) (rate(counterfoil_session_lost_events_total{instance=~\"$instance\"}[$__rate_interval]))",
                    "{{reason}}",
                )],
            ),
            panel(
                "Streams to the comparator",
                "Opened, and broken.",
                (Kind::Lines, Unit::Count),
                &[
                    (
                        "sum(increase(counterfoil_uplink_connects_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "opened",
                    ),
                    (
                        "sum(increase(counterfoil_uplink_errors_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "broken",
                    ),
                ],
            ),
        ]),
    ],
};

/// The stores, and what reading them costs.
pub(super) static STORE: Dashboard = Dashboard {
    name: "store",
    title: "Store",
    variables: &[("store", "counterfoil_prober_reads_total")],
    rows: &[
        Row(&[
            panel(
                "State",
                "1 for the state that a store is in.",
                (Kind::Lines, Unit::Count),
                &[("counterfoil_prober_store_state{store=~\"$store\"} == 1", "{{store}} {{state}}")],
            ),
            panel(
                "Keys read",
                "Looked up each second, beside what the budget allows.",
                (Kind::Lines, Unit::PerSecond),
                &[
                    (
                        "sum by (store) (rate(counterfoil_prober_read_keys_total{store=~\"$store\"}[$__rate_interval]))",
                        "{{store}}",
                    ),
                    (
                        "counterfoil_prober_allowed_keys_per_second{store=~\"$store\"} < Inf",
                        "{{store}} allowed",
                    ),
                ],
            ),
        ]),
        Row(&[
            panel(
                "Time of a read",
                "Of a round trip, whatever number of keys it had.",
                (Kind::Lines, Unit::Seconds),
                &[
                    (
                        "histogram_quantile(0.5, sum by (le, store) (rate(counterfoil_prober_read_seconds_bucket{store=~\"$store\"}[5m])))",
                        "{{store}} median",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le, store) (rate(counterfoil_prober_read_seconds_bucket{store=~\"$store\"}[5m])))",
                        "{{store}} 99 %",
                    ),
                ],
            ),
            panel(
                "Probe delay, 95th percentile",
                "How long after it was due a read was sent off. Towards the deadline the budget is too small.",
                (Kind::Lines, Unit::Seconds),
                &[(
                    "histogram_quantile(0.95, sum by (le, store) (rate(counterfoil_prober_delay_seconds_bucket{store=~\"$store\"}[5m])))",
                    "{{store}}",
                )],
            ),
        ]),
        Row(&[
            panel(
                "Reads that told nothing",
                "By reason.",
                (Kind::Stacked, Unit::PerSecond),
                &[(
                    "sum by (store, reason) (rate(counterfoil_prober_read_errors_total{store=~\"$store\"}[$__rate_interval]))",
                    "{{store}} {{reason}}",
                )],
            ),
            panel(
                "Keys per read",
                "How well reads are batched.",
                (Kind::Lines, Unit::Count),
                &[(
                    "sum by (store) (rate(counterfoil_prober_read_keys_total{store=~\"$store\"}[5m])) / (sum by (store) (rate(counterfoil_prober_reads_total{store=~\"$store\"}[5m])) > 0)",
                    "{{store}}",
                )],
            ),
            panel(
                "Sweep",
                "Keys that nobody wrote to, taken up to be read again.",
                (Kind::Lines, Unit::PerSecond),
                &[(
                    "sum by (store) (rate(counterfoil_sweep_keys_total{store=~\"$store\"}[$__rate_interval]))",
                    "{{store}}",
                )],
            ),
        ]),
    ],
};
