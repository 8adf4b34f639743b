//! The section of `docs/accuracy.md` about the simulation, which a longer run of another command fills: the rest of the
//! page can be written anew without it, and it without the rest.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The marks around the section. Whoever writes the page keeps what is between them.
const BEGIN: &str = "<!-- simulation -->";
const END: &str = "<!-- /simulation -->";

const EMPTY: &str = "\
Not filled in yet: `cargo xtask sim --seeds 0..10000 --output json` gives the figures, and
`cargo xtask bench accuracy --simulation FILE` puts them here.
";

/// What a run of the simulation gives with `--output json`, as far as the section tells it.
#[derive(Clone, Default, PartialEq, Debug, Deserialize)]
pub struct Figures {
    /// Wall time of the run, in seconds.
    wall_seconds: f64,
    /// What came of the seeds.
    report: Report,
}

#[derive(Clone, Default, PartialEq, Debug, Deserialize)]
struct Report {
    seeds: u64,
    seeds_failed: u64,
    events: u64,
    score: Score,
    paths: BTreeMap<String, u64>,
}

#[derive(Clone, Default, PartialEq, Debug, Deserialize)]
struct Score {
    faults: BTreeMap<String, OfKind>,
    false_alarms: u64,
    outcomes: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Debug, Deserialize)]
struct OfKind {
    planted: u64,
    found: u64,
    undetermined: u64,
    passed: u64,
    missed: u64,
}

/// The section of a page as it is, with its marks; an empty one if it has none.
#[must_use]
pub fn keep(page: &str) -> String {
    let inside =
        page.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(inside, _)| inside.trim());
    marked(inside.unwrap_or(EMPTY))
}

/// The page with the section made of `figures`; `None` if it has no marks.
#[must_use]
pub fn fill(page: &str, figures: &Figures) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{}{after}", marked(&told(figures))))
}

pub(super) fn with_title(block: &str) -> String {
    format!(
        "## When everything fails

The worlds above are calm. In the simulation (`cargo xtask sim`) processes die, networks part, machines sleep, stores fail and
the comparator's memory is too small, each as the seed has it, and an oracle checks every word of the comparator.

{block}
"
    )
}

fn marked(inside: &str) -> String {
    format!("{BEGIN}\n{}\n{END}", inside.trim_end())
}

fn told(figures: &Figures) -> String {
    let Report { seeds, seeds_failed, events, score, paths } = &figures.report;
    let events_per_second = *events as f64 / figures.wall_seconds.max(f64::MIN_POSITIVE);
    format!(
        "{seeds} seeds, of which {seeds_failed} failed; {events} virtual events, {events_per_second:.0} per second of wall time. \
False alarms: {}.

*Passed* was made up for before anyone had to notice; *undetermined* lasted, and its key was called so.

| divergence | planted | found | undetermined | passed | missed |
|---|---|---|---|---|---|
{}
| events ended | share |
|---|---|
{}
| rare path | taken |
|---|---|
{}",
        score.false_alarms,
        faults(score),
        outcomes(score),
        paths.iter().map(|(path, times)| format!("| {path} | {times} |\n")).collect::<String>(),
    )
}

fn faults(score: &Score) -> String {
    let row = |(kind, it): (&String, &OfKind)| {
        let OfKind { planted, found, undetermined, passed, missed } = it;
        format!("| {kind} | {planted} | {found} | {undetermined} | {passed} | {missed} |\n")
    };
    score.faults.iter().map(row).collect()
}

fn outcomes(score: &Score) -> String {
    let all: u64 = score.outcomes.values().sum();
    let share = |count: u64| count as f64 * 100.0 / all.max(1) as f64;
    score
        .outcomes
        .iter()
        .map(|(outcome, count)| format!("| {outcome} | {:.3} % |\n", share(*count)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_stays_when_the_page_is_written_anew() {
        let page = "above\n<!-- simulation -->\n10 seeds\n<!-- /simulation -->\nbelow\n";
        assert_eq!(keep(page), "<!-- simulation -->\n10 seeds\n<!-- /simulation -->");
        assert_eq!(keep(&with_title(&keep(page))), keep(page));
        assert!(keep("no marks").contains("Not filled in yet"));
    }

    #[test]
    fn figures_of_the_simulation_fill_the_section_and_nothing_else() {
        let figures = serde_json::json!({
            "wall_seconds": 2.0,
            "events_per_second": 500.0,
            "report": {
                "seeds": 10, "seeds_failed": 0, "events": 1_000, "failed": [],
                "score": {
                    "faults": { "lost": { "planted": 7, "found": 4, "undetermined": 2, "passed": 1, "missed": 0 } },
                    "false_alarms": 0,
                    "outcomes": { "confirmed": 3, "superseded": 1 },
                    "confirmed_after_max_ns": 5,
                },
                "paths": { "clock epoch": 9 },
            },
        });
        let figures = serde_json::from_value(figures).unwrap();
        let page = fill("above\n<!-- simulation -->\nold\n<!-- /simulation -->\nbelow", &figures).unwrap();
        assert!(page.starts_with("above\n<!-- simulation -->\n10 seeds"), "{page}");
        assert!(page.ends_with("<!-- /simulation -->\nbelow") && !page.contains("old"), "{page}");
        for row in [
            "500 per second",
            "| lost | 7 | 4 | 2 | 1 | 0 |",
            "| confirmed | 75.000 % |",
            "| clock epoch | 9 |",
        ] {
            assert!(page.contains(row), "{row} is not in {page}");
        }
        assert_eq!(fill("no marks", &figures), None);
    }
}
