//! One round: an application at work, a fault, the recovery, and the verdict.

use crate::book::{Book, MS};
use crate::machine::Machine;
use crate::plan::{DEADLINE_MS, Plan};
use crate::promise::{Level, Promise, Takes};
use crate::rig::Rig;
use crate::scenario::{Props, Scenario};
use crate::told::{self, Life};
use crate::verdict::{Case, Findings, Span, findings};
use counterfoil_clock::now;
use counterfoil_tests::wait;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// How long the comparator may take to catch up after a fault.
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take until every event has an outcome.
const SETTLED_WITHIN: Duration = Duration::from_secs(40);
/// How long the application works after a fault, in milliseconds: long enough for bugs that no doubt covers.
const AFTERWARDS_MS: Range<u64> = 1_500..2_000;
/// Doubt may begin a little before the fault: what had not been judged yet.
const UNJUDGED_NS: i64 = 500 * MS;

/// A round while it runs.
pub(crate) struct Round<'a> {
    pub(crate) rig: Rig<'a>,
    pub(crate) props: Props,
    pub(crate) random: SmallRng,
    pub(crate) subject: &'static str,
    /// Whether the wall clocks of the processes are left alone.
    pub(crate) wall_is_true: bool,
    takes: Takes,
    /// Since when a fault has lasted.
    fault_since: Option<i64>,
    doubts: Vec<Span>,
    recoveries_ms: Vec<f64>,
    /// Of applications that were killed.
    book: Book,
}

/// How far the application was at an instant: what has to be caught up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    at_ns: i64,
    issued: u64,
}

/// What a round gives.
pub(crate) struct Outcome {
    pub(crate) findings: Findings,
    pub(crate) recoveries_ms: Vec<f64>,
    pub(crate) issued: u64,
    /// What must not be.
    pub(crate) breaches: Vec<String>,
}

impl<'a> Round<'a> {
    /// Everything runs, and the application works.
    pub(crate) fn begin(
        scenario: &Scenario,
        machine: &'a Machine,
        level: Level,
        seed: u64,
    ) -> Result<Self, String> {
        let mut plan = Plan { level, seed, ..Plan::default() };
        let props = (scenario.prepare)(&mut plan)?;
        let mut rig = Rig::new(plan, machine)?;
        rig.start_comparator()?;
        rig.start_sidecar()?;
        rig.start_app()?;
        Ok(Self {
            rig,
            props,
            random: SmallRng::seed_from_u64(seed),
            subject: scenario.subject,
            wall_is_true: true,
            takes: scenario.takes,
            fault_since: None,
            doubts: Vec::new(),
            recoveries_ms: Vec::new(),
            book: Book::default(),
        })
    }

    /// Lets everything go on for a random time within these milliseconds. When a fault strikes is what a round is about,
    /// so here time is waited for.
    pub(crate) fn work(&mut self, ms: Range<u64>) {
        let ms = self.random.random_range(ms);
        thread::sleep(Duration::from_millis(ms));
    }

    /// Lets the application work once the fault is over: bugs planted then have to be found.
    pub(crate) fn afterwards(&mut self) {
        self.work(AFTERWARDS_MS);
    }

    /// Sees that what the comparator knows stands still for so many milliseconds, as it must while nothing reaches it.
    pub(crate) fn sees_standstill(&mut self, ms: u64) -> Result<(), String> {
        let before = self.rig.known()?;
        self.work(ms..ms + 1);
        let after = self.rig.known()?;
        if before == after {
            Ok(())
        } else {
            Err(format!("the fault is not felt: {before} numbers became {after}"))
        }
    }

    /// From now on a verdict may be impossible.
    pub(crate) fn fault_begins(&mut self) {
        self.fault_since.get_or_insert(now().0 - UNJUDGED_NS);
    }

    /// How far the application is now.
    pub(crate) fn mark(&self) -> Result<Mark, String> {
        let issued = self.rig.app()?.counted().issued;
        Ok(Mark { at_ns: now().0, issued })
    }

    /// Waits until the comparator has taken in all that was issued before `mark`, which is when the repair began; the fault
    /// is then over.
    pub(crate) fn recovered(&mut self, mark: Mark) -> Result<(), String> {
        let rig = &self.rig;
        let caught_up = || rig.known().ok().filter(|&known| known >= mark.issued);
        if wait::within(RECOVERED_WITHIN, caught_up).is_none() {
            let known = rig.known();
            return Err(format!(
                "after {RECOVERED_WITHIN:?} the comparator knows {known:?} of the {} numbers used before",
                mark.issued
            ));
        }
        self.recoveries_ms.push((now().0 - mark.at_ns) as f64 / MS as f64);
        self.fault_is_over(0);
        Ok(())
    }

    /// The fault is over, and leaves doubt for so many milliseconds beyond a deadline.
    pub(crate) fn fault_is_over(&mut self, doubt_ms: u32) {
        let until = now().0 + i64::from(DEADLINE_MS + doubt_ms) * MS;
        self.doubts.extend(self.fault_since.take().map(|since| (since, until)));
    }

    /// Kills the application and starts it again.
    pub(crate) fn kill_app(&mut self) -> Result<(), String> {
        let app = self.rig.app.take().ok_or("no application runs")?;
        self.add(app.kill()?);
        self.rig.start_app()
    }

    /// The disk of this round.
    pub(crate) fn disk(&mut self) -> Result<&mut crate::tools::Image, String> {
        self.props.disk.as_mut().ok_or_else(|| "this scenario has no disk".to_owned())
    }

    /// The network of this round.
    pub(crate) fn network(&self) -> Result<&crate::tools::Netns, String> {
        self.props.network.as_ref().ok_or_else(|| "this scenario has no network".to_owned())
    }

    /// Lets the application end, waits until all is at rest, and judges.
    pub(crate) fn end(&mut self) -> Result<Outcome, String> {
        if let Some(app) = self.rig.app.take() {
            self.add(app.finish()?);
        }
        for process in ["sidecar", "comparator"] {
            if !self.rig.is_running(process) {
                return Err(format!("the {process} has ended by itself"));
            }
        }
        let promise = self.promise();
        let last = self.at_rest(promise)?;
        self.rig.weigh();
        self.rig.lives.push(last);
        let divergences = told::divergences(self.rig.place.http)?;
        let case = Case {
            book: &self.book,
            lives: &self.rig.lives,
            divergences: &divergences,
            promise,
            doubts: &self.doubts,
            deadline_ns: i64::from(DEADLINE_MS) * MS,
            wall_is_true: self.wall_is_true,
        };
        let findings = findings(&case);
        let breaches = findings.breaches().into_iter().chain(self.rig.swollen.drain(..)).collect();
        let recoveries_ms = std::mem::take(&mut self.recoveries_ms);
        Ok(Outcome { findings, recoveries_ms, issued: self.book.issued(), breaches })
    }

    fn promise(&self) -> Promise {
        let machine = self.rig.machine;
        Promise::of(self.rig.plan.level, self.takes, machine.has_spool(), machine.has_journal())
    }

    fn add(&mut self, book: Book) {
        self.book.sources.extend(book.sources);
        self.book.planted.extend(book.planted);
    }

    /// What the comparator says when every number is known and every event has its outcome; what it says last if that does
    /// not come about.
    fn at_rest(&self, promise: Promise) -> Result<Life, String> {
        let port = self.rig.place.http;
        let is_known = |life: &Life| {
            let mut ended = self.book.sources.iter().filter_map(|it| Some((&it.name, it.issued?)));
            ended.all(|(name, issued)| {
                life.sources.iter().any(|told| told.source == *name && told.next_seq >= issued)
            })
        };
        let is_at_rest = |life: &Life| {
            (is_known(life) || !promise.declares_losses)
                && life.summary.open() == 0
                && life.summary.is_balanced()
        };
        match wait::within(SETTLED_WITHIN, || Life::of(port).ok().filter(is_at_rest)) {
            Some(life) => Ok(life),
            None => Life::of(port),
        }
    }
}
