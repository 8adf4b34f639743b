//! A sidecar: the real batcher per source, the batches not acknowledged yet, and the connection to the comparator.

use super::emitter::Flushed;
use super::stamp::Stamp;
use crate::plan::SidecarPlan;
use crate::values;
use crate::world::{SourceRef, World, WriteRef};
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_keys::{DeploymentKey, TenantName};
use counterfoil_proto::{Row, Snapshot, nanoseconds, wire};
use counterfoil_sidecar::batcher::{Batcher, Entry, Fill, MapName, Seal, Sealed, SourceId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Bytes of a batch; never reached.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// One sidecar.
pub struct Sidecar {
    /// What it is like.
    pub plan: SidecarPlan,
    /// Its process runs.
    pub is_up: bool,
    /// Its machine sleeps.
    pub sleeps: bool,
    /// The network to the comparator is parted.
    pub is_parted: bool,
    /// The connection there is, or was last.
    pub connection: u64,
    /// Whether the comparator's welcome was heard on it.
    pub is_welcome: bool,
    /// Connections of which something is lost: what was sent on them later is lost as well.
    pub cut: Vec<u64>,
    /// When the last messages to and from the comparator arrive: they do not overtake each other on a connection.
    pub last_arrivals: (i64, i64),
    key: DeploymentKey,
    /// How often its process was started.
    lives: u8,
    seal: Seal,
    clock: Domain,
    fill: Fill,
    batchers: BTreeMap<SourceRef, Batcher>,
    /// The last complete snapshot of each source and map that was handed on.
    snapshots: BTreeMap<(SourceRef, String), Snapshot>,
    backlog: VecDeque<Sealed>,
    /// Number of the first batch of the backlog.
    first: u64,
    sent: usize,
    /// The last reply: when it left, by the comparator's clock, and when it came, by the sidecar's.
    echo: (u64, Time),
}

impl Sidecar {
    /// A sidecar that has just started.
    #[must_use]
    pub fn new(plan: SidecarPlan, key: DeploymentKey, clock: Domain) -> Self {
        let fill = Fill {
            events_max: plan.batch_events_max,
            bytes_max: BATCH_BYTES_MAX,
            age_ns_max: plan.batch_age_max,
        };
        Self {
            plan,
            is_up: true,
            sleeps: false,
            is_parted: false,
            connection: 0,
            is_welcome: false,
            cut: Vec::new(),
            last_arrivals: (0, 0),
            seal: seal(&key, 0),
            lives: 0,
            key,
            clock,
            fill,
            batchers: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            backlog: VecDeque::new(),
            first: 1,
            sent: 0,
            echo: (0, Time(0)),
        }
    }

    /// Whether it reads from emitters.
    #[must_use]
    pub fn reads(&self) -> bool {
        let waiting: u64 = self.backlog.iter().map(|sealed| sealed.events).sum();
        self.is_up && !self.sleeps && waiting < self.plan.events_max
    }

    /// Everything that was not sealed or not acknowledged is gone.
    pub fn crash(&mut self) {
        self.is_up = false;
        self.lives = self.lives.wrapping_add(1);
        self.seal = seal(&self.key, self.lives);
        self.batchers.clear();
        self.snapshots.clear();
        self.backlog.clear();
        (self.first, self.sent, self.echo) = (1, 0, (0, Time(0)));
    }

    /// Whether no event waits to be delivered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.backlog.iter().all(|sealed| sealed.events == 0)
    }

    /// Takes in what an emitter had; gives after how many nanoseconds the open batch is to be sealed.
    pub fn take(&mut self, source: SourceRef, flushed: Flushed, world: &World, now: Time) -> Option<i64> {
        let fill = self.fill;
        let new_snapshots = self.new_snapshots(source, &flushed.snapshots);
        let batcher = self.batcher(source, world);
        for (seq, write) in (flushed.first_seq..).zip(&flushed.events) {
            push(batcher, seq, *write, world, &fill, now);
        }
        let mut next_seq = flushed.first_seq + flushed.events.len() as u64;
        for (loss, _) in flushed.losses {
            next_seq += loss.count;
            batcher.lose(loss, now);
        }
        batcher.promise(flushed.watermark, next_seq, now);
        new_snapshots.into_iter().for_each(|snapshot| batcher.complete(snapshot, next_seq, now));
        let due = batcher.due(&fill).map(|due| due.since(now).max(0));
        let sealed = batcher.take_sealed();
        self.backlog.extend(sealed);
        due
    }

    /// Those of a source's complete snapshots that were not handed on yet: it repeats them.
    fn new_snapshots(&mut self, source: SourceRef, told: &[Snapshot]) -> Vec<Snapshot> {
        let new = told.iter().filter(|snapshot| {
            let known = self.snapshots.insert((source, snapshot.map.clone()), (*snapshot).clone());
            known.as_ref() != Some(*snapshot)
        });
        new.cloned().collect()
    }

    /// A source ended with this number.
    pub fn bye(&mut self, source: SourceRef, next_seq: u64, world: &World) {
        let batcher = self.batcher(source, world);
        batcher.bye(next_seq);
        let sealed = batcher.take_sealed();
        self.backlog.extend(sealed);
    }

    /// Seals the open batch of a source if its time has come.
    pub fn seal(&mut self, source: SourceRef, now: Time) {
        let Some(batcher) = self.batchers.get_mut(&source) else { return };
        if batcher.due(&self.fill).is_some_and(|due| due <= now) {
            batcher.flush();
        }
        self.backlog.extend(batcher.take_sealed());
    }

    /// The next upload for the present connection, sent at `now` of the sidecar's clock.
    pub fn next_upload(&mut self, now: Time) -> Option<wire::Upload> {
        let sealed = self.backlog.get(self.sent)?.clone();
        let number = self.first + self.sent as u64;
        self.sent += 1;
        Some(wire::Upload {
            sent_ns: nanoseconds(now),
            echo_ns: self.echo.0,
            echo_received_ns: nanoseconds(self.echo.1),
            clock: Some((&self.clock).into()),
            ..sealed.into_upload(number)
        })
    }

    /// A new connection is there: everything is sent again.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// A reply came, which left at `sent_ns` of the comparator's clock.
    pub fn hear(&mut self, sent_ns: u64, now: Time, through: u64) {
        self.echo = (sent_ns, now);
        while self.first <= through && self.sent > 0 {
            self.backlog.pop_front();
            (self.first, self.sent) = (self.first + 1, self.sent - 1);
        }
    }

    fn batcher(&mut self, source: SourceRef, world: &World) -> &mut Batcher {
        let (clock, seal, maps) = (&self.clock, &self.seal, world.plan.maps.len());
        self.batchers
            .entry(source)
            .or_insert_with(|| Batcher::new(source_id(source, world), clock.clone(), seal.clone(), maps))
    }
}

/// What a sidecar seals batches with that has no signing key of its own and makes one at each start.
fn seal(key: &DeploymentKey, lives: u8) -> Seal {
    Seal::new(&key.tenant(&TenantName::default()), Arc::new(Stamp(lives)))
}

/// The name of a source.
#[must_use]
pub fn source_id(source: SourceRef, world: &World) -> SourceId {
    let (instance, epoch) =
        world.plan.sources.get(source.0).map_or((0, 0), |plan| (plan.instance, plan.epoch));
    SourceId { service: "shop".to_owned(), instance: format!("pod-{instance}"), epoch }
}

fn push(batcher: &mut Batcher, seq: u64, write: WriteRef, world: &World, fill: &Fill, now: Time) {
    let it = world.writes.get(write);
    let place = world.keys.get(it.key).map;
    let (name, key) = super::names(world, it.key);
    let reports_versions = world.plan.maps.get(place).is_some_and(|map| map.reports_versions);
    let row = Row {
        held: it.held,
        map_order: it.map_order,
        version: (reports_versions && !it.held).then_some(it.version),
        ..Row::new(0, key.as_bytes(), values::digest(it.value), it.reported(world.clock(it.source)))
    };
    batcher.push(seq, Entry { map: MapName { place, name }, cohort: None, row, sample: &[] }, fill, now);
}
