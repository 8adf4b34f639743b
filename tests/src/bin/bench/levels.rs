//! What it costs a sidecar to acknowledge later: at the levels `received`, `spooled` and `durable`, and without a spool.

use crate::load::Load;
use crate::report::{Figure, Section};
use crate::rounds::{median, share, sorted};
use crate::sidecar::{PACE, setup, with_spool};
use crate::usage::CpuTime;
use crate::workload::{EVENTS_PER_FRAME, Workload};
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_tests::intake::Sink;
use counterfoil_tests::{Harness, wait};
use std::time::Duration;

/// The disk cap of the spool: the default.
const SPOOL_BYTES_MAX: u64 = 1 << 30;
/// Frames of each level that are sent before anything is measured.
const WARM_UP_FRAMES: usize = 400;
/// Frames that are sent before it is looked how far the comparator is.
const FRAMES_AT_ONCE: usize = 100;
/// How many events the comparator may be behind: what the sidecar holds in memory, so that it reads nothing back from disk.
const BEHIND_MAX: u64 = 60_000;

/// What a level may cost, as a multiple of `received`.
const SPOOLED_MAX: f64 = 1.3;
const DURABLE_MAX: f64 = 1.6;

/// How much is sent in a round of one level, and in how many rounds.
#[derive(Clone, Copy)]
struct Plan {
    name: &'static str,
    rounds: usize,
    frames: usize,
    pace: Duration,
}

/// As fast as the sidecar takes it.
const FULL_SPEED: Plan = Plan { name: "at full speed", rounds: 9, frames: 4_000, pace: Duration::ZERO };
/// A frame of 240 events every 24 ms.
const PACED: Plan = Plan { name: "at 10,000 events/s", rounds: 7, frames: 84, pace: PACE };

/// Measures full speed and a moderate rate.
pub(crate) fn section() -> Section {
    let workload = Workload::new();
    let (with_a_spool, without) = (Running::start(true), Running::start(false));
    let mut ways = [
        Way::new(&workload, &with_a_spool, AckLevel::Received),
        Way::new(&workload, &with_a_spool, AckLevel::Spooled),
        Way::new(&workload, &with_a_spool, AckLevel::Durable),
        Way::new(&workload, &without, AckLevel::Received),
    ];
    ways.iter_mut().for_each(|way| {
        way.cpu_ns_per_event(WARM_UP_FRAMES, Duration::ZERO);
    });
    let figures = [FULL_SPEED, PACED].into_iter().flat_map(|plan| figures(plan, &mut ways));
    Section { title: "The sidecar's levels of acknowledgement", figures: figures.collect() }
}

/// A sidecar, and the comparator that takes everything from it.
struct Running {
    sink: Sink,
    harness: Harness,
}

impl Running {
    fn start(has_spool: bool) -> Self {
        let sink = Sink::start();
        let setup = setup(&sink);
        let setup = if has_spool { with_spool(setup, SPOOL_BYTES_MAX).0 } else { setup };
        let mut harness = Harness::prepared(setup);
        harness.start_sidecar();
        Self { sink, harness }
    }
}

/// A source that is acknowledged at one level by one of the sidecars.
struct Way<'a> {
    sidecar: &'a Running,
    load: Load<'a>,
}

impl<'a> Way<'a> {
    fn new(workload: &'a Workload, sidecar: &'a Running, level: AckLevel) -> Self {
        Self { sidecar, load: Load::connect(workload, &sidecar.harness.socket(), level) }
    }

    /// CPU time of the sidecar per event until all is acknowledged to the source, and taken by the comparator.
    fn cpu_ns_per_event(&mut self, frames: usize, pace: Duration) -> f64 {
        let Running { sink, harness } = self.sidecar;
        let already = sink.events();
        let cpu = CpuTime::of(harness.sidecar_id().expect("the sidecar runs"));
        let (mut left, mut sent) = (frames, 0);
        while left > 0 {
            let some = left.min(FRAMES_AT_ONCE);
            self.load.send(some, pace);
            (left, sent) = (left - some, sent + (some * EVENTS_PER_FRAME) as u64);
            let is_near = || already + sent <= sink.events() + BEHIND_MAX;
            wait::until("the comparator", || is_near().then_some(()));
        }
        let is_done = || sink.events() == already + sent && self.load.is_acknowledged();
        wait::until("the end of the load", || is_done().then_some(()));
        cpu.spent_ns() / sent as f64
    }
}

/// CPU time per event in one round, in nanoseconds, of each way.
struct Round {
    received: f64,
    spooled: f64,
    durable: f64,
    without_spool: f64,
}

impl Round {
    fn measure(plan: Plan, ways: &mut [Way<'_>; 4]) -> Self {
        let [received, spooled, durable, without_spool] =
            ways.each_mut().map(|way| way.cpu_ns_per_event(plan.frames, plan.pace));
        Self { received, spooled, durable, without_spool }
    }
}

/// Measures all ways in turn, round by round; each is compared with `received` of its own round.
fn figures(plan: Plan, ways: &mut [Way<'_>; 4]) -> [Figure; 8] {
    let name = plan.name;
    eprintln!("levels: {name}");
    let rounds: Vec<_> = (0..plan.rounds).map(|_| Round::measure(plan, ways)).collect();
    let ratio = |cost: fn(&Round) -> f64| median(rounds.iter().map(|round| cost(round) / round.received));
    let ns = |way: &str, cost: fn(&Round) -> f64| {
        Figure::plain(format!("{way}, {name}: CPU per event"), median(rounds.iter().map(cost)), "ns", 0)
    };
    let to_received = |way: &str| format!("{way}, {name}, as a multiple of `received`");
    let received = sorted(rounds.iter().map(|round| round.received));
    let spread = share(&received, 1.0) / share(&received, 0.0);
    [
        Figure::most(to_received("`spooled`"), ratio(|round| round.spooled), SPOOLED_MAX, "x", 2),
        Figure::most(to_received("`durable`"), ratio(|round| round.durable), DURABLE_MAX, "x", 2),
        Figure::plain(to_received("without a spool"), ratio(|round| round.without_spool), "x", 2),
        Figure::plain(format!("`received`, {name}: dearest round to the cheapest"), spread, "x", 2),
        ns("`received`", |round| round.received),
        ns("`spooled`", |round| round.spooled),
        ns("`durable`", |round| round.durable),
        ns("without a spool", |round| round.without_spool),
    ]
}
