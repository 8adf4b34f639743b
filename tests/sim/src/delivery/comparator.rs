//! The comparator: the real engine and scheduler, and reads of the simulated store.

use super::stamp;
use crate::oracle::{Oracle, Sample};
use crate::plan::{Plan, span, terms};
use crate::transcript::Transcript;
use crate::values;
use crate::world::World;
use counterfoil_clock::Domain;
use counterfoil_comparator::budget::Ending;
use counterfoil_comparator::config::{Probing, WrittenGate};
use counterfoil_comparator::contract::{self, Contract, Contracts, Severity};
use counterfoil_comparator::engine::{Anything, Engine, Limits, Options};
use counterfoil_comparator::scheduler::{Read, Request, Scheduler};
use counterfoil_comparator::sources::Silence;
use counterfoil_comparator::store::{Lookup, Reader, Shape, WrittenBudget, WrittenStore};
use counterfoil_comparator::table::{Observed, Seen};
use counterfoil_digest::{Codec, MapDigesters};
use counterfoil_judge::{Interval, Reason, Time};
use counterfoil_keys::{DeploymentKey, Keyring, TenantName};
use counterfoil_proto::wire;
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bounds that no run reaches.
const LIMITS: Limits = Limits { batch_bytes_max: 4 << 20, batch_events_max: 65_536 };

/// Sources that are remembered; more than any run has.
const SOURCES_MAX: usize = 1_000;

/// From one count of the table's keys to the next, in ticks.
const COUNT_EVERY: u64 = 32;

/// A read of the store on its way.
struct UnderWay {
    request: Request,
    at: Interval,
    fails: bool,
    seen: Vec<Seen>,
}

/// Engine, scheduler, and the reads under way.
pub struct Comparator {
    /// The engine.
    pub engine: Arc<Engine>,
    scheduler: Scheduler,
    reads: BTreeMap<u64, UnderWay>,
    reads_begun: u64,
    ticks: u64,
}

impl Comparator {
    /// A comparator with a contract for each map of the plan that has one.
    #[must_use]
    pub fn new(world: &World, key: DeploymentKey, own_clock: Domain) -> Self {
        let plan = &world.plan;
        let probing = Probing {
            first_delay: plan.comparator.first_delay,
            gap_min: plan.comparator.gap.0,
            gap_max: plan.comparator.gap.1,
        };
        let engine = Arc::new(Engine::new(Options {
            contracts: Arc::new(contracts(plan, &key)),
            keys: Keyring::of(key),
            verify: stamp::verify,
            own_clock,
            limits: LIMITS,
            probing,
            keys_max: plan.comparator.keys_max,
            sources_max: SOURCES_MAX,
            silence: Silence { timeout: plan.comparator.timeout, expiry: plan.comparator.expiry },
        }));
        let bounds = engine.contracts().readers().iter().map(|reader| reader.bounds()).collect();
        let scheduler = Scheduler::new(engine.clone(), bounds);
        Self { engine, scheduler, reads: BTreeMap::new(), reads_begun: 0, ticks: 0 }
    }

    /// Forgets everything. What was read for the forgotten is nobody's.
    pub(super) fn start_over(&mut self, fresh: Self) {
        let (reads_begun, ticks) = (self.reads_begun, self.ticks);
        *self = Self { reads_begun, ticks, ..fresh };
    }

    /// An upload arrives.
    pub(super) fn take(
        &mut self,
        upload: wire::Upload,
        sidecar: usize,
        world: &World,
        oracle: &mut Oracle,
        transcript: &mut Transcript,
    ) {
        let now = world.now();
        transcript.upload(now, &upload);
        oracle.uploaded(&upload, world);
        match self.engine.take(upload, &Anything, Time(now)) {
            Ok(effects) => {
                transcript.effects(now, &effects);
                oracle.told(&effects, &self.engine, world);
            }
            Err(refused) => oracle.breach(now, format!("a sound batch was refused: {refused}")),
        }
        oracle.check_clock(&self.engine, sidecar, world);
    }

    /// Judges what can be judged and sends reads off; gives for each when the store is looked at and when it is back.
    pub(super) fn tick(
        &mut self,
        world: &World,
        rng: &mut SmallRng,
        oracle: &mut Oracle,
        transcript: &mut Transcript,
    ) -> Vec<(u64, i64, i64)> {
        let now = world.now();
        let effects = self.scheduler.tick(Time(now));
        transcript.effects(now, &effects);
        oracle.told(&effects, &self.engine, world);
        if self.ticks.is_multiple_of(COUNT_EVERY) {
            oracle.check_bounds(&self.engine, self.scheduler.waiting(), world);
        }
        self.ticks += 1;
        let requests = self.scheduler.send_off(Time(now));
        requests.into_iter().map(|request| self.send(request, world, rng)).collect()
    }

    fn send(&mut self, request: Request, world: &World, rng: &mut SmallRng) -> (u64, i64, i64) {
        let (now, store) = (world.now(), &world.plan.store);
        let mut lasts = span(rng, store.read.0, store.read.1);
        if rng.random_bool(store.slow) {
            lasts *= 10;
        }
        let look = now + span(rng, 0, lasts);
        let fails = store.outages.iter().any(|(begin, end)| (*begin..*end).contains(&look));
        self.reads_begun += 1;
        let at = Interval::new(Time(now), Time(now + lasts));
        self.reads.insert(self.reads_begun, UnderWay { request, at, fails, seen: Vec::new() });
        (self.reads_begun, look, now + lasts)
    }

    /// The store is looked at.
    pub(super) fn look(&mut self, read: u64, world: &World, oracle: &mut Oracle) {
        let Some(read) = self.reads.get_mut(&read).filter(|read| !read.fails) else { return };
        for probe in &read.request.probes {
            let Some(key) = oracle.key(&probe.key) else {
                oracle.breach(world.now(), "a key was read that nobody wrote".to_owned());
                continue;
            };
            let cell = world.keys.get(key).store;
            let map = world.plan.maps.get(world.keys.get(key).map);
            let version =
                map.is_some_and(|map| map.stores_versions && cell.value > 0).then_some(cell.version);
            read.seen.push(Seen::new(values::digest(cell.value), version));
            oracle.sampled(key, Sample::new(world, key, read.at));
        }
    }

    /// A read is back.
    pub(super) fn back(&mut self, read: u64, world: &World, transcript: &mut Transcript) {
        let Some(read) = self.reads.remove(&read) else { return };
        let UnderWay { request: Request { store, map, probes, .. }, at, fails, seen } = read;
        let ending = if fails { Ending::Unanswered("connect") } else { Ending::Answered };
        let seen = seen.into_iter().map(Ok).chain(std::iter::repeat(Err(Reason::Store)));
        let observed: Vec<_> =
            probes.into_iter().zip(seen).map(|(probe, seen)| Observed { probe, at, seen }).collect();
        transcript.read(at, &observed);
        self.scheduler.take_back(Read { store, map, at, ending, observed }, Time(world.now()));
    }
}

/// The contracts of the plan's maps, in their order, and a store that is never connected to.
fn contracts(plan: &Plan, key: &DeploymentKey) -> Contracts {
    let (tenant, keys) = (TenantName::default(), Keyring::of(key.clone()));
    let contract = |map: &crate::plan::MapPlan| Contract {
        name: map.name.as_str().into(),
        store: 0,
        is_reported: true,
        lookup: Lookup::Sql {
            query: "SELECT 0, 0 WHERE 0 IN rarray(?1)".into(),
            key_type: None,
            shape: Shape::Value,
        },
        scan: None,
        digesters: MapDigesters::new(&keys.tenant(&tenant), &map.name, Codec::Bytes),
        tenant: tenant.clone(),
        terms: terms(map),
        sample: contract::Sample::ALL,
        severity: Severity::default(),
        cohorts: Vec::new(),
        gate: WrittenGate::default().terms(&terms(map)),
    };
    let contracts = plan.maps.iter().filter(|map| map.has_contract).map(contract).collect();
    let written = WrittenStore {
        concurrency: small(plan.comparator.concurrency),
        keys_per_read_max: small(plan.comparator.keys_per_read_max),
        budget: WrittenBudget { keys_per_s: plan.comparator.keys_per_s, ..WrittenBudget::default() },
        ..WrittenStore::new("sqlite:///nowhere/store.db")
    };
    let reader = Reader::new("store", &written);
    Contracts::new(contracts, vec![reader.expect("the address is one of a file, which is never opened")])
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("plans count in small numbers")
}
