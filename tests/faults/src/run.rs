//! Runs scenarios one round after the other, and tells as it goes.

use crate::figures::Figures;
use crate::machine::Machine;
use crate::promise::Level;
use crate::round::{Outcome, Round};
use crate::scenario::Scenario;
use crate::scenarios;
use counterfoil_clock::now;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds of a run that does not say.
const FIRST_SEED: u64 = 1;

/// Which rounds are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) ci: bool,
    pub(crate) only: Option<String>,
    pub(crate) seed: Option<u64>,
    pub(crate) rounds: Option<u32>,
}

impl Selection {
    fn takes(&self, scenario: &Scenario) -> bool {
        self.only.as_ref().is_none_or(|part| scenario.name.contains(part.as_str()))
    }

    /// One round for a seed, unless more are asked for.
    fn rounds(&self, scenario: &Scenario) -> u32 {
        let usual = if self.ci { scenario.rounds.ci } else { scenario.rounds.full };
        self.rounds.unwrap_or(if self.seed.is_some() { 1 } else { usual })
    }
}

/// Tells which scenarios there are.
#[allow(clippy::print_stdout, reason = "this is what the command is asked for")]
pub(crate) fn list(selection: &Selection, machine: &Machine) {
    for scenario in scenarios::all().iter().filter(|scenario| selection.takes(scenario)) {
        let lack = lack(scenario, machine).map(|why| format!(" [not here: {why}]")).unwrap_or_default();
        println!("{:40} {}{lack}", scenario.name, scenario.what);
    }
}

/// Runs them.
///
/// # Errors
///
/// If none has the wanted name.
#[allow(clippy::print_stdout, reason = "the results are what the command is asked for")]
pub(crate) fn run(selection: &Selection, machine: &Machine) -> Result<Vec<Figures>, String> {
    let scenarios = scenarios::all();
    let mut wanted = scenarios.iter().filter(|it| selection.takes(it)).peekable();
    wanted.peek().ok_or("no scenario has this in its name; --list tells all of them")?;
    let levels: Vec<_> = machine.levels.iter().map(|level| level.name()).collect();
    println!(
        "ack levels: {}; spool: {}; journal: {}",
        levels.join(", "),
        machine.has_spool(),
        machine.has_journal()
    );
    let mut results = Vec::new();
    for scenario in wanted {
        let figures = run_scenario(scenario, selection, machine);
        if let Some(why) = &figures.not_run {
            println!("{:28} not run: {why}", figures.name);
        }
        results.push(figures);
    }
    let not_run = results.iter().filter_map(|it| Some((&it.name, it.not_run.as_ref()?)));
    not_run.for_each(|(name, why)| println!("not injected: {name}: {why}"));
    Ok(results)
}

#[allow(clippy::print_stdout, reason = "the results are what the command is asked for")]
fn run_scenario(scenario: &Scenario, selection: &Selection, machine: &Machine) -> Figures {
    let Scenario { name, what, expected, .. } = scenario;
    let mut figures = Figures { name: name.clone(), what, expected, ..Figures::default() };
    figures.not_run = lack(scenario, machine);
    let rounds = selection.rounds(scenario);
    if figures.not_run.is_none() && rounds == 0 {
        figures.not_run = Some("left out of the short run".to_owned());
    }
    if figures.not_run.is_some() {
        return figures;
    }
    let begun = now();
    for number in 0..u64::from(rounds) {
        let seed = selection.seed.unwrap_or(FIRST_SEED) + number;
        let level = level_of(seed, scenario, machine);
        let outcome = one(scenario, machine, level, seed);
        figures.add(level, outcome.as_ref().ok());
        report(name, level, seed, &outcome);
    }
    let seconds = now().since(begun) as f64 / 1e9;
    println!(
        "{name:28} {rounds} rounds in {seconds:.0} s, {} broken: {} events, {} acknowledged lost ({} forgone), {} applied \
         twice, {} false alarms, {} found, {} lost, {} repeated, {} in doubt, detection {:?} ms, recovery {:?} ms",
        figures.broken,
        figures.issued,
        figures.acknowledged_lost,
        figures.forgone,
        figures.duplicates_applied,
        figures.false_alarms,
        figures.alerts_found,
        figures.alerts_lost,
        figures.alerts_repeated,
        figures.in_doubt,
        figures.detection_ms(),
        figures.recovery_ms(),
    );
    figures
}

/// Why a scenario cannot be run here.
fn lack(scenario: &Scenario, machine: &Machine) -> Option<String> {
    scenario.needs.iter().find_map(|&need| machine.lack(need)).map(str::to_owned)
}

/// Levels take turns.
fn level_of(seed: u64, scenario: &Scenario, machine: &Machine) -> Level {
    let levels = if scenario.levels.is_empty() { &machine.levels } else { scenario.levels };
    let count = u64::try_from(levels.len()).unwrap_or(1).max(1);
    let place = usize::try_from(seed % count).unwrap_or_default();
    levels.get(place).copied().unwrap_or_default()
}

/// One round. What panics on the way is a round that did not come to its end; whatever it had set up is taken down.
fn one(scenario: &Scenario, machine: &Machine, level: Level, seed: u64) -> Result<Outcome, String> {
    let round = catch_unwind(AssertUnwindSafe(|| {
        let mut round = Round::begin(scenario, machine, level, seed)?;
        let outcome = (scenario.inject)(&mut round).and_then(|()| round.end());
        let is_broken = outcome.as_ref().map_or(true, |outcome| !outcome.breaches.is_empty());
        if is_broken {
            eprintln!("faults: what the processes wrote is in {}", round.rig.keep_folder().display());
        }
        outcome
    }));
    round.unwrap_or_else(|_| Err("it panicked".to_owned()))
}

/// A round that broke a promise is told with the command that repeats it.
fn report(name: &str, level: Level, seed: u64, outcome: &Result<Outcome, String>) {
    let breaches = match outcome {
        Ok(outcome) => outcome.breaches.clone(),
        Err(error) => vec![error.clone()],
    };
    for breach in &breaches {
        eprintln!("{name}, seed {seed}, level {level}: {breach}");
    }
    if !breaches.is_empty() {
        eprintln!("replay: cargo xtask faults --only {name} --seed {seed}");
    }
}
