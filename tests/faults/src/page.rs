//! `docs/faults.md`: what the last full run showed, between two marks; what stands around them is kept.

use crate::figures::{Figures, Spread};
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

const FIGURES_HEAD: &str = "\
| fault | ack levels | rounds | broken | events | acknowledged lost | forgone | applied twice | false alarms | alerts found / lost \
/ repeated / in doubt | conserved | detection p50 / p99 | recovery p50 / p99 |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

const FAULTS_HEAD: &str = "
| fault | what is done | what is expected, besides what every round is held to |
|---|---|---|
";

const NOT_RUN_HEAD: &str = "\nNot injected on the machine of this run:\n\n";

/// Writes the results into the page at `path`. What it says of other faults stays.
pub(crate) fn write(path: &Path, results: &[Figures]) -> Result<(), String> {
    // Without a page there is nothing to keep.
    let before = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, filled(&before, results)).map_err(|error| format!("{}: {error}", path.display()))
}

/// The page with these results between its marks.
fn filled(page: &str, results: &[Figures]) -> String {
    let parts = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (old, tail)) = parts.unwrap_or((HEAD, ("", "\n")));
    let gap = if parts.is_some() { "" } else { "\n" };
    format!("{head}{gap}{BEGIN}\n\n{}\n{END}{tail}", block(old, results))
}

/// The lines of a table or a list: each with the name of its fault. `old` ones stay in their places.
fn merged(old: &str, begins: &str, ends: &str, new: &[(&str, String)]) -> String {
    let name = |line: &str| line.strip_prefix(begins)?.split_once(ends).map(|(name, _)| name.to_owned());
    let is_of = |line: &&str, wanted: &str| name(line).is_some_and(|name| name == wanted);
    let lines: Vec<_> = old.lines().filter(|line| name(line).is_some()).collect();
    let mut text = String::new();
    for line in &lines {
        let again = new.iter().find(|(name, _)| is_of(line, name));
        text.extend([again.map_or(*line, |(_, again)| again.as_str()), "\n"]);
    }
    for (_, line) in new.iter().filter(|(name, _)| !lines.iter().any(|line| is_of(line, name))) {
        text.extend([line.as_str(), "\n"]);
    }
    text
}

/// What stands between the marks, of which `old` is the present text.
fn block(old: &str, results: &[Figures]) -> String {
    let (old_figures, old_faults) = old.split_once(FAULTS_HEAD).unwrap_or((old, ""));
    let old_figures = old_figures.split_once(FIGURES_HEAD).map_or("", |(_, rows)| rows);
    let (ran, not_run): (Vec<_>, Vec<_>) = results.iter().partition(|it| it.not_run.is_none());
    let figures: Vec<_> = ran.iter().map(|it| (it.name.as_str(), row(it))).collect();
    let fault = |it: &Figures| format!("| {} | {} | {} |", it.name, it.what, it.expected);
    let faults: Vec<_> = results.iter().map(|it| (it.name.as_str(), fault(it))).collect();
    let why = |it: &Figures| format!("- {}: {}", it.name, it.not_run.as_deref().unwrap_or_default());
    let reasons: Vec<_> = not_run.iter().map(|it| (it.name.as_str(), why(it))).collect();
    let mut block = format!(
        "{FIGURES_HEAD}{}{FAULTS_HEAD}{}",
        merged(old_figures, "| ", " |", &figures),
        merged(old_faults, "| ", " |", &faults)
    );
    let reasons = merged(old_faults, "- ", ":", &reasons);
    let is_due = |line: &&str| !ran.iter().any(|it| line.starts_with(&format!("- {}:", it.name)));
    let reasons: Vec<_> = reasons.lines().filter(is_due).collect();
    if !reasons.is_empty() {
        block.extend([NOT_RUN_HEAD, &reasons.join("\n"), "\n"]);
    }
    block
}

fn row(it: &Figures) -> String {
    let levels: Vec<_> = it.levels.iter().map(|level| level.name()).collect();
    format!(
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
    )
}

fn shown(spread: Spread) -> String {
    spread.map_or_else(String::new, |(median, high)| format!("{median:.0} / {high:.0} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(name: &str, rounds: u32) -> Figures {
        Figures { name: name.to_owned(), rounds, ..Figures::default() }
    }

    fn left_out(name: &str, why: &str) -> Figures {
        Figures { name: name.to_owned(), not_run: Some(why.to_owned()), ..Figures::default() }
    }

    #[test]
    fn a_page_that_is_not_there_yet_is_made_with_its_explanations() {
        let page = filled("", &[ran("kill-sidecar", 3)]);
        assert!(page.starts_with("# Faults") && page.contains("| kill-sidecar |  | 3 | 0 |"), "{page}");
    }

    #[test]
    fn results_replace_those_of_the_same_fault_and_nothing_else() {
        let first = filled("", &[ran("kill", 3), left_out("rot", "no spool"), left_out("net", "no root")]);
        let page = first.replace("# Faults", "# Our faults") + "below\n";
        let again = filled(&page, &[ran("rot", 7), ran("kill", 5)]);
        let expected = filled("", &[ran("kill", 5), ran("rot", 7), left_out("net", "no root")]);
        let rows = |page: &str| page.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!((rows(&again), again.matches("no spool").count()), (rows(&expected), 0), "{again}");
        for line in ["| kill |  | 5 | 0 |", "| rot |  | 7 | 0 |", "- net: no root", "# Our faults", "below"] {
            assert_eq!(again.matches(line).count(), 1, "{line} in {again}");
        }
        assert_eq!(filled(&again, &[]), again);
    }
}
