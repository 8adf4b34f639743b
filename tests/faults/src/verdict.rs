//! What a round showed: the book of the application held against what the comparator said, by the promise that was made.
//! Pure.
//!
//! - *Acknowledged lost*: an acknowledged number that the comparator neither accepted nor heard to be lost from the emitter
//!   itself, though the level promises it under this fault. Where it does not, such numbers are *forgone*.
//! - *Duplicates applied*: events applied to the key table beyond those accepted, and numbers accounted for twice.
//! - *False alarm*: a divergence of a key on which nothing was planted, or before it was planted.
//! - *Alert lost*: a planted bug that was never confirmed. One whose time touches a doubt of the fault is *in doubt*, as long
//!   as the comparator says of as many events that they are undetermined or lost, or may have forgotten them.
//! - *Alert repeated*: a bug that was opened twice, under one name or two, or confirmed by two lives of the comparator. A
//!   divergence that the bug's own write superseded before it was confirmed is one of the write before.
//! - *Conservation*: issued = accepted + declared lost, with nothing undeclared; and each accepted event has one outcome.

mod account;

use crate::book::{Book, MS, Planted, SourceBook};
use crate::promise::Promise;
use crate::told::{Divergence, Life};
use account::Account;
use std::collections::{HashMap, HashSet};

/// A bug whose older value was written this long before it depends on what happened since then.
const BEFORE_NS: i64 = 600 * MS;

/// How long after its deadline a bug on a key at rest must have been confirmed.
const AFTER_NS: i64 = 1_500 * MS;

/// A span of time, in nanoseconds of `CLOCK_BOOTTIME`.
pub(crate) type Span = (i64, i64);

/// All that is known at the end of a round.
pub(crate) struct Case<'a> {
    pub(crate) book: &'a Book,
    /// The comparator's lives, in order: what each said last. The last one said it at rest.
    pub(crate) lives: &'a [Life],
    pub(crate) divergences: &'a [Divergence],
    pub(crate) promise: Promise,
    /// When a verdict may have been impossible.
    pub(crate) doubts: &'a [Span],
    pub(crate) deadline_ns: i64,
    /// Whether the wall clocks of the processes were left alone.
    pub(crate) wall_is_true: bool,
}

/// What a round showed. Each text names what was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) acknowledged_lost: u64,
    pub(crate) forgone: u64,
    pub(crate) duplicates_applied: u64,
    pub(crate) false_alarms: Vec<String>,
    pub(crate) alerts_lost: Vec<String>,
    pub(crate) alerts_repeated: Vec<String>,
    pub(crate) unconserved: Vec<String>,
    pub(crate) in_doubt: usize,
    pub(crate) found: usize,
    /// From the planting to the confirmation, in milliseconds.
    pub(crate) detection_ms: Vec<f64>,
}

impl Findings {
    /// What must not be, one text each.
    pub(crate) fn breaches(&self) -> Vec<String> {
        let count = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let named = |what: &'static str, of: &[String]| {
            of.iter().map(|text| format!("{what}: {text}")).collect::<Vec<_>>()
        };
        let counts = [
            count(self.acknowledged_lost, "acknowledged events lost"),
            count(self.duplicates_applied, "events applied twice"),
        ];
        counts
            .into_iter()
            .flatten()
            .chain(named("false alarm", &self.false_alarms))
            .chain(named("alert lost", &self.alerts_lost))
            .chain(named("alert repeated", &self.alerts_repeated))
            .chain(named("not conserved", &self.unconserved))
            .collect()
    }
}

/// Holds a round to its promise.
pub(crate) fn findings(case: &Case<'_>) -> Findings {
    let mut findings = Findings::default();
    for source in &case.book.sources {
        numbers(case, source, &mut findings);
    }
    sums(case, &mut findings);
    alarms(case, &mut findings);
    alerts(case, &mut findings);
    findings
}

/// The numbers of one source.
fn numbers(case: &Case<'_>, source: &SourceBook, findings: &mut Findings) {
    let account = Account::of(&source.name, case.lives);
    let end = source.issued.unwrap_or(source.acknowledged);
    let unheard = source.acknowledged.saturating_sub(account.next);
    let holes = if case.promise.resumes { account.holes } else { 0 };
    let shed = account.declared.saturating_sub(source.own_losses);
    let missing = (unheard + holes + shed + account.undeclared).min(source.acknowledged);
    if case.promise.keeps_acknowledged {
        findings.acknowledged_lost += missing;
    } else {
        findings.forgone += missing;
    }
    findings.duplicates_applied += account.overcounted;
    let mut breach = |text: String| findings.unconserved.push(format!("{}: {text}", source.name));
    if case.promise.declares_losses && account.undeclared > 0 {
        breach(format!("{} numbers are missing that nobody declared lost", account.undeclared));
    }
    if case.promise.declares_losses && account.next < end {
        breach(format!("{end} numbers were used, the comparator knows {}", account.next));
    }
    if source.issued.is_some_and(|issued| account.next > issued) {
        breach(format!("{end} numbers were used, the comparator knows {}", account.next));
    }
    if case.lives.len() == 1 && account.next > 0 && account.first != Some(0) {
        breach(format!("the comparator's figures do not begin at 0: {account:?}"));
    }
}

/// The sums of the comparator's last life, at rest.
fn sums(case: &Case<'_>, findings: &mut Findings) {
    let Some(last) = case.lives.last() else {
        findings.unconserved.push("the comparator said nothing".to_owned());
        return;
    };
    let accepted: u64 = last.sources.iter().map(|source| source.accepted).sum();
    let applied = last.applied();
    findings.duplicates_applied += applied.saturating_sub(accepted);
    if case.lives.len() == 1 && applied < accepted {
        findings.unconserved.push(format!("{accepted} events accepted, {applied} applied"));
    }
    if !last.summary.is_balanced() || last.summary.open() > 0 {
        let maps = &last.summary.maps;
        findings.unconserved.push(format!("outcomes at rest: {maps:?}"));
    }
}

/// Divergences that nobody planted.
fn alarms(case: &Case<'_>, findings: &mut Findings) {
    let planted: HashMap<_, _> = case.book.planted.iter().map(|bug| (bug.key.as_str(), bug)).collect();
    for divergence in case.divergences {
        let Divergence { key, kind, .. } = divergence;
        match planted.get(key.as_str()) {
            None => findings.false_alarms.push(format!("{kind} of key {key}, right all the time")),
            Some(bug) if case.wall_is_true && divergence.opened_at_unix_ns < bug.at_unix_ns => {
                // A reader may look between the write and the instant noted after it.
                let early_ns = bug.at_unix_ns - divergence.opened_at_unix_ns;
                if early_ns > 100 * MS {
                    findings.false_alarms.push(format!("{kind} of key {key}, {} ms early", early_ns / MS));
                }
            }
            // A comparator that was started again may have forgotten which value a key had before.
            Some(bug) if case.lives.len() == 1 && kind != bug.bug.kind() => {
                findings.false_alarms.push(format!("{kind} of key {key}, which is {}", bug.bug.kind()));
            }
            Some(_) => {}
        }
    }
}

/// Bugs that were not found, or found too often.
fn alerts(case: &Case<'_>, findings: &mut Findings) {
    let mut of_key: HashMap<&str, Vec<&Divergence>> = HashMap::new();
    for divergence in case.divergences {
        of_key.entry(&divergence.key).or_default().push(divergence);
    }
    let mut silent = Vec::new();
    for bug in &case.book.planted {
        let rows = of_key.get(bug.key.as_str()).map(Vec::as_slice).unwrap_or_default();
        let confirmed = rows.iter().filter_map(|row| row.confirmed_at_unix_ns).min();
        match confirmed {
            Some(at) => {
                findings.found += 1;
                findings.detection_ms.push((at - bug.at_unix_ns) as f64 / MS as f64);
            }
            None => silent.push(bug),
        }
        let of_bug = || rows.iter().filter(|row| !row.was_superseded());
        let opened: u32 = of_bug().map(|row| row.times).sum();
        if opened > 1 {
            let names: HashSet<_> = of_bug().map(|row| row.id.as_str()).collect();
            let text = format!("key {} was opened {opened} times, as {names:?}", bug.key);
            findings.alerts_repeated.push(text);
        }
    }
    if !case.wall_is_true {
        findings.detection_ms.clear();
    }
    excuse(case, &silent, findings);
    counted_twice(case, findings);
}

/// Bugs that were not found are in doubt only if the fault touches their time, and the comparator owns up to it.
fn excuse(case: &Case<'_>, silent: &[&Planted], findings: &mut Findings) {
    let forgets = case.lives.len() > 1 && !case.promise.resumes;
    let lost = case.lives.last().map_or(0, Life::declared_lost);
    let mut owned_up: u64 = lost + case.lives.iter().map(Life::undetermined).sum::<u64>();
    for bug in silent {
        let span = (bug.at_ns - BEFORE_NS, bug.at_ns + case.deadline_ns + AFTER_NS);
        let touched = case.doubts.iter().any(|doubt| doubt.0 <= span.1 && span.0 <= doubt.1);
        if touched && (forgets || owned_up > 0) {
            owned_up = owned_up.saturating_sub(1);
            findings.in_doubt += 1;
        } else {
            findings.alerts_lost.push(format!("{} of key {}", bug.bug.kind(), bug.key));
        }
    }
}

/// Divergences that several lives of the comparator counted as theirs.
fn counted_twice(case: &Case<'_>, findings: &mut Findings) {
    let counted: u64 = case.lives.iter().map(|life| life.summary.divergences.confirmed).sum();
    let rows = case.divergences.iter().filter(|row| row.confirmed_at_unix_ns.is_some()).count();
    let rows = u64::try_from(rows).unwrap_or(u64::MAX);
    if counted > rows {
        findings.alerts_repeated.push(format!("{counted} confirmations were counted, of {rows} divergences"));
    }
}

#[cfg(test)]
mod tests;
