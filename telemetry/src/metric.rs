//! The catalogue of metrics.
//!
//! Every metric of the house is a [`Metric`] static in its crate's `metrics` module. Handles are made once, where a
//! component is built, and kept: an update is then one atomic addition. Making a handle makes the series exist, at 0, so
//! that rates and ratios are right from the first scrape.
//!
//! # Invariants
//!
//! - Label values come from configuration or from a closed list, never from data: the number of series is bounded.

use crate::exemplars::{self, Exemplar};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Unit};
use std::fmt::Write;

static METADATA: Metadata<'static> = Metadata::new("counterfoil", Level::INFO, None);

/// What a metric does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The declaration of one metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Its name: `counterfoil_<stage>_<noun>_<unit>`, with `_total` behind a counter's.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// The unit in words, such as `seconds`, `bytes` or `events`.
    pub unit: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells, in one sentence.
    pub help: &'static str,
}

impl Metric {
    /// Gives the help text to the recorder.
    pub fn describe(&self) {
        let (name, unit) = (KeyName::from_const_str(self.name), Unit::from_string(self.unit));
        metrics::with_recorder(|recorder| match self.kind {
            Kind::Counter => recorder.describe_counter(name, unit, self.help.into()),
            Kind::Gauge => recorder.describe_gauge(name, unit, self.help.into()),
            Kind::Histogram => recorder.describe_histogram(name, unit, self.help.into()),
        });
    }

    /// The counter with these label values; it exists from now on.
    pub fn counter(&self, labels: &[(&'static str, &str)]) -> Counter {
        let key = self.key(Kind::Counter, labels);
        metrics::with_recorder(|recorder| recorder.register_counter(&key, &METADATA))
    }

    /// Notes the trace of what the counter with these label values counted just now, as its exemplar in place of the one before.
    /// It shows once the counter exists.
    pub fn exemplify(&self, labels: &[(&'static str, &str)], trace_id: [u8; 16]) {
        debug_assert!(
            self.has_labels(labels),
            "{} has the labels {:?}, not those of {labels:?}",
            self.name,
            self.labels
        );
        let at_unix_ns = counterfoil_clock::wall_unix_ns();
        exemplars::keep(self.name, labels, Exemplar { trace_id, at_unix_ns });
    }

    /// The gauge with these label values; it exists from now on.
    pub fn gauge(&self, labels: &[(&'static str, &str)]) -> Gauge {
        let key = self.key(Kind::Gauge, labels);
        metrics::with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
    }

    /// The histogram with these label values; it exists from now on.
    pub fn histogram(&self, labels: &[(&'static str, &str)]) -> Histogram {
        let key = self.key(Kind::Histogram, labels);
        metrics::with_recorder(|recorder| recorder.register_histogram(&key, &METADATA))
    }

    fn key(&self, kind: Kind, labels: &[(&'static str, &str)]) -> Key {
        debug_assert_eq!(self.kind, kind, "{} is used as another kind of metric", self.name);
        debug_assert!(
            self.has_labels(labels),
            "{} has the labels {:?}, not those of {labels:?}",
            self.name,
            self.labels
        );
        let labels: Vec<_> = labels.iter().map(|&(name, value)| Label::new(name, value.to_owned())).collect();
        Key::from_parts(self.name, labels)
    }

    fn has_labels(&self, labels: &[(&'static str, &str)]) -> bool {
        labels.iter().map(|(name, _)| name).eq(self.labels)
    }
}

/// The catalogue as Markdown: a heading and a table for each section.
#[must_use]
pub fn catalogue_markdown(sections: &[(&str, &[&Metric])]) -> String {
    let mut text = String::new();
    for (at, (title, metrics)) in sections.iter().enumerate() {
        let gap = if at == 0 { "" } else { "\n" };
        let head = "| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n";
        // Writing to a String cannot fail.
        write!(text, "{gap}## {title}\n\n{head}").unwrap_or_default();
        for metric in *metrics {
            let Metric { name, kind, unit, labels, help } = metric;
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            writeln!(text, "| `{name}` | {} | {unit} | {labels} | {help} |", kind.name()).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Metric = Metric {
        name: "counterfoil_test_read_bytes_total",
        kind: Kind::Counter,
        unit: "bytes",
        labels: &["map"],
        help: "Bytes read.",
    };

    #[test]
    fn the_catalogue_is_a_table_per_section() {
        let expected = "## Sidecar\n\n| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n\
            | `counterfoil_test_read_bytes_total` | counter | bytes | `map` | Bytes read. |\n";
        assert_eq!(catalogue_markdown(&[("Sidecar", &[&BYTES])]), expected);
        assert!(catalogue_markdown(&[("A", &[]), ("B", &[&BYTES])]).contains("|\n\n## B\n"));
    }

    #[test]
    #[should_panic(expected = "has the labels [\"map\"]")]
    fn a_label_that_was_not_declared_is_caught_in_tests() {
        let _counter = BYTES.counter(&[("key", "x")]);
    }
}
