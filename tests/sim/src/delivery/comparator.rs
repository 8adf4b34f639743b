//! The comparator: the real engine and scheduler, and reads of the simulated store.

use super::pages::{LOOKS, Pages};
use super::stamp;
use crate::oracle::{Oracle, Sample};
use crate::plan::{MapPlan, Plan, span, terms};
use crate::transcript::Transcript;
use crate::values;
use crate::world::{KeyRef, World};
use counterfoil_clock::Domain;
use counterfoil_comparator::budget::Ending;
use counterfoil_comparator::config::{Probing, WrittenGate};
use counterfoil_comparator::contract::{self, Contract, Contracts, Severity};
use counterfoil_comparator::engine::{Anything, Engine, Limits, Options};
use counterfoil_comparator::scheduler::{PageRequest, Read, Request, Scheduler};
use counterfoil_comparator::sources::Silence;
use counterfoil_comparator::store::{
    Reader, Rows as RowsAs, StoreKind, WrittenBudget, WrittenLookup, WrittenStore,
};
use counterfoil_comparator::table::{Observed, Rows, Seen};
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

/// When a read that was sent off looks at the store, and when it is back.
pub(super) struct Ahead {
    pub(super) read: u64,
    pub(super) looks: Vec<i64>,
    pub(super) back: i64,
}

/// Engine, scheduler, and the reads under way.
pub struct Comparator {
    /// The engine.
    pub engine: Arc<Engine>,
    scheduler: Scheduler,
    reads: BTreeMap<u64, UnderWay>,
    pages: Pages,
    reads_begun: u64,
    ticks: u64,
    /// What rows were to comparators before this one.
    rows_before: Rows,
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
        let scheduler = Scheduler::new(engine.clone(), bounds).sweeping(&plan.comparator.sweep);
        Self {
            engine,
            scheduler,
            reads: BTreeMap::new(),
            pages: Pages::default(),
            reads_begun: 0,
            ticks: 0,
            rows_before: Rows::default(),
        }
    }

    /// Forgets everything but how far it had gone through rows. What was read for the forgotten is nobody's.
    pub(super) fn start_over(&mut self, fresh: Self) {
        let (reads_begun, ticks, rows_before) = (self.reads_begun, self.ticks, self.rows());
        let pages = std::mem::take(&mut self.pages);
        *self = Self { reads_begun, ticks, rows_before, ..fresh };
        self.pages = pages.resume(&mut self.scheduler);
    }

    /// What all rows of the store that were gone through were to the table.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let mut rows = self.rows_before;
        let swept = self.scheduler.swept();
        swept.flat_map(|swept| swept.rows).for_each(|(_, progress)| rows.add(&progress.all));
        rows
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

    /// Judges what can be judged and sends reads off.
    pub(super) fn tick(
        &mut self,
        world: &World,
        rng: &mut SmallRng,
        oracle: &mut Oracle,
        transcript: &mut Transcript,
    ) -> Vec<Ahead> {
        let now = world.now();
        let effects = self.scheduler.tick(Time(now));
        transcript.effects(now, &effects);
        oracle.told(&effects, &self.engine, world);
        if self.ticks.is_multiple_of(COUNT_EVERY) {
            oracle.check_bounds(&self.engine, self.scheduler.waiting(), world);
            oracle.note_rows(&self.engine, world);
        }
        self.ticks += 1;
        let requests = self.scheduler.send_off(Time(now));
        let mut ahead: Vec<_> = requests.into_iter().map(|request| self.send(request, world, rng)).collect();
        let pages = self.scheduler.next_pages(Time(now));
        ahead.extend(pages.into_iter().map(|request| self.send_page(request, world, rng)));
        ahead
    }

    fn send(&mut self, request: Request, world: &World, rng: &mut SmallRng) -> Ahead {
        let at = duration(world, rng);
        let ahead = self.ahead(at, 1, rng);
        let fails = ahead.looks.iter().any(|look| is_away(world, *look));
        self.reads.insert(ahead.read, UnderWay { request, at, fails, seen: Vec::new() });
        ahead
    }

    fn send_page(&mut self, request: PageRequest, world: &World, rng: &mut SmallRng) -> Ahead {
        let at = duration(world, rng);
        let ahead = self.ahead(at, LOOKS, rng);
        let fails = ahead.looks.iter().any(|look| is_away(world, *look));
        self.pages.send(ahead.read, request, at, fails);
        ahead
    }

    fn ahead(&mut self, at: Interval, looks: usize, rng: &mut SmallRng) -> Ahead {
        self.reads_begun += 1;
        let looks = (0..looks).map(|_| at.begin.0 + span(rng, 0, at.end.since(at.begin)));
        Ahead { read: self.reads_begun, looks: looks.collect(), back: at.end.0 }
    }

    /// The store is looked at.
    pub(super) fn look(&mut self, number: u64, world: &World, oracle: &mut Oracle) {
        if let Some(map) = self.pages.map(number) {
            let contract = self.engine.contracts().get(map);
            return contract.into_iter().for_each(|contract| self.pages.look(number, &contract.name, world));
        }
        let Some(read) = self.reads.get_mut(&number).filter(|read| !read.fails) else { return };
        for probe in &read.request.probes {
            let Some(key) = oracle.key(&probe.key) else {
                oracle.breach(world.now(), "a key was read that nobody wrote".to_owned());
                continue;
            };
            read.seen.push(seen(key, world));
            oracle.sampled(key, Sample::new(world, key, read.at));
        }
    }

    /// A read is back; gives the next one, if that is sent off at once.
    pub(super) fn back(
        &mut self,
        number: u64,
        world: &World,
        rng: &mut SmallRng,
        transcript: &mut Transcript,
    ) -> Option<Ahead> {
        let Some(read) = self.reads.remove(&number) else {
            let follows = self.pages.back(number, &mut self.scheduler, world.now(), transcript)?;
            return Some(self.send_page(follows, world, rng));
        };
        let UnderWay { request: Request { store, map, probes, .. }, at, fails, seen } = read;
        let ending = if fails { Ending::Unanswered("connect") } else { Ending::Answered };
        let seen = seen.into_iter().map(Ok).chain(std::iter::repeat(Err(Reason::Store)));
        let observed: Vec<_> =
            probes.into_iter().zip(seen).map(|(probe, seen)| Observed { probe, at, seen }).collect();
        transcript.read(at, &observed);
        self.scheduler.take_back(Read { store, map, at, ending, observed }, Time(world.now()));
        None
    }
}

/// What the store holds for a key now.
pub(super) fn seen(key: KeyRef, world: &World) -> Seen {
    let it = world.keys.get(key);
    let has_versions = world.plan.maps.get(it.map).is_some_and(|map| map.stores_versions);
    let version = (has_versions && it.store.value > 0).then_some(it.store.version);
    Seen::new(values::digest(it.store.value), version)
}

/// When a read is made that is sent off now.
fn duration(world: &World, rng: &mut SmallRng) -> Interval {
    let (now, store) = (world.now(), &world.plan.store);
    let mut lasts = span(rng, store.read.0, store.read.1);
    if rng.random_bool(store.slow) {
        lasts *= 10;
    }
    Interval::new(Time(now), Time(now + lasts))
}

/// Whether the store does not answer at this instant.
fn is_away(world: &World, at: i64) -> bool {
    world.plan.store.outages.iter().any(|(begin, end)| (*begin..*end).contains(&at))
}

/// The contracts of the plan's maps, in their order, and a store that is never connected to.
fn contracts(plan: &Plan, key: &DeploymentKey) -> Contracts {
    let (tenant, keys) = (TenantName::default(), Keyring::of(key.clone()));
    let lookup = WrittenLookup {
        query: Some("SELECT k, v FROM t WHERE k IN rarray(?1)".to_owned()),
        scan: Some("SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2".to_owned()),
        ..WrittenLookup::default()
    };
    let used = lookup.used("", StoreKind::Sqlite, RowsAs::Value, &mut Default::default());
    let used = used.expect("the lookup is one of SQLite");
    let scan = lookup.scan("", StoreKind::Sqlite, RowsAs::Value, &mut Default::default());
    let contract = |map: &MapPlan| Contract {
        name: map.name.as_str().into(),
        store: 0,
        is_reported: true,
        lookup: used.clone(),
        scan: scan.clone().filter(|_| map.is_told),
        digesters: MapDigesters::new(&keys.tenant(&tenant), &map.name, Codec::Bytes),
        tenant: tenant.clone(),
        terms: terms(map),
        sample: contract::Sample::ALL,
        severity: Severity::default(),
        cohorts: Vec::new(),
        values: None,
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
