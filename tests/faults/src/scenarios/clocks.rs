//! Wall clocks that step. Only what reads them through the C library sees it (the standard library, SQLite): a program that
//! asks the kernel's own page of clocks cannot be misled from outside.

use crate::machine::Need;
use crate::plan::Plan;
use crate::promise::Takes;
use crate::round::Round;
use crate::scenario::{Props, Rounds, Scenario};
use crate::tools::libfaketime;
use std::fs;

/// Where the faked clocks look for the step.
const STEP_FILE: &str = "step";

/// The scenarios.
pub(super) fn all() -> Vec<Scenario> {
    vec![Scenario {
        name: "clock-steps".to_owned(),
        what: "the wall clock, as far as it is read through the C library, steps an hour on and two hours back",
        expected: "no verdict changes: none rests on a wall clock",
        needs: &[Need::Faketime],
        takes: Takes::Time,
        levels: &[],
        rounds: Rounds::SOME,
        subject: "",
        prepare: faked_clocks,
        inject: clock_steps,
    }]
}

fn faked_clocks(plan: &mut Plan) -> Result<Props, String> {
    let environment = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let scratch = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let step = scratch.path().join(STEP_FILE);
    fs::write(&step, "+0").map_err(|error| format!("{}: {error}", step.display()))?;
    let faked = vec![
        environment("LD_PRELOAD", &libfaketime()?.to_string_lossy()),
        environment("FAKETIME_TIMESTAMP_FILE", &step.to_string_lossy()),
        environment("FAKETIME_NO_CACHE", "1"),
        environment("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    plan.sidecar_environment.clone_from(&faked);
    plan.comparator_environment = faked;
    Ok(Props { scratch: Some(scratch), ..Props::default() })
}

fn clock_steps(round: &mut Round<'_>) -> Result<(), String> {
    round.wall_is_true = false;
    let scratch = round.props.scratch.as_ref().ok_or("this scenario has no folder")?;
    let step = scratch.path().join(STEP_FILE);
    for offset in ["+3600", "-3600", "+0"] {
        round.work(500..900);
        fs::write(&step, offset).map_err(|error| format!("{}: {error}", step.display()))?;
    }
    round.afterwards();
    Ok(())
}
