//! `docs/faults.md`: what the last full run showed, between two marks; what stands around them is kept.

use crate::figures::{Figures, Spread};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- faults -->";
const END: &str = "<!-- /faults -->";

/// The page of a tree that has none yet.
const HEAD: &str = "\
# Faults

What Counterfoil was put through, and what came of it. Real processes: an application that writes some thousand events a
second to its map and to a store, a sidecar, a comparator. Each round injects one fault, at an instant that its seed picks, and
ends when everything is at rest. Then what the application knows (numbers issued, numbers acknowledged, bugs planted) is held
against what the comparator says.

- *Acknowledged lost*: events that were acknowledged and are missing, though their ack level promises them under this fault.
  *Forgone* are those that it does not promise, such as those `received` by a sidecar that is killed.
- *Applied twice*: events that counted more than once.
- *False alarms*: divergences of keys that were right.
- *Alerts*: planted bugs that were found, lost or told more than once. *In doubt* are those that were not found, whose time the
  fault touches, and of which the comparator says that it cannot tell.
- *Conserved*: rounds in which issued = accepted + declared lost, and every accepted event has exactly one outcome.
- *Detection*: from the bug to its confirmation; the contract's deadline alone is 500 ms. *Recovery*: from the beginning of the
  repair until everything issued before has reached the comparator.

`cargo xtask faults` repeats it and writes what follows; `cargo xtask faults --only NAME --seed N` repeats one round.
";

/// Writes the results into the page at `path`.
pub(crate) fn write(path: &Path, results: &[Figures]) -> Result<(), String> {
    // Without a page there is nothing to keep.
    let before = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, filled(&before, &block(results))).map_err(|error| format!("{}: {error}", path.display()))
}

/// The page with this block between its marks.
fn filled(page: &str, block: &str) -> String {
    let marked = format!("{BEGIN}\n\n{block}\n{END}");
    let parts = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    match parts {
        Some((head, tail)) => format!("{head}{marked}{tail}"),
        None => format!("{HEAD}\n{marked}\n"),
    }
}

fn block(results: &[Figures]) -> String {
    let mut block = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string never fails.
        let _written = writeln!(block, "{text}");
    };
    line(format_args!(
        "| fault | ack levels | rounds | broken | events | acknowledged lost | forgone | applied twice | false alarms \
         | alerts found / lost / repeated / in doubt | conserved | detection p50 / p99 | recovery p50 / p99 |"
    ));
    line(format_args!("|---|---|---|---|---|---|---|---|---|---|---|---|---|"));
    for it in results.iter().filter(|it| it.not_run.is_none()) {
        let levels: Vec<_> = it.levels.iter().map(|level| level.name()).collect();
        line(format_args!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} / {} / {} / {} | {} of {} | {} | {} |",
            it.name,
            levels.join(", "),
            it.rounds,
            it.broken,
            it.issued,
            it.acknowledged_lost,
            it.forgone,
            it.duplicates_applied,
            it.false_alarms,
            it.alerts_found,
            it.alerts_lost,
            it.alerts_repeated,
            it.in_doubt,
            it.rounds - it.unconserved,
            it.rounds,
            shown(it.detection_ms()),
            shown(it.recovery_ms()),
        ));
    }
    line(format_args!(
        "\n| fault | what is done | what is expected, besides what every round is held to |\n|---|---|---|"
    ));
    for it in results {
        line(format_args!("| {} | {} | {} |", it.name, it.what, it.expected));
    }
    let not_run: Vec<_> = results.iter().filter_map(|it| Some((&it.name, it.not_run.as_ref()?))).collect();
    if !not_run.is_empty() {
        line(format_args!("\nNot injected on the machine of this run:\n"));
    }
    for (name, why) in not_run {
        line(format_args!("- {name}: {why}"));
    }
    block
}

fn shown(spread: Spread) -> String {
    spread.map_or_else(String::new, |(median, high)| format!("{median:.0} / {high:.0} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow");
        let filled = filled(&page, "new");
        assert!(filled.starts_with("above\n") && filled.ends_with("\nbelow"), "{filled}");
        assert!(filled.contains("new") && !filled.contains("old"), "{filled}");
    }

    #[test]
    fn a_page_that_is_not_there_yet_is_made_with_its_explanations() {
        let filled = filled("", "rows");
        assert!(filled.starts_with("# Faults") && filled.contains("rows"), "{filled}");
    }

    #[test]
    fn a_scenario_that_was_not_run_is_told_with_its_reason() {
        let run = Figures { name: "kill-sidecar".to_owned(), rounds: 3, ..Figures::default() };
        let left_out = Figures {
            name: "bit-rot".to_owned(),
            not_run: Some("no spool".to_owned()),
            ..Figures::default()
        };
        let block = block(&[run, left_out]);
        assert!(
            block.contains("| kill-sidecar |  | 3 | 0 |") && block.contains("- bit-rot: no spool"),
            "{block}"
        );
    }
}
