//! Figures and kinds in the words of the page.

use super::scene::SECOND;
use super::tally::{OfKind, Tally};
use crate::faults::FaultKind;
use crate::plan::MS;

/// The columns of [`row`], and those before them.
pub(super) fn head(before: &[&str]) -> String {
    let own = [
        "false alarms",
        "missed",
        "unjudged keys",
        "judged writes",
        "undetermined",
        "found p50",
        "found p99",
        "reads per write",
    ];
    let names: String = before.iter().chain(&own).map(|name| format!("| {name} ")).collect();
    format!("{names}|\n{}|\n", "|---".repeat(before.len() + own.len()))
}

/// How a checker did, after what stands in the columns before. One that never doubts has no share of doubt.
pub(super) fn row(before: &[&str], it: &Tally, doubts: bool) -> String {
    let of_writes = |count: u64| count as f64 / it.writes.max(1) as f64;
    let undetermined = if doubts { percent(of_writes(it.undetermined_writes)) } else { "-".to_owned() };
    let cells = [
        grouped(it.false_alarms),
        format!("{} of {}", grouped(it.missed()), grouped(it.planted())),
        format!("{} of {}", grouped(it.unjudged_keys), grouped(it.keys)),
        percent(of_writes(it.judged_writes)),
        undetermined,
        time(it.found_within(0.5)),
        time(it.found_within(0.99)),
        format!("{:.2}", of_writes(it.reads)),
    ];
    let before = before.iter().map(|cell| format!("| {cell} "));
    before.chain(cells.iter().map(|cell| format!("| {cell} "))).collect::<String>() + "|\n"
}

/// How many of a kind were found, and how many were not.
pub(super) fn found(of_kind: Option<&OfKind>) -> String {
    of_kind.map_or_else(
        || "-".to_owned(),
        |it| match it.missed() {
            0 => grouped(it.found),
            missed => format!("{}, {} missed", grouped(it.found), grouped(missed)),
        },
    )
}

/// What the divergences of a kind were called, the most frequent name first.
pub(super) fn names(of_kind: &OfKind) -> String {
    let mut names: Vec<_> = of_kind.names.iter().collect();
    names.sort_by_key(|(name, count)| (u64::MAX - **count, **name));
    names
        .into_iter()
        .map(|(name, count)| format!("{name} {}", grouped(*count)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// All of some things, or all but so many.
pub(super) fn all_but(missed: u64) -> String {
    if missed == 0 { "every one".to_owned() } else { format!("all but {}", grouped(missed)) }
}

/// A number with its thousands set apart.
pub(super) fn grouped(number: u64) -> String {
    match number / 1_000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), number % 1_000),
    }
}

/// A share of 1 in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A span of time, given in nanoseconds.
pub(super) fn time(nanoseconds: Option<i64>) -> String {
    match nanoseconds {
        None => "-".to_owned(),
        Some(0) => "0".to_owned(),
        Some(it) if it < SECOND => format!("{:.1} ms", it as f64 / MS as f64),
        Some(it) if it % SECOND == 0 => format!("{} s", it / SECOND),
        Some(it) => format!("{:.1} s", it as f64 / SECOND as f64),
    }
}

/// What was done, for somebody who does not know the simulation.
pub(super) fn describe(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Lost => "a write is acknowledged and not applied",
        FaultKind::LostRemove => "a remove is acknowledged and not applied",
        FaultKind::Foreign => "a value nobody reported",
        FaultKind::Corrupt => "other bytes under the same version",
        FaultKind::Inverted => "two writes applied in the other order",
        FaultKind::Partial => "a failed store write, never made up for",
        FaultKind::Unlanded => "a write without an answer that never lands",
        FaultKind::Reverted => "the store goes back to an older value",
        FaultKind::Frozen => "a key that is still written stops taking writes",
        FaultKind::MapBehind => "one process's copy does not follow",
        FaultKind::Orphan => "a process died in the middle of a write",
        FaultKind::Baseline => "the store differed before anybody watched",
        FaultKind::LeftBehind => "a row is left of a remove before anybody watched",
        FaultKind::Stranger => "a row under a key that no map knows",
        FaultKind::Drifted => "the store changes under a key at rest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_for_people() {
        assert_eq!([7, 1_000, 1_234_567].map(grouped), ["7", "1,000", "1,234,567"]);
        let times = [Some(0), Some(MS / 2), Some(5 * SECOND), Some(5 * SECOND + SECOND / 4), None].map(time);
        assert_eq!(times, ["0", "0.5 ms", "5 s", "5.2 s", "-"]);
    }

    #[test]
    fn a_row_has_as_many_cells_as_its_head() {
        let (head, row) = (head(&["hot writes"]), row(&["5 %"], &Tally::default(), false));
        let cells = |line: &str| line.matches('|').count();
        assert_eq!(head.lines().map(cells).collect::<Vec<_>>(), [cells(&row); 2]);
    }
}
