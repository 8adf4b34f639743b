//! The end of a demo: what was planted, found, missed and falsely alarmed, and the figures of the run.

use super::api::{MapSummary, Outcomes};
use super::hot::HOT_KEYS;
use super::tally::{ELSEWHERE, Tally, sum};
use crate::output::{Output, figure, plain_table};
use crate::plant::Plant;
use comfy_table::{Cell, Table};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

/// Everything a demo found out.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) events: u64,
    pub(super) events_per_second: f64,
    pub(super) outcomes: Outcomes,
    pub(super) planted: Counts,
    pub(super) found: Counts,
    pub(super) missed: Counts,
    pub(super) false_alarms: Counts,
    pub(super) lag_ms: Percentiles,
    pub(super) detection_ms: Percentiles,
    /// Of the events that ended, the share that was confirmed or found divergent; `None` if none ended.
    pub(super) coverage: Option<f64>,
    /// `None` in a run without hot keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hot: Option<HotReport>,
}

/// What became of the writes to hot keys, which the report's other figures include.
#[derive(Serialize)]
pub(super) struct HotReport {
    keys: usize,
    writes: u64,
    pub(super) outcomes: Outcomes,
    lag_ms: Percentiles,
}

impl HotReport {
    /// From the figures of the hot keys' map.
    pub(super) fn of(map: &MapSummary) -> Self {
        let (outcomes, lag_ms) = (map.outcomes, map.lag_ms.unwrap_or_default());
        Self { keys: HOT_KEYS, writes: outcomes.total(), outcomes, lag_ms }
    }
}

/// Counts per row; written with their total.
pub(super) struct Counts(pub(super) BTreeMap<&'static str, u64>);

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let total = ("total", sum(&self.0));
        serializer.collect_map(self.0.iter().map(|(&name, &count)| (name, count)).chain([total]))
    }
}

/// Percentiles in milliseconds; `None` where there was nothing to measure.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) max: Option<f64>,
}

impl Percentiles {
    /// Of figures in ascending order: each percentile is the smallest figure that so many of a hundred do not exceed.
    pub(super) fn of(ascending: &[f64]) -> Self {
        let at = |percent: usize| {
            let rank = (ascending.len() * percent).div_ceil(100);
            ascending.get(rank.saturating_sub(1)).copied()
        };
        Self { p50: at(50), p95: at(95), p99: at(99), max: ascending.last().copied() }
    }

    fn figures(&self) -> [Option<f64>; 4] {
        [self.p50, self.p95, self.p99, self.max]
    }
}

impl Report {
    /// Prints it.
    pub(super) fn write(&self, output: Output, out: &mut dyn Write) -> io::Result<()> {
        match output {
            Output::Json => {
                serde_json::to_writer(&mut *out, self)?;
                writeln!(out)
            }
            Output::Table => self.write_tables(out),
        }
    }

    fn write_tables(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.bugs().trim_fmt())?;
        writeln!(out, "{}\n", self.delays().trim_fmt())?;
        writeln!(
            out,
            "{} events, {:.0} per second, coverage {}",
            self.events,
            self.events_per_second,
            self.coverage.map_or("-".to_owned(), |coverage| format!("{coverage:.3}"))
        )?;
        writeln!(out, "{}", self.outcomes)?;
        if let Some(HotReport { keys, writes, outcomes, .. }) = &self.hot {
            writeln!(out, "\n{writes} of them on {keys} hot keys\n{outcomes}")?;
        }
        Ok(())
    }

    fn bugs(&self) -> Table {
        let mut bugs = plain_table(["bug", "planted", "found", "missed", "false alarms"]);
        let columns = [&self.planted, &self.found, &self.missed, &self.false_alarms];
        let names = Plant::ALL.map(Plant::name).into_iter().filter(|name| self.planted.0.contains_key(name));
        for name in names.chain([ELSEWHERE]) {
            let counts = columns.map(|column| figure(column.0.get(name).copied().unwrap_or_default()));
            bugs.add_row([Cell::new(name)].into_iter().chain(counts));
        }
        let totals = columns.map(|column| figure(sum(&column.0)));
        bugs.add_row([Cell::new("total")].into_iter().chain(totals));
        bugs
    }

    fn delays(&self) -> Table {
        let mut delays = plain_table(["milliseconds", "p50", "p95", "p99", "max"]);
        let hot = self.hot.as_ref().map(|hot| ("lag, hot keys", &hot.lag_ms));
        let rows = [("lag", &self.lag_ms)].into_iter().chain(hot).chain([("detection", &self.detection_ms)]);
        for (name, percentiles) in rows {
            let figures =
                percentiles.figures().map(|ms| figure(ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"))));
            delays.add_row([Cell::new(name)].into_iter().chain(figures));
        }
        delays
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { confirmed, superseded, divergent, undetermined, shed, open } = self;
        write!(
            f,
            "{confirmed} confirmed, {superseded} superseded, {divergent} divergent, {undetermined} undetermined, \
             {shed} shed, {open} open"
        )
    }
}

impl Counts {
    /// The four columns of a tally.
    pub(super) fn of(tally: &Tally) -> [Self; 4] {
        [&tally.planted, &tally.found, &tally.missed, &tally.false_alarms].map(|counts| Self(counts.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::demo::tally::tally;

    fn report() -> Report {
        let [planted, found, missed, false_alarms] = Counts::of(&tally(&[], &[]));
        Report {
            events: 10,
            events_per_second: 5.0,
            outcomes: Outcomes { confirmed: 10, ..Outcomes::default() },
            planted,
            found,
            missed,
            false_alarms,
            lag_ms: Percentiles::default(),
            detection_ms: Percentiles::of(&[1.0, 2.0]),
            coverage: Some(1.0),
            hot: None,
        }
    }

    #[test]
    fn the_object_has_exactly_the_promised_keys() {
        let mut out = Vec::new();
        report().write(Output::Json, &mut out).unwrap();
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let mut keys = object.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
        keys.sort_unstable();
        let promised = [
            "coverage",
            "detection_ms",
            "events",
            "events_per_second",
            "false_alarms",
            "found",
            "lag_ms",
            "missed",
            "outcomes",
            "planted",
        ];
        assert_eq!(keys, promised);
        for counts in ["planted", "found", "missed", "false_alarms"] {
            for row in Plant::OF_ONE_WRITE.map(Plant::name).into_iter().chain(["total"]) {
                assert_eq!(object[counts][row], 0, "{counts}.{row}");
            }
        }
    }

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let hundred = (1..=100).map(f64::from).collect::<Vec<_>>();
        let of = |p50, p95, p99, max| Percentiles { p50, p95, p99, max };
        assert_eq!(Percentiles::of(&hundred), of(Some(50.0), Some(95.0), Some(99.0), Some(100.0)));
        assert_eq!(Percentiles::of(&[7.0]), of(Some(7.0), Some(7.0), Some(7.0), Some(7.0)));
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
    }

    #[test]
    fn the_table_is_plain_text() {
        let mut out = Vec::new();
        report().write(Output::Table, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
        assert!(text.contains("foreign_writer") && text.contains("5 per second"), "{text}");
    }

    #[test]
    fn a_run_with_hot_keys_tells_of_them_and_another_says_nothing() {
        let outcomes = Outcomes { confirmed: 3, superseded: 4, ..Outcomes::default() };
        let hot = HotReport::of(&MapSummary { outcomes, lag_ms: None });
        let written = |report: &Report, output| {
            let mut out = Vec::new();
            report.write(output, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let report = Report { hot: Some(hot), ..report() };
        let object: serde_json::Value = serde_json::from_str(&written(&report, Output::Json)).unwrap();
        assert_eq!((&object["hot"]["writes"], &object["hot"]["keys"]), (&7.into(), &HOT_KEYS.into()));
        assert_eq!(object["hot"]["outcomes"]["confirmed"], 3);
        let table = written(&report, Output::Table);
        assert!(table.contains("7 of them on 16 hot keys\n3 confirmed, 4 superseded"), "{table}");
        let without = written(&Report { hot: None, ..report }, Output::Table);
        assert!(!without.contains("hot") && !without.contains("frozen"), "{without}");
    }
}
