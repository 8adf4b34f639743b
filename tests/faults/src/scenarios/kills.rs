//! Processes that are killed (SIGKILL) at random instants.

use crate::plan::SOURCE_TIMEOUT_MS;
use crate::promise::Takes;
use crate::round::Round;
use crate::scenario::{Rounds, Scenario, as_it_is};
use std::ops::Range;

/// How long the application works before the kill, in milliseconds.
const BEFORE_MS: Range<u64> = 200..1_800;
/// How long the process is away.
const AWAY_MS: Range<u64> = 0..300;

/// The scenarios.
pub(super) fn all() -> Vec<Scenario> {
    let kill = |name: &str, what, expected, takes, rounds, inject| Scenario {
        name: name.to_owned(),
        what,
        expected,
        needs: &[],
        takes,
        levels: &[],
        rounds,
        subject: "",
        prepare: as_it_is,
        inject,
    };
    vec![
        kill(
            "kill-sidecar",
            "kill -9 of the sidecar under load, then a new one",
            "what was spooled is delivered; the application reconnects by itself",
            Takes::Sidecar,
            Rounds::MANY,
            sidecar,
        ),
        kill(
            "kill-comparator",
            "kill -9 of the comparator under load, then a new one",
            "it goes on where it was; nothing is told twice",
            Takes::Comparator,
            Rounds::MANY,
            comparator,
        ),
        kill(
            "kill-both",
            "kill -9 of both at once, then new ones",
            "as if each had been killed alone",
            Takes::Both,
            Rounds::MANY_BUT_IN_CI,
            both,
        ),
        kill(
            "kill-application",
            "kill -9 of the application, then a new one",
            "what it had handed over is judged; what it had not is doubt, never an alarm",
            Takes::Application,
            Rounds::MANY_BUT_IN_CI,
            application,
        ),
    ]
}

fn sidecar(round: &mut Round<'_>) -> Result<(), String> {
    round.work(BEFORE_MS);
    round.fault_begins();
    round.rig.kill_sidecar();
    round.work(AWAY_MS);
    let mark = round.mark()?;
    round.rig.start_sidecar()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn comparator(round: &mut Round<'_>) -> Result<(), String> {
    round.work(BEFORE_MS);
    round.fault_begins();
    round.rig.kill_comparator()?;
    round.work(AWAY_MS);
    let mark = round.mark()?;
    round.rig.start_comparator()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn both(round: &mut Round<'_>) -> Result<(), String> {
    round.work(BEFORE_MS);
    round.fault_begins();
    round.rig.kill_comparator()?;
    round.rig.kill_sidecar();
    round.work(AWAY_MS);
    let mark = round.mark()?;
    round.rig.start_sidecar()?;
    round.rig.start_comparator()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn application(round: &mut Round<'_>) -> Result<(), String> {
    round.work(BEFORE_MS);
    round.fault_begins();
    round.kill_app()?;
    // The dead process is waited for until it counts as lost; it is gone for good once its successor is heard of.
    round.fault_is_over(SOURCE_TIMEOUT_MS);
    round.work(u64::from(SOURCE_TIMEOUT_MS)..u64::from(SOURCE_TIMEOUT_MS) + 1);
    round.afterwards();
    Ok(())
}
