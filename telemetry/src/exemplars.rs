//! Exemplars: for a count, the trace of the latest of what it counted.
//!
//! Each series has at most one, and series are bounded ([`Metric`](crate::Metric)): so are exemplars.

use metrics_exporter_prometheus::formatting::sanitize_label_value;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Of each series, by its name and labels as the recorder tells them.
pub(crate) type Exemplars = BTreeMap<String, Exemplar>;

/// The trace of one of those that were counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Exemplar {
    /// Which.
    pub(crate) trace_id: [u8; 16],
    /// When it was counted: wall-clock time, nanoseconds since 1970.
    pub(crate) at_unix_ns: i64,
}

/// Of the process, as its recorder.
static LATEST: Mutex<Exemplars> = Mutex::new(BTreeMap::new());

/// Keeps the exemplar of a series, in place of the one before.
pub(crate) fn keep(name: &str, labels: &[(&'static str, &str)], exemplar: Exemplar) {
    LATEST.lock().unwrap_or_else(PoisonError::into_inner).insert(series(name, labels), exemplar);
}

/// The exemplars that there are now.
pub(crate) fn latest() -> Exemplars {
    LATEST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A series as the recorder tells it.
fn series(name: &str, labels: &[(&'static str, &str)]) -> String {
    let label = |&(name, value): &(&str, &str)| format!("{name}=\"{}\"", sanitize_label_value(value));
    let labels: Vec<_> = labels.iter().map(label).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}
