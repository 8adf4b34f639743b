//! `docs/accuracy.md`: what the contest showed.

use super::block;
use super::contest::{CLOCK_ERRORS, Contest, RIVALS};
use super::scene::{COLD_KEYS, DEADLINE, FAULTS_PER_KIND, FROZEN, HOT_KEYS, LENGTH, SECOND, SOURCES};
use super::tally::{TAIL, Tally};
use super::words::{all_but, describe, found, grouped, head, names, percent, row, time};
use crate::faults::FaultKind;

/// The clock error beside which the rivals are shown: a few milliseconds, as between machines of one region.
const SHOWN_ERROR: usize = 2;

/// The whole page; `block` is the section about the simulation, with its marks.
#[must_use]
pub fn page(contest: &Contest, block: &str) -> String {
    let parts = [
        heading(contest),
        scenes(contest),
        kinds(contest),
        hot_shares(contest),
        clock_errors(contest),
        block::with_title(block),
    ];
    parts.join("\n")
}

fn heading(contest: &Contest) -> String {
    let (ours, opened) = (contest.confirmed(SHOWN_ERROR), contest.opened(SHOWN_ERROR));
    format!(
        "# Accuracy

Written by `cargo xtask bench accuracy`; do not edit. Counterfoil and five checkers that do what tools in the field do
watch the same simulated worlds, in which every planted divergence and every honest write is known.

- **Misses.** Of {planted} divergences that last, Counterfoil opens {opened_all} and confirms {confirmed_all}, half of them within {median} \
of the moment the two sides began to differ (the contract allows {deadline}); the others miss {theirs_missed}.
- **False alarms.** Over {writes} writes Counterfoil opens {opened_false} and confirms {confirmed_false}; the others raise {theirs_false}.
- **Blind spots.** Of {keys} keys Counterfoil leaves {unjudged} without any judgement; the others leave {theirs_unjudged}: a \
timer that each write resets never ends on a key that never rests.
",
        planted = grouped(ours.planted()),
        opened_all = all_but(opened.missed()),
        confirmed_all = all_but(ours.missed()),
        median = time(ours.found_within(0.5)),
        deadline = time(Some(DEADLINE)),
        theirs_missed = of_each(contest, Tally::missed),
        writes = grouped(ours.writes),
        opened_false = grouped(opened.false_alarms),
        confirmed_false = grouped(ours.false_alarms),
        theirs_false = of_each(contest, |it| it.false_alarms),
        keys = grouped(ours.keys),
        unjudged = grouped(ours.unjudged_keys),
        theirs_unjudged = of_each(contest, |it| it.unjudged_keys),
    )
}

/// One figure of each rival, with its name.
fn of_each(contest: &Contest, figure: fn(&Tally) -> u64) -> String {
    let each = RIVALS.iter().enumerate();
    let figures = each.map(|(place, it)| format!("{} ({})", grouped(figure(&contest.rival(place))), it.name));
    figures.collect::<Vec<_>>().join(", ")
}

fn scenes(contest: &Contest) -> String {
    let hours = contest.runs as f64 * (LENGTH / SECOND) as f64 / 3_600.0;
    format!(
        "## What is simulated

Seeds {first} to {last}, each with {shares} shares of hot writes and {errors} clock errors: {runs} runs of Counterfoil, {events} virtual
events in {hours:.1} virtual hours. A world lasts {length}. {SOURCES} processes on two machines write {HOT_KEYS} hot keys and {cold} cold ones; the hot
ones never rest, not even at the end. The contract's deadline is {deadline}: store calls take milliseconds, and 2 % of them
seconds. 1 % fail and 0.2 % end without an answer, and the application makes up for both. A third of the cold keys toggle
between three values. There are three maps: one locks a key over both sides, one counts versions and lets writes run side by
side (of its store calls 30 % are not reported), one is a copy per process.

Of each kind of divergence {FAULTS_PER_KIND} are planted in a world, each on a key of its own that rests afterwards, and the store of {FROZEN} keys,
hot ones if there are any, stops taking writes. They last. What begins less than {tail} before the end is not counted.

The others are treated generously: they are told of a write the instant it is over, lose nothing, know which write changed
the map last, share one clock, and read in no time. *Reset*: a key is read when it has rested for the delay. *Kept*: it is
read when the delay has passed since the first write that no read followed. *At once*: it is read when the write is reported.
(To check each write after the delay, unless a newer one is known by then, makes the same reads as *reset*.) They compare
what they read with the last value they know. Counterfoil runs as it ships: events in batches over a network, clocks that it
has to bound, reads that take up to 30 ms, its default settings. *Opened* is what it says at once, *confirmed* what it says
for good, when the deadline has passed.
",
        first = contest.seeds.start,
        last = contest.seeds.end.saturating_sub(1),
        shares = contest.rounds.len(),
        errors = CLOCK_ERRORS.len(),
        runs = grouped(contest.runs),
        events = grouped(contest.events),
        length = time(Some(LENGTH)),
        cold = grouped(u64::try_from(COLD_KEYS).unwrap_or(u64::MAX)),
        deadline = time(Some(DEADLINE)),
        tail = time(Some(TAIL)),
    )
}

fn kinds(contest: &Contest) -> String {
    let (ours, opened) = (contest.confirmed(SHOWN_ERROR), contest.opened(SHOWN_ERROR));
    let rivals: Vec<_> = (0..RIVALS.len()).map(|place| contest.rival(place)).collect();
    let mut text = format!(
        "## By kind of divergence

Found and missed, over all hot shares; Counterfoil with clocks known within {}. Each has names of its own: the others
*missing*, *extra* and *different*, Counterfoil those in the third column, as it confirmed them.

| divergence | planted | Counterfoil says | confirmed | opened |{}
|---|---|---|---|---|{}
",
        time(CLOCK_ERRORS.get(SHOWN_ERROR).copied()),
        RIVALS.map(|it| format!(" {} |", it.name)).concat(),
        "---|".repeat(RIVALS.len()),
    );
    for kind in FaultKind::PLANTED {
        let Some(it) = ours.kinds.get(&kind) else { continue };
        let everyone = [&ours, &opened].into_iter().chain(&rivals);
        let cells: String = everyone.map(|tally| format!(" {} |", found(tally.kinds.get(&kind)))).collect();
        text += &format!("| {} | {} | {} |{cells}\n", describe(kind), grouped(it.planted), names(it));
    }
    let everyone = [&ours, &opened].into_iter().chain(&rivals);
    let false_alarms: String = everyone.map(|tally| format!(" {} |", grouped(tally.false_alarms))).collect();
    text + &format!("| **false alarms** | | |{false_alarms}\n{RECURRING}")
}

const RECURRING: &str = "
What Counterfoil opens and does not confirm is a key that is still written and whose store is stuck at a value that is
written again and again, such as no value at all: at each read a store that lags within its deadline could hold it. A
timer compares with the last value and does tell it. The others know one value of a key, not the copy of each process, so
the last kind is out of their reach by design, and is all that the *kept* timers miss where they miss no other.
";

fn hot_shares(contest: &Contest) -> String {
    let mut text = format!(
        "## By share of hot writes

Counterfoil with clocks known within {}. *Unjudged keys* were written and never compared. *Judged writes* are those that the
checker said something of, right or wrong; of nearly all others a later write took the place. *Found* is counted from when
the two sides began to differ.

{}",
        time(CLOCK_ERRORS.get(SHOWN_ERROR).copied()),
        head(&["hot writes", "checker"]),
    );
    for round in &contest.rounds {
        let share = percent(round.hot_share);
        if let Some(ours) = round.ours.get(SHOWN_ERROR) {
            text += &row(&[&share, "Counterfoil, confirmed"], &ours.confirmed, true);
            text += &row(&[&share, "Counterfoil, opened"], &ours.opened, true);
        }
        for (it, tally) in RIVALS.iter().zip(&round.rivals) {
            text += &row(&[&share, it.name], tally, false);
        }
    }
    text
}

fn clock_errors(contest: &Contest) -> String {
    let mut text = format!(
        "## By clock error

Counterfoil alone: the others are given one clock. The error is half a round trip to a machine whose clock is another; what
the comparator made of it is in the second column. A larger error may cost certainty, and must never cost truth. False alarms
are counted as they are opened; all else is as confirmed.

{}",
        head(&["clock error", "bounded within", "hot writes"]),
    );
    for (place, error) in CLOCK_ERRORS.into_iter().enumerate() {
        for round in &contest.rounds {
            let Some(ours) = round.ours.get(place) else { continue };
            let bound = time(Some(ours.clock_error));
            let before = [time(Some(error)), bound, percent(round.hot_share)];
            let tally = Tally { false_alarms: ours.opened.false_alarms, ..ours.confirmed.clone() };
            text += &row(&before.each_ref().map(String::as_str), &tally, true);
        }
    }
    text
}
