//! What a write costs the thread that makes it: the time between the begin and the end of an emitter's call, as the application
//! sees it, whatever becomes of the sidecar.

use crate::report::{Figure, Section};
use crate::rounds::{median, share, sorted};
use crate::sidecar::{setup, with_spool};
use crate::workload::{MAP, VALUE_BYTES};
use counterfoil_clock::now;
use counterfoil_emitter::{Emitter, Identity, MapEmitter, Options, Stats};
use counterfoil_judge::Time;
use counterfoil_tests::intake::Sink;
use counterfoil_tests::{Harness, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::convert::Infallible;
use std::thread::sleep;
use std::time::Duration;

/// From one write to the next, in nanoseconds: 5,000 writes/s.
const PERIOD_NS: i64 = 200_000;
/// Writes of a round before anything is measured, and before anything happens to the sidecar.
const WARM_UP_WRITES: usize = 2_500;
/// Writes of a round under measurement: three seconds.
const WRITES: usize = 15_000;
/// Rounds of each state.
const ROUNDS: usize = 9;
/// Keys among which the writes go around.
const KEYS: usize = 1_000;

/// Bounds that are reached within the first of the three seconds in which nobody takes what is reported: what follows is
/// counted as lost, and that is measured too.
const RING_EVENTS: usize = 4_096;
const REPLAY_BYTES: usize = 262_144;

/// The disk cap of the sidecar's spool: the default.
const SPOOL_BYTES_MAX: u64 = 1 << 30;

/// What becomes of the sidecar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Healthy,
    /// It does not run any more, but still has its socket (SIGSTOP).
    Frozen,
    /// It is gone from one instant to the next (SIGKILL).
    Killed,
    /// It never was.
    Absent,
}

const STATES: [State; 4] = [State::Healthy, State::Frozen, State::Killed, State::Absent];

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Frozen => "frozen",
            Self::Killed => "killed",
            Self::Absent => "absent",
        }
    }

    /// Lets it come about, at a sidecar that is healthy until then.
    fn begin(self, sidecar: Option<u32>) {
        let signal = match self {
            Self::Healthy | Self::Absent => return,
            Self::Frozen => Signal::STOP,
            Self::Killed => Signal::KILL,
        };
        let id = sidecar.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("the sidecar runs"), signal).expect("it gets the signal");
    }

    /// Holds a round to what it is about.
    fn check(self, stats: &Stats) {
        let is_connected = matches!(self, Self::Healthy | Self::Frozen);
        assert_eq!(stats.connected, is_connected, "{}: {stats:?}", self.name());
        let loses = self != Self::Healthy;
        assert_eq!(stats.lost.ring_full > 0, loses, "{}: is the machine too busy? {stats:?}", self.name());
    }
}

/// Runs all states in turn, round by round.
pub(crate) fn section() -> Section {
    let sink = Sink::start();
    let mut harness = Harness::prepared(with_spool(setup(&sink), SPOOL_BYTES_MAX).0);
    let mut states = STATES.map(|state| (state, Vec::new()));
    for number in 1..=ROUNDS {
        eprintln!("calls: round {number} of {ROUNDS}");
        for (state, rounds) in &mut states {
            rounds.push(round(&mut harness, *state));
        }
    }
    let [healthy, others @ ..] = states.map(|(state, rounds)| Latency::of(state, &rounds));
    let mut figures: Vec<_> = others.iter().map(|other| other.beside(&healthy)).collect();
    figures.extend(healthy.spread());
    figures.extend([&healthy].into_iter().chain(&others).flat_map(Latency::figures));
    Section { title: "An emitter's calls at 5,000 writes/s", figures }
}

/// One round with a sidecar and an emitter of its own. Gives what each call took in nanoseconds, the shortest first.
fn round(harness: &mut Harness, state: State) -> Vec<f64> {
    let nowhere = harness.setup().folder().join("nobody.sock");
    let socket = if state == State::Absent { nowhere } else { harness.socket() };
    if state != State::Absent {
        harness.start_sidecar();
    }
    let options = Options { ring_events: RING_EVENTS, replay_bytes: REPLAY_BYTES, ..Options::default() };
    let emitter = Emitter::connect_with(socket, Identity::new("bench"), options).expect("an emitter");
    if state != State::Absent {
        wait::until("a welcome", || emitter.stats().connected.then_some(()));
    }
    let map = emitter.map(MAP);
    write(&map, WARM_UP_WRITES);
    state.begin(harness.sidecar_id());
    let took = write(&map, WRITES);
    state.check(&emitter.stats());
    drop(emitter);
    harness.kill_sidecar();
    took
}

/// Writes at the rate. Nothing is done between begin and end of a write, so that only the emitter is measured.
fn write(map: &MapEmitter, writes: usize) -> Vec<f64> {
    let keys: Vec<_> = (0..KEYS).map(|number| format!("user-{number:015}")).collect();
    let value = [b'v'; VALUE_BYTES];
    let mut due = now();
    let took = keys.iter().cycle().take(writes).map(|key| {
        due = due.plus(PERIOD_NS);
        sleep_until(due);
        let begun = now();
        let done: Result<(), Infallible> = map.dual_write_put(key, value, || (), || Ok(()));
        let ended = now();
        done.expect("nothing is written that could fail");
        ended.since(begun) as f64
    });
    sorted(took)
}

fn sleep_until(due: Time) {
    if let Ok(left @ 1..) = u64::try_from(due.since(now())) {
        sleep(Duration::from_nanos(left));
    }
}

/// How long calls took in a state: the middle of what the rounds say, in nanoseconds.
struct Latency {
    state: State,
    p50: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
    /// Of each round, the smallest first.
    p99_9_of_rounds: Vec<f64>,
}

impl Latency {
    fn of(state: State, rounds: &[Vec<f64>]) -> Self {
        let of_rounds = |of_all: f64| rounds.iter().map(move |took| share(took, of_all));
        let p99_9_of_rounds = sorted(of_rounds(0.999));
        Self {
            state,
            p50: median(of_rounds(0.5)),
            p99: median(of_rounds(0.99)),
            p99_9: share(&p99_9_of_rounds, 0.5),
            max: of_rounds(1.0).fold(0.0, f64::max),
            p99_9_of_rounds,
        }
    }

    /// How far the upper quarter of the rounds is from the middle one: what the machine does to a figure.
    fn noise(&self) -> f64 {
        share(&self.p99_9_of_rounds, 0.75) / self.p99_9
    }

    fn beside(&self, healthy: &Self) -> Figure {
        let what = format!("p99.9, sidecar {}, as a multiple of healthy", self.state.name());
        // As the page shows it.
        let noise = (healthy.noise() * 100.0).round() / 100.0;
        Figure::most(what, self.p99_9 / healthy.p99_9, noise, "x", 2)
    }

    fn spread(&self) -> [Figure; 3] {
        let of = |what: &str| format!("p99.9, sidecar {}, {what}", self.state.name());
        let round = |what, of_all| micros(of(what), share(&self.p99_9_of_rounds, of_all));
        [
            Figure::plain(of("upper quarter of the rounds to the middle one"), self.noise(), "x", 2),
            round("smallest of the rounds", 0.0),
            round("largest of the rounds", 1.0),
        ]
    }

    fn figures(&self) -> [Figure; 4] {
        let of = |what: &str| format!("{what}, sidecar {}", self.state.name());
        [
            micros(of("p50"), self.p50),
            micros(of("p99"), self.p99),
            micros(of("p99.9"), self.p99_9),
            micros(of("longest of all rounds"), self.max),
        ]
    }
}

fn micros(what: impl Into<String>, ns: f64) -> Figure {
    Figure::plain(what, ns / 1_000.0, "µs", 1)
}
