use super::super::{Confidence, S};
use super::*;
use proptest::prelude::*;

fn terms() -> Terms {
    Terms {
        bad_ratio_max: 0.01,
        confidence: Confidence::of(0.95).expect("a level"),
        samples_min: 400,
        coverage_min: 0.9,
        lag_max: 30 * S,
        open_divergences_max: 0,
    }
}

fn ended(confirmed: u64, divergent: u64, unknown: u64) -> Ended {
    Ended { confirmed, divergent, superseded: 1_000, unknown }
}

/// Facts that pass.
fn good() -> Facts {
    Facts {
        window: 600 * S,
        has_run: 600 * S,
        ended: ended(1_000, 0, 0),
        against: None,
        lost: Lost::default(),
        has_lost_source: false,
        open: 0,
        open_before: 0,
        ignored: 0,
        behind: Some(S),
        calibration: Calibration::Calibrated,
        store: Some(State::Healthy),
    }
}

fn check(facts: Facts, expected: (Ruling, &[&str])) {
    let Decision { ruling, reasons, .. } = decide(&facts, &terms());
    let names: Vec<_> = reasons.iter().map(|reason| reason.reason).collect();
    assert_eq!((ruling, &names[..]), expected, "{reasons:?}");
}

#[test]
fn each_condition_that_does_not_hold_is_told_by_its_name() {
    use Ruling::{Fail, Insufficient, Pass};
    let with = |ended| Facts { ended, ..good() };
    let lost = |declared, undeclared| Facts { lost: Lost { declared, undeclared }, ..good() };
    check(good(), (Pass, &[]));
    check(Facts { store: Some(State::Slow), ..good() }, (Pass, &[]));
    check(with(ended(1_000, 2, 0)), (Pass, &[]));
    check(with(ended(1_000, 8, 0)), (Insufficient, &["bad_ratio_uncertain"]));
    check(with(ended(1_000, 30, 0)), (Fail, &["bad_ratio"]));
    check(with(ended(399, 0, 0)), (Insufficient, &["samples"]));
    check(with(ended(200, 0, 0)), (Insufficient, &["bad_ratio_uncertain", "samples"]));
    check(with(Ended::default()), (Insufficient, &["bad_ratio_uncertain", "samples", "coverage"]));
    check(with(ended(1_000, 0, 111)), (Pass, &[]));
    check(with(ended(1_000, 0, 112)), (Insufficient, &["coverage"]));
    check(lost(111, 0), (Pass, &[]));
    check(lost(112, 0), (Insufficient, &["coverage"]));
    check(lost(0, 1), (Insufficient, &["gap"]));
    check(Facts { has_lost_source: true, ..good() }, (Insufficient, &["source_lost"]));
    check(Facts { has_run: 599 * S, ..good() }, (Insufficient, &["window"]));
    check(Facts { calibration: Calibration::Calibrating, ..good() }, (Insufficient, &["calibration"]));
    check(Facts { calibration: Calibration::Uncalibrated, ..good() }, (Insufficient, &["calibration"]));
    check(Facts { store: Some(State::Refusing), ..good() }, (Insufficient, &["store"]));
    check(Facts { store: Some(State::Down("timeout")), ..good() }, (Insufficient, &["store"]));
    check(Facts { store: None, ..good() }, (Insufficient, &["store"]));
    check(Facts { behind: Some(30 * S), ..good() }, (Pass, &[]));
    check(Facts { behind: Some(31 * S), ..good() }, (Insufficient, &["lag"]));
    check(Facts { behind: None, ..good() }, (Insufficient, &["lag"]));
    check(Facts { open: 1, ..good() }, (Fail, &["open_divergences"]));
    check(Facts { open_before: 1, ..good() }, (Insufficient, &["older_divergences"]));
    check(Facts { open: 1, open_before: 1, ..good() }, (Fail, &["open_divergences"]));
    check(Facts { ignored: 9, ..good() }, (Pass, &[]));
    check(Facts { open: 1, has_run: 0, ..good() }, (Fail, &["open_divergences", "window"]));
}

#[test]
fn a_cohort_is_held_against_the_other_and_not_against_the_bound_of_all() {
    use Ruling::{Fail, Insufficient, Pass};
    let against = |own, other| Facts { ended: own, against: Some(other), open: 5, ..good() };
    check(against(ended(4_000, 80, 0), ended(4_000, 80, 0)), (Pass, &[]));
    check(against(ended(4_000, 0, 0), ended(4_000, 400, 0)), (Pass, &[]));
    check(against(ended(1_000, 20, 0), ended(1_000, 20, 0)), (Insufficient, &["worse_uncertain"]));
    check(against(ended(1_000, 40, 0), ended(1_000, 10, 0)), (Fail, &["worse"]));
    check(against(ended(4_000, 0, 0), ended(399, 0, 0)), (Insufficient, &["samples"]));
    check(against(ended(4_000, 0, 0), ended(4_000, 0, 1_000)), (Insufficient, &["coverage"]));
    let nobody = &["worse_uncertain", "samples", "coverage"];
    check(against(ended(4_000, 0, 0), Ended::default()), (Insufficient, nobody));
}

#[test]
fn a_reason_says_what_would_change_it() {
    let message = |facts| decide(&facts, &terms()).reasons.first().map(|reason| reason.message.clone());
    for (facts, part) in [
        (Facts { ended: ended(400, 1, 0), ..good() }, "it takes 268 events if none diverges"),
        (Facts { has_run: 420 * S, ..good() }, "for 420 s of 600 s: ask again in 180 s"),
        (Facts { behind: Some(60 * S), ..good() }, "gate.lag_max_ms is 30000"),
        (
            Facts { open: 2, ignored: 3, ..good() },
            "2 confirmed divergences of this window are open (3 more are ignored)",
        ),
        (
            Facts { open_before: 2, ignored: 1, ..good() },
            "2 confirmed divergences from before this window are open (1 more is ignored)",
        ),
        (Facts { open: 2, ..good() }, "of this window are open, and"),
        (Facts { ended: ended(0, 9, 0), ..good() }, "gate.bad_ratio_max is 1%"),
    ] {
        assert!(
            message(facts).is_some_and(|message| message.contains(part)),
            "{part} in {:?}",
            message(facts)
        );
    }
}

fn calibrations() -> impl Strategy<Value = Calibration> {
    prop::sample::select(Calibration::ALL.to_vec())
}

fn stores() -> impl Strategy<Value = Option<State>> {
    let states = [State::Healthy, State::Slow, State::Refusing, State::Down("connect")];
    prop::option::of(prop::sample::select(states.to_vec()))
}

prop_compose! {
    fn some_ended()(confirmed in 0_u64..5_000, divergent in 0_u64..20, superseded in 0_u64..9, unknown in 0_u64..300)
        -> Ended
    {
        Ended { confirmed, divergent, superseded, unknown }
    }
}

prop_compose! {
    fn some_facts()(
        (window, has_run) in (10_i64..1_000, 0_i64..2_000),
        ended in some_ended(),
        against in prop::option::of(some_ended()),
        (declared, undeclared) in (0_u64..100, 0_u64..2),
        has_lost_source in any::<bool>(),
        (open, open_before) in (0_u64..2, 0_u64..2),
        behind in prop::option::of(0_i64..60),
        calibration in calibrations(),
        store in stores(),
    ) -> Facts {
        let (window, has_run, behind) = (window * S, has_run * S, behind.map(|s| s * S));
        let lost = Lost { declared, undeclared };
        let ignored = 0;
        Facts { window, has_run, ended, against, lost, has_lost_source, open, open_before, ignored, behind, calibration, store }
    }
}

/// The same with one thing worse: all that a pass has to be safe from.
fn worsened(facts: Facts) -> Vec<Facts> {
    let Facts { ended, lost, .. } = facts;
    let diverged = Ended {
        divergent: ended.divergent + ended.confirmed.min(1),
        confirmed: ended.confirmed.saturating_sub(1),
        ..ended
    };
    let unknown = Ended { unknown: ended.unknown + 50, ..ended };
    vec![
        Facts { ended: diverged, ..facts },
        Facts { ended: unknown, ..facts },
        Facts { lost: Lost { declared: lost.declared + 50, ..lost }, ..facts },
        Facts { lost: Lost { undeclared: lost.undeclared + 1, ..lost }, ..facts },
        Facts { open: facts.open + 1, ..facts },
        Facts { open_before: facts.open_before + 1, ..facts },
        Facts { has_run: facts.has_run / 2, ..facts },
        Facts { behind: facts.behind.map(|behind| behind * 2), ..facts },
        Facts { behind: None, ..facts },
        Facts { has_lost_source: true, ..facts },
        Facts { calibration: Calibration::Calibrating, ..facts },
        Facts { store: None, ..facts },
    ]
}

proptest! {
    #[test]
    fn a_pass_takes_every_condition_and_nothing_else_does(facts in some_facts()) {
        let (decision, terms) = (decide(&facts, &terms()), terms());
        let small = match decision.beyond {
            Some(beyond) => beyond.upper <= terms.bad_ratio_max && beyond.lower <= 0.0,
            None => decision.bad.upper <= terms.bad_ratio_max && facts.open + facts.open_before == 0,
        };
        let all_hold = small
            && facts.samples() >= terms.samples_min
            && decision.coverage.is_some_and(|coverage| coverage >= terms.coverage_min)
            && facts.behind.is_some_and(|behind| behind <= terms.lag_max)
            && facts.calibration == Calibration::Calibrated
            && matches!(facts.store, Some(State::Healthy | State::Slow))
            && facts.has_run >= facts.window
            && facts.lost.undeclared == 0
            && !facts.has_lost_source;
        prop_assert_eq!(decision.ruling == Ruling::Pass, all_hold, "{:?}", decision);
        prop_assert_eq!(decision.reasons.is_empty(), all_hold);
    }

    #[test]
    fn worse_facts_never_make_a_better_answer(facts in some_facts()) {
        let before = decide(&facts, &terms()).ruling;
        for worse in worsened(facts) {
            prop_assert!(decide(&worse, &terms()).ruling >= before, "{before:?} of {facts:?}, but of {worse:?}");
        }
    }

    #[test]
    fn it_fails_only_for_what_is_certain(facts in some_facts()) {
        let decision = decide(&facts, &terms());
        let is_certain = match decision.beyond {
            Some(beyond) => beyond.lower > 0.0,
            None => decision.bad.lower > terms().bad_ratio_max || facts.open > 0,
        };
        prop_assert_eq!(decision.ruling == Ruling::Fail, is_certain, "{:?}", decision);
    }
}
