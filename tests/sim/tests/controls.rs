//! Controls of the oracle and of each detector: plant nothing and hear nothing; plant one kind, and hear its name.

use counterfoil_sim::faults::FaultKind;
use counterfoil_sim::plan::{Mode, Options, Planting};
use counterfoil_sim::report::Report;

fn calm(planting: Planting) -> Report {
    let options = Options { mode: Some(Mode::Liveness), planting, troubles: false };
    let report = Report::of(0..40, &options);
    assert_eq!(report.seeds_failed, 0, "{report}");
    report
}

/// Plants faults of one kind in calm worlds: what lasts is found, and is called by one of `labels` at least once each.
fn check(kind: FaultKind, labels: &[&str]) {
    let report = calm(Planting::Only(kind));
    let found = report.score.faults.get(kind.label()).copied().unwrap_or_default();
    assert!(found.planted >= 20 && found.missed == 0, "{report}");
    assert!(found.found * 2 > found.planted, "{report}");
    let told: Vec<_> = report.paths.iter().filter_map(|(path, _)| path.strip_prefix("verdict: ")).collect();
    for label in labels {
        assert!(told.contains(label), "{kind:?} was never called {label}, but {told:?}");
    }
}

#[test]
fn where_nothing_is_planted_nothing_is_told() {
    let report = calm(Planting::None);
    assert_eq!(report.paths.iter().filter(|(path, _)| path.starts_with("verdict: ")).count(), 0, "{report}");
    assert!(report.score.outcomes.get("confirmed").is_some_and(|count| *count > 1_000), "{report}");
    assert_eq!(report.score.outcomes.get("divergent"), None, "{report}");
}

#[test]
fn a_store_write_that_was_lost_is_stale() {
    check(FaultKind::Lost, &["stale"]);
}

#[test]
fn a_remove_that_was_lost_is_resurrected() {
    check(FaultKind::LostRemove, &["resurrected"]);
}

#[test]
fn a_value_that_nobody_wrote_is_foreign() {
    check(FaultKind::Foreign, &["foreign"]);
}

#[test]
fn other_bytes_beside_the_last_version_are_corrupt() {
    check(FaultKind::Corrupt, &["corrupt"]);
}

#[test]
fn writes_in_the_other_order_are_inverted() {
    check(FaultKind::Inverted, &["inverted"]);
}

#[test]
fn a_leg_that_failed_for_good_is_partial() {
    check(FaultKind::Partial, &["partial"]);
}

#[test]
fn a_write_of_unknown_outcome_that_never_lands_is_told_when_it_can_land_no_more() {
    check(FaultKind::Unlanded, &["inverted"]);
}

#[test]
fn a_store_that_goes_back_is_reverted() {
    check(FaultKind::Reverted, &["reverted"]);
}

#[test]
fn a_hot_key_whose_store_stands_still_is_found_while_it_is_hot() {
    check(FaultKind::Frozen, &["stale"]);
}

#[test]
fn a_copy_that_does_not_follow_is_behind() {
    check(FaultKind::MapBehind, &["map_behind"]);
}

#[test]
fn a_store_that_differed_before_anybody_watched_is_found_when_the_map_is_told() {
    check(FaultKind::Baseline, &["inverted", "missing"]);
}

#[test]
fn a_row_left_of_a_remove_before_anybody_watched_is_an_orphan() {
    check(FaultKind::LeftBehind, &["orphan"]);
}

#[test]
fn a_row_that_a_stranger_put_there_is_an_orphan() {
    check(FaultKind::Stranger, &["orphan"]);
}

#[test]
fn a_store_that_changes_under_a_key_at_rest_is_found_by_the_sweep() {
    check(FaultKind::Drifted, &["foreign"]);
}
