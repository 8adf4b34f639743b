//! Every fault there is to inject, one file per family.

mod clocks;
mod disks;
mod failpoints;
mod kills;
mod networks;
mod processes;
mod rot;

use crate::scenario::Scenario;

/// All scenarios, in the order in which they are run and reported.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = kills::all();
    all.extend(failpoints::all());
    all.extend(disks::all());
    all.extend(rot::all());
    all.extend(processes::all());
    all.extend(clocks::all());
    all.extend(networks::all());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_words_that_fit_a_command_line() {
        let names: Vec<_> = all().into_iter().map(|scenario| scenario.name).collect();
        assert!(
            names.iter().all(|name| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-')),
            "{names:?}"
        );
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn a_full_run_kills_each_process_at_least_fifty_times_and_ci_kills_sidecar_and_comparator_five_times() {
        let kills: Vec<_> = all().into_iter().filter(|scenario| scenario.name.starts_with("kill-")).collect();
        assert!(kills.len() >= 3 && kills.iter().all(|kill| kill.rounds.full >= 50));
        let often = |name: &str| kills.iter().any(|kill| kill.name == name && kill.rounds.ci >= 5);
        assert!(often("kill-sidecar") && often("kill-comparator"));
    }
}
