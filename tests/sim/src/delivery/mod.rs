//! From the application to the comparator: emitters, sidecars with the real batcher, the network between, and the real
//! engine and scheduler at its end. It watches a [`World`] as any other checker would.

mod comparator;
mod emitter;
mod network;
mod pages;
mod sidecar;
mod stamp;

use comparator::Ahead;
pub use comparator::Comparator;
pub use emitter::{Emitter, Flushed};
pub use sidecar::{Sidecar, source_id};

use crate::oracle::Oracle;
use crate::plan::{Trouble, TroubleKind, stream};
use crate::queue::Queue;
use crate::transcript::Transcript;
use crate::watch::Checker;
use crate::world::{KeyRef, News, SourceRef, World};
use counterfoil_keys::DeploymentKey;
use counterfoil_proto::wire;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

/// What happens between the application and the comparator's verdicts.
enum Event {
    Flush(SourceRef),
    Seal(SourceRef),
    Connect(usize),
    Welcome { sidecar: usize, connection: u64, sent: i64 },
    Arrive { sidecar: usize, connection: u64, upload: Box<wire::Upload>, again: bool },
    Reply { sidecar: usize, connection: u64, sent: i64, through: u64 },
    Begin(usize, Trouble),
    End(usize, TroubleKind),
    Tick,
    Look(u64),
    Back(u64),
}

/// Counterfoil, from the emitters on.
pub struct Counterfoil {
    /// What is true, and what was said.
    pub oracle: Oracle,
    /// Every input and effect.
    pub transcript: Transcript,
    emitters: BTreeMap<SourceRef, Emitter>,
    sidecars: Vec<Sidecar>,
    comparator: Comparator,
    key: DeploymentKey,
    queue: Queue<Event>,
    rng: SmallRng,
}

impl Counterfoil {
    /// Watches `world`, in which nothing has happened yet.
    #[must_use]
    pub fn new(world: &World, transcript: Transcript) -> Self {
        let plan = &world.plan;
        let key = DeploymentKey::new("sim", [7; 32]);
        let clock = |domain: usize| {
            world.clocks.get(domain).expect("sidecars name domains of the plan").domain().clone()
        };
        let sidecar = |it: &crate::plan::SidecarPlan| Sidecar::new(it.clone(), key.clone(), clock(it.domain));
        let sidecars: Vec<_> = plan.sidecars.iter().map(sidecar).collect();
        let mut queue = Queue::new();
        for (at, sidecar) in plan.sidecars.iter().enumerate() {
            queue.plan(plan.times.begin, Event::Connect(at));
            sidecar.troubles.iter().for_each(|trouble| queue.plan(trouble.begin, Event::Begin(at, *trouble)));
        }
        queue.plan(plan.times.begin, Event::Tick);
        Self {
            oracle: Oracle::new(world),
            transcript,
            emitters: BTreeMap::new(),
            sidecars,
            comparator: Comparator::new(world, key.clone(), clock(0)),
            key,
            queue,
            rng: stream(plan.seed, 2),
        }
    }

    /// The comparator's part.
    #[must_use]
    pub fn comparator(&self) -> &Comparator {
        &self.comparator
    }

    /// The emitters of all processes there were.
    pub fn emitters(&self) -> impl Iterator<Item = (SourceRef, &Emitter)> {
        self.emitters.iter().map(|(source, emitter)| (*source, emitter))
    }

    /// Takes what an emitter has, if its sidecar reads.
    fn flush(&mut self, source: SourceRef, world: &World) {
        let process = world.sources.get(source);
        let Some(emitter) = self.emitters.get_mut(&source) else { return };
        if !process.alive && (!emitter.says_bye || emitter.said_bye) {
            return;
        }
        let Some(plan) = world.plan.sources.get(source.0) else { return };
        let Some(sidecar) = self.sidecars.get_mut(plan.sidecar) else { return };
        self.queue.plan(world.now() + plan.flush_every, Event::Flush(source));
        if !sidecar.reads() {
            return;
        }
        let flushed = emitter.flush(world);
        self.oracle.issued(source, &flushed);
        let now = world.clock(source).shows(world.now());
        if let Some(after) = sidecar.take(source, flushed, world, now) {
            // The sidecar's clock may run slower than true time.
            self.queue.plan(world.now() + after + after / 1_000 + 1_000, Event::Seal(source));
        }
        if emitter.says_bye {
            emitter.said_bye = true;
            sidecar.bye(source, emitter.next_seq, world);
        }
        self.send(plan.sidecar, world);
    }

    fn seal(&mut self, source: SourceRef, world: &World) {
        let Some(plan) = world.plan.sources.get(source.0) else { return };
        let Some(sidecar) = self.sidecars.get_mut(plan.sidecar) else { return };
        sidecar.seal(source, world.clock(source).shows(world.now()));
        self.send(plan.sidecar, world);
    }

    /// The comparator dies and starts over. Reads and connections end with it.
    fn start_over(&mut self, world: &World) {
        if let Some(clock) = world.clocks.first() {
            self.comparator.start_over(Comparator::new(world, self.key.clone(), clock.domain().clone()));
        }
        self.oracle.restarted();
        for at in 0..self.sidecars.len() {
            self.break_connection(at, world);
        }
    }

    fn tick(&mut self, world: &World) {
        let ahead = self.comparator.tick(world, &mut self.rng, &mut self.oracle, &mut self.transcript);
        ahead.into_iter().for_each(|ahead| self.send_off(ahead));
        self.queue.plan(world.now() + world.plan.comparator.tick, Event::Tick);
    }

    fn take_back(&mut self, read: u64, world: &World) {
        let ahead = self.comparator.back(read, world, &mut self.rng, &mut self.transcript);
        ahead.into_iter().for_each(|ahead| self.send_off(ahead));
    }

    fn send_off(&mut self, Ahead { read, looks, back }: Ahead) {
        looks.into_iter().for_each(|look| self.queue.plan(look, Event::Look(read)));
        self.queue.plan(back, Event::Back(read));
    }

    fn on_machine(&mut self, domain: usize) -> impl Iterator<Item = (usize, &mut Sidecar)> {
        self.sidecars.iter_mut().enumerate().filter(move |(_, sidecar)| sidecar.plan.domain == domain)
    }
}

impl Checker for Counterfoil {
    fn notice(&mut self, news: News, world: &World) {
        match news {
            News::Started(source) => {
                self.emitters.insert(source, Emitter::new(source, world));
                self.queue.plan(world.now(), Event::Flush(source));
            }
            News::Began(write) => {
                let source = world.writes.get(write).source;
                self.emitters.entry(source).and_modify(|emitter| emitter.begin(write, world));
            }
            News::Over(write) => {
                let source = world.writes.get(write).source;
                self.emitters.entry(source).and_modify(|emitter| emitter.over(write));
            }
            News::TellingBegan(source, map) => {
                let Some(emitter) = self.emitters.get_mut(&source) else { return };
                let breaks_off = emitter.begin_telling(map, world);
                self.oracle.paths.add("map told anew in the middle of it", u64::from(breaks_off));
            }
            News::Held(read) => {
                let it = world.writes.get(read);
                let source = it.source;
                self.oracle.paths.add("held value lost", u64::from(it.is_oversized));
                self.emitters.entry(source).and_modify(|emitter| emitter.hold(read, world));
            }
            News::TellingEnded(source, map) => {
                self.emitters.entry(source).and_modify(|emitter| emitter.end_telling(map));
            }
            News::SaidBye(source) => {
                self.emitters.entry(source).and_modify(|emitter| emitter.says_bye = true);
            }
            News::Died(source) => {
                let is_telling = self.emitters.get(&source).is_some_and(Emitter::is_telling);
                self.oracle.paths.add("process gone in the middle of telling", u64::from(is_telling));
            }
            News::Slept(domain) => {
                let idle = self.on_machine(domain).all(|(_, sidecar)| sidecar.is_idle());
                self.oracle.slept(idle, domain, world);
                self.on_machine(domain).for_each(|(_, sidecar)| {
                    sidecar.sleeps = true;
                    sidecar.is_welcome = false;
                    sidecar.connection += 1;
                });
            }
            News::Woke(domain) => {
                let mut awake = Vec::new();
                for (at, sidecar) in self.on_machine(domain) {
                    sidecar.sleeps = false;
                    awake.push(at);
                }
                awake.into_iter().for_each(|at| self.queue.plan(world.now(), Event::Connect(at)));
            }
        }
    }

    fn next_at(&self) -> i64 {
        self.queue.next_at()
    }

    fn act(&mut self, world: &World) {
        let Some((_, event)) = self.queue.take() else { return };
        match event {
            Event::Flush(source) => self.flush(source, world),
            Event::Seal(source) => self.seal(source, world),
            Event::Connect(sidecar) => self.connect(sidecar, world),
            Event::Welcome { sidecar, connection, sent } => self.welcome(sidecar, connection, sent, world),
            Event::Arrive { sidecar, connection, upload, again } => {
                self.arrive(sidecar, connection, *upload, again, world);
            }
            Event::Reply { sidecar, connection, sent, through } => {
                self.reply(sidecar, connection, sent, through, world);
            }
            Event::Begin(sidecar, trouble) => self.begin_trouble(sidecar, trouble, world),
            Event::End(sidecar, kind) => self.end_trouble(sidecar, kind),
            Event::Tick => self.tick(world),
            Event::Look(read) => self.comparator.look(read, world, &mut self.oracle),
            Event::Back(read) => self.take_back(read, world),
        }
    }
}

/// The names of a key's map and of the key.
fn names(world: &World, key: KeyRef) -> (&str, &str) {
    let plan = world.plan.keys.get(key.0).expect("keys are those of the plan");
    let map = world.plan.maps.get(plan.map).expect("keys name maps of the plan");
    (&map.name, &plan.name)
}
