//! The network between sidecars and comparator: delays, broken connections, partitions, and messages that come twice.
//!
//! On one connection messages arrive in order, and what comes after a lost one is lost as well. What was sent on an old
//! connection may still arrive after a new one was made.

use super::{Counterfoil, Event};
use crate::plan::{MS, Trouble, TroubleKind, span};
use crate::world::World;
use counterfoil_judge::Time;
use counterfoil_proto::{nanoseconds, wire};
use rand::Rng;

/// How long a sidecar waits before it tries to connect again, in nanoseconds.
const BACKOFF: (i64, i64) = (5 * MS, 40 * MS);

impl Counterfoil {
    pub(super) fn connect(&mut self, at: usize, world: &World) {
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        if sidecar.sleeps || sidecar.is_welcome {
            return;
        }
        if sidecar.is_parted || !sidecar.is_up {
            let again = world.now() + span(&mut self.rng, BACKOFF.0, BACKOFF.1);
            self.queue.plan(again, Event::Connect(at));
            return;
        }
        sidecar.connection += 1;
        let (shortest, longest) = sidecar.plan.delay;
        let sent = world.now() + sidecar.plan.detour + span(&mut self.rng, shortest, longest);
        let heard = sent + span(&mut self.rng, shortest, longest);
        sidecar.last_arrivals = (sent, heard);
        let connection = sidecar.connection;
        self.queue.plan(heard, Event::Welcome { sidecar: at, connection, sent });
    }

    pub(super) fn welcome(&mut self, at: usize, connection: u64, sent: i64, world: &World) {
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        if sidecar.connection != connection {
            return;
        }
        sidecar.is_welcome = true;
        let now = shown(world, sidecar.plan.domain);
        sidecar.hear(nanoseconds(Time(sent)), now, 0);
        sidecar.rewind();
        self.send(at, world);
    }

    /// Sends whatever was not sent on this connection.
    pub(super) fn send(&mut self, at: usize, world: &World) {
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        if !sidecar.is_welcome || sidecar.sleeps {
            return;
        }
        let now = shown(world, sidecar.plan.domain);
        let ((shortest, longest), connection) = (sidecar.plan.delay, sidecar.connection);
        while let Some(upload) = sidecar.next_upload(now) {
            let way = sidecar.plan.detour + span(&mut self.rng, shortest, longest);
            let arrival = (world.now() + way).max(sidecar.last_arrivals.0);
            sidecar.last_arrivals.0 = arrival;
            if self.rng.random_bool(sidecar.plan.duplicates) {
                let later = arrival + span(&mut self.rng, MS, 100 * MS);
                let upload = Box::new(upload.clone());
                self.queue.plan(later, Event::Arrive { sidecar: at, connection, upload, again: true });
            }
            let upload = Box::new(upload);
            self.queue.plan(arrival, Event::Arrive { sidecar: at, connection, upload, again: false });
        }
    }

    pub(super) fn arrive(
        &mut self,
        at: usize,
        connection: u64,
        upload: wire::Upload,
        again: bool,
        world: &World,
    ) {
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        let is_old = sidecar.connection != connection;
        let is_cut = sidecar.cut.contains(&connection);
        // A machine's sleep is longer than any message is on its way.
        if is_cut || sidecar.is_parted || sidecar.sleeps || (is_old && self.rng.random_bool(0.5)) {
            if !is_cut {
                sidecar.cut.push(connection);
            }
            return;
        }
        let through = upload.number;
        self.comparator.take(upload, at, world, &mut self.oracle, &mut self.transcript);
        if !is_old && !again {
            let (shortest, longest) = sidecar.plan.delay;
            let arrival = (world.now() + span(&mut self.rng, shortest, longest)).max(sidecar.last_arrivals.1);
            sidecar.last_arrivals.1 = arrival;
            self.queue.plan(arrival, Event::Reply { sidecar: at, connection, sent: world.now(), through });
        }
    }

    pub(super) fn reply(&mut self, at: usize, connection: u64, sent: i64, through: u64, world: &World) {
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        if sidecar.connection == connection && sidecar.is_up {
            sidecar.hear(nanoseconds(Time(sent)), shown(world, sidecar.plan.domain), through);
        }
    }

    pub(super) fn begin_trouble(&mut self, at: usize, trouble: Trouble, world: &World) {
        if trouble.kind == TroubleKind::Forget {
            return self.start_over(world);
        }
        let timeout = world.plan.comparator.timeout;
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        sidecar.is_welcome = false;
        // Whatever is on its way belongs to an old connection now.
        sidecar.connection += 1;
        match trouble.kind {
            TroubleKind::Break | TroubleKind::Forget => {}
            TroubleKind::Partition => {
                sidecar.is_parted = true;
                let is_long = trouble.end - trouble.begin > timeout;
                self.oracle.paths.add("partition longer than the timeout", u64::from(is_long));
            }
            TroubleKind::Crash => {
                sidecar.crash();
                self.oracle.sidecar_crashed(at);
            }
        }
        self.queue.plan(trouble.end, Event::End(at, trouble.kind));
        let again = world.now() + span(&mut self.rng, BACKOFF.0, BACKOFF.1);
        self.queue.plan(again, Event::Connect(at));
    }

    /// A connection ends on both sides; nothing that was sent on it arrives any more.
    pub(super) fn break_connection(&mut self, at: usize, world: &World) {
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        (0..=sidecar.connection).for_each(|connection| sidecar.cut.push(connection));
        sidecar.connection += 1;
        sidecar.is_welcome = false;
        let again = world.now() + span(&mut self.rng, BACKOFF.0, BACKOFF.1);
        self.queue.plan(again, Event::Connect(at));
    }

    pub(super) fn end_trouble(&mut self, at: usize, kind: TroubleKind) {
        let Some(sidecar) = self.sidecars.get_mut(at) else { return };
        match kind {
            TroubleKind::Break | TroubleKind::Forget => {}
            TroubleKind::Partition => sidecar.is_parted = false,
            TroubleKind::Crash => sidecar.is_up = true,
        }
    }
}

/// What the clock of a domain shows now.
fn shown(world: &World, domain: usize) -> Time {
    world.clocks.get(domain).map_or(Time(world.now()), |clock| clock.shows(world.now()))
}
