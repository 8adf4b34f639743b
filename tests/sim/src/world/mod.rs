//! The world that a checker looks at: an application of several processes, its map, a store, and clocks.
//!
//! The world knows nothing of any checker. It tells its [`News`]: a process started, a write began, a write is over and
//! can be reported. Whoever watches may read the store at any instant. Everything is drawn from the seed, and the world
//! is the same whoever watches, so that several checkers can be compared over equal worlds.
//!
//! In the world everything is known: when the map changed, when the store did, and what was done to them. That is what
//! the oracle judges a checker by.

mod application;
mod clock;
mod faults;
mod key;
mod life;
mod store;
mod telling;
mod timetable;
mod write;

pub use clock::Clock;
pub use key::{Cell, Key};
pub use life::Process;
pub use write::Write;

use crate::arena::{Arena, places};
use crate::faults::Fault;
use crate::plan::{Plan, Sleep, stream};
use crate::queue::Queue;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

places! {
    /// Names a key.
    KeyRef;
    /// Names a write.
    WriteRef;
    /// Names a process of the application: a source.
    SourceRef;
    /// Names a fault that came into effect.
    FaultRef;
}

/// What can be noticed from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// A process started.
    Started(SourceRef),
    /// A write began: from now on it is open.
    Began(WriteRef),
    /// A write is over, and what its process knows of it can be reported.
    Over(WriteRef),
    /// A process begins to tell what the map at this place holds; what it was telling of it is broken off.
    TellingBegan(SourceRef, usize),
    /// A process read that its map holds a value, and tells it.
    Held(WriteRef),
    /// A process has read all that it holds of the map at this place.
    TellingEnded(SourceRef, usize),
    /// A process said bye; all its writes are over.
    SaidBye(SourceRef),
    /// A process died.
    Died(SourceRef),
    /// A machine fell asleep.
    Slept(usize),
    /// A machine woke up.
    Woke(usize),
}

/// What happens in the world.
#[derive(Clone, Copy, Debug)]
enum Event {
    Start(SourceRef),
    End(SourceRef),
    WriteDue(SourceRef),
    Register(WriteRef),
    ChangeMap(WriteRef),
    Apply(WriteRef),
    Finish(WriteRef),
    Release(WriteRef),
    Expire(KeyRef, u64),
    Follow(SourceRef, WriteRef),
    Tell(SourceRef),
    TellOn(SourceRef, usize, i64),
    FallAsleep(usize, Sleep),
    WakeUp(usize),
    Prepare(usize),
    Plant(usize),
    Heal(usize),
    GoBack(WriteRef, WriteRef),
}

/// Everything there is, and everything that will happen.
pub struct World {
    /// What was drawn beforehand.
    pub plan: Plan,
    /// Each machine's clock.
    pub clocks: Vec<Clock>,
    /// The processes.
    pub sources: Arena<SourceRef, Process>,
    /// The keys, in map and store.
    pub keys: Arena<KeyRef, Key>,
    /// Every write there was.
    pub writes: Arena<WriteRef, Write>,
    /// Every fault that came into effect.
    pub faults: Arena<FaultRef, Fault<KeyRef, WriteRef>>,
    /// The keys by their names, as the store has its rows.
    by_name: BTreeMap<String, KeyRef>,
    rng: SmallRng,
    queue: Queue<Event>,
    now: i64,
    values: u64,
    news: Vec<News>,
}

impl World {
    /// The world of a plan, before anything happened.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let clocks = plan.domains.iter().enumerate();
        let clocks = clocks.map(|(at, domain)| Clock::new(at, domain, plan.times.begin)).collect();
        let names = plan.keys.iter().enumerate().map(|(at, key)| (key.name.clone(), KeyRef(at)));
        let mut world = Self {
            clocks,
            by_name: names.collect(),
            sources: Arena::new(plan.sources.iter().map(|_| Process::new()).collect()),
            keys: Arena::new(plan.keys.iter().map(|key| Key::new(key.map)).collect()),
            writes: Arena::new(Vec::new()),
            faults: Arena::new(Vec::new()),
            rng: stream(plan.seed, 1),
            queue: Queue::new(),
            now: plan.times.begin,
            values: 0,
            news: Vec::new(),
            plan,
        };
        world.load();
        world.plan_ahead();
        world
    }

    /// The present instant, in nanoseconds of true time.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Time passes until `at`, which is no later than the next event.
    pub fn pass(&mut self, at: i64) {
        debug_assert!(self.now <= at && at <= self.next_at(), "nothing is skipped");
        self.now = at;
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> i64 {
        self.queue.next_at()
    }

    /// Lets the next thing happen; gives what can be noticed of it.
    pub fn step(&mut self) -> Vec<News> {
        if let Some((at, event)) = self.queue.take() {
            self.now = at;
            self.happen(event);
        }
        std::mem::take(&mut self.news)
    }

    /// The clock of a process.
    #[must_use]
    pub fn clock(&self, source: SourceRef) -> &Clock {
        let sidecar =
            self.plan.sources.get(source.0).and_then(|source| self.plan.sidecars.get(source.sidecar));
        let domain = sidecar.and_then(|sidecar| self.clocks.get(sidecar.domain));
        domain.expect("the plan names sidecars and domains that are in it")
    }

    /// What both sides hold before anybody writes.
    fn load(&mut self) {
        let loaded = self.plan.keys.iter().enumerate().filter(|(_, key)| key.is_loaded);
        for key in loaded.map(|(at, _)| KeyRef(at)).collect::<Vec<_>>() {
            let value = self.new_value();
            self.keys.get_mut(key).map_value = value;
            self.set(key, value, 0);
        }
        for at in 0..self.plan.faults.len() {
            if self.plan.faults.get(at).is_some_and(|fault| fault.kind.is_from_before()) {
                self.plant(at);
            }
        }
    }

    fn plan_ahead(&mut self) {
        for (at, source) in self.plan.sources.iter().enumerate() {
            self.queue.plan(source.begin, Event::Start(SourceRef(at)));
            self.queue.plan(source.end, Event::End(SourceRef(at)));
        }
        for (at, domain) in self.plan.domains.iter().enumerate() {
            for sleep in &domain.sleeps {
                self.queue.plan(sleep.at, Event::FallAsleep(at, *sleep));
            }
        }
        for (at, fault) in self.plan.faults.iter().enumerate() {
            fault.prior.iter().for_each(|prior| self.queue.plan(*prior, Event::Prepare(at)));
            if !fault.kind.is_from_before() {
                self.queue.plan(fault.at, Event::Plant(at));
            }
            fault.healed_at.iter().for_each(|healed| self.queue.plan(*healed, Event::Heal(at)));
        }
        self.plan_tellings();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(source) => self.start(source),
            Event::End(source) => self.end(source),
            Event::WriteDue(source) => self.write_due(source),
            Event::Register(write) => self.register(write),
            Event::ChangeMap(write) => self.change_map(write),
            Event::Apply(write) => self.apply(write),
            Event::Finish(write) => self.finish(write),
            Event::Release(write) => self.release(write),
            Event::Expire(key, stamp) => self.expire(key, stamp),
            Event::Follow(source, write) => self.follow(source, write),
            Event::Tell(source) => self.tell(source),
            Event::TellOn(source, map, begun) => self.tell_on(source, map, begun),
            Event::FallAsleep(domain, sleep) => self.fall_asleep(domain, sleep),
            Event::WakeUp(domain) => self.news.push(News::Woke(domain)),
            Event::Prepare(fault) => self.prepare(fault),
            Event::Plant(fault) => self.plant(fault),
            Event::Heal(fault) => self.heal(fault),
            Event::GoBack(older, newer) => self.go_back(older, newer),
        }
    }
}
