//! What is read of one store next: which keys, in which reads, within its budget.

use super::{PageRequest, Request};
use crate::budget::{Bounds, Budget, Room};
use crate::contract::{Contract, Contracts, MapId};
use crate::sweep::{self, keys::Keys, rows::Rows};
use crate::table::{Class, Observed, PerClass, Probe, Table};
use counterfoil_judge::{Interval, Reason, Time};

/// What no event waits for is given up when it waited for so many times the patience of the map's contract, for want of a
/// budget alone: it leaves no outcome that would tell of it, but a table that is full of such keys sheds events.
const IDLE_PATIENCE_TIMES: i64 = 10;

/// One store, its budget, and its maps' turns.
pub(super) struct Store {
    pub(super) budget: Budget,
    place: usize,
    maps: Vec<Map>,
    /// Which map goes first; moves on with each time that something was read, so that none starves.
    turn: usize,
    sweep: Option<Keys>,
    rows: Option<Rows>,
    /// Keys that nobody waits for were read since the last page: the next turn is a page's, though more of them wait.
    is_turn_of_page: bool,
}

/// A map of the store.
struct Map {
    id: MapId,
    patience: i64,
    /// Where to begin looking for keys; moves on with each look that counts.
    turns: PerClass<usize>,
    /// Keys that wait now, at most.
    ready: PerClass<usize>,
}

/// A read in the making.
struct Draft {
    map: MapId,
    probes: Vec<Probe>,
    keys: PerClass<usize>,
    /// How many of the keys are read twice.
    twice: usize,
}

/// Reads in the making, and what else there is room for.
struct Plan<'a> {
    table: &'a Table,
    at: Time,
    keys_per_read_max: usize,
    room: Room,
    /// Observations that may still be under way, over all stores.
    observations: usize,
    drafts: Vec<Draft>,
}

impl Store {
    /// `maps` come with their contracts' patience, in nanoseconds.
    pub(super) fn new(place: usize, bounds: Bounds, maps: impl Iterator<Item = (MapId, i64)>) -> Self {
        let map =
            |(id, patience)| Map { id, patience, turns: PerClass::default(), ready: PerClass::default() };
        Self {
            budget: Budget::new(bounds),
            place,
            maps: maps.map(map).collect(),
            turn: 0,
            sweep: None,
            rows: None,
            is_turn_of_page: false,
        }
    }

    /// Sweeps as `settings` say from now on.
    pub(super) fn set_sweep(&mut self, settings: &sweep::Settings, contracts: &Contracts) {
        self.sweep = settings.keys_every.map(|every| Keys::new(self.place, every));
        let has_scan = |map: &MapId| contracts.get(*map).is_some_and(Contract::has_scan);
        let maps = || self.maps.iter().map(|map| map.id).filter(has_scan);
        self.rows = settings.rows_per_s.map(|per_s| Rows::new(per_s, maps()));
    }

    /// The rounds over its rows; `None` if they are not gone through.
    pub(super) fn rows(&mut self) -> Option<&mut Rows> {
        self.rows.as_mut()
    }

    /// The next page of rows to be read at `at`, after [`Self::plan`], unless keys wait that are no less urgent and whose turn it is.
    pub(super) fn next_page(&mut self, at: Time) -> Option<PageRequest> {
        let is_turn = self.is_turn_of_page || self.maps.iter().all(|map| *map.ready.get(Class::Idle) == 0);
        let keys_per_s = self.budget.idle_keys_per_s().filter(|_| is_turn)?;
        let rows = self.rows.as_mut()?;
        let room = self.budget.room(at);
        if room.reads == 0 || room.keys == 0 {
            return None;
        }
        let wanted = rows.next(keys_per_s, self.budget.keys_per_read_max(), at)?;
        self.budget.sent_page(wanted.limit);
        self.is_turn_of_page = false;
        Some(PageRequest { store: self.place, wanted })
    }

    /// How far the sweep over its keys and rows has come.
    pub(super) fn swept(&self) -> sweep::Progress {
        let rows = self.rows.iter().flat_map(Rows::progress).collect();
        sweep::Progress { keys: self.sweep.as_ref().map(Keys::progress), rows }
    }

    /// Takes what is due at `at` from the table, as much as the budget and `observations` allow. Each class of checks has the
    /// share that is left to it, then fresh writes go first.
    pub(super) fn plan(&mut self, table: &Table, observations: usize, at: Time) -> Vec<Request> {
        for map in &mut self.maps {
            map.ready = table.ready(map.id, at);
        }
        let keys_per_read_max = self.budget.keys_per_read_max();
        let mut room = self.budget.room(at);
        room.reads = room.reads.saturating_sub(usize::from(self.is_page_due(at)));
        let mut plan = Plan { table, at, keys_per_read_max, room, observations, drafts: Vec::new() };
        let first = self.turn.checked_rem(self.maps.len()).unwrap_or(0);
        self.maps.rotate_left(first);
        for class in [Class::Open, Class::Idle] {
            plan.add(&mut self.maps, class, self.budget.credit(class));
        }
        for class in Class::ALL {
            plan.add(&mut self.maps, class, usize::MAX);
        }
        self.maps.rotate_right(first);
        self.sweep(table, at);
        let is_more_wanted = self.maps.iter().any(|map| map.ready.iter().any(|ready| *ready > 0));
        self.send(plan.drafts, plan.room, is_more_wanted, at)
    }

    /// Takes up to `limit` keys whose time ran out while the budget kept them waiting, as if they had been read and nothing
    /// been seen.
    pub(super) fn give_up(&self, table: &Table, limit: usize, at: Time) -> Vec<Observed> {
        let mut given_up = Vec::new();
        for map in &self.maps {
            let idle_patience = map.patience.saturating_mul(IDLE_PATIENCE_TIMES);
            for (class, patience) in [(Class::Fresh, map.patience), (Class::Idle, idle_patience)] {
                let Some(reason) = self.budget.keeps_waiting(patience, at) else { continue };
                if class == Class::Idle && reason != Reason::Budget {
                    continue;
                }
                let room = limit.saturating_sub(given_up.len());
                let probes = table.overdue(map.id, class, (at, patience), room);
                let unseen = |probe| Observed { probe, at: Interval::new(at, at), seen: Err(reason) };
                given_up.extend(probes.into_iter().map(unseen));
            }
        }
        given_up
    }

    /// Whether a page is to be read at `at` though other keys wait.
    fn is_page_due(&mut self, at: Time) -> bool {
        let keys_per_s = self.budget.idle_keys_per_s().filter(|_| self.is_turn_of_page);
        let rows = self.rows.as_mut().zip(keys_per_s);
        rows.is_some_and(|(rows, keys_per_s)| rows.is_due(keys_per_s, at))
    }

    /// Lets keys at rest wait for a read at `at`, unless others wait that are no more urgent.
    fn sweep(&mut self, table: &Table, at: Time) {
        let Some(sweep) = &mut self.sweep else { return };
        let none_waits = self.maps.iter().all(|map| *map.ready.get(Class::Idle) == 0);
        if let Some(keys_per_s) = self.budget.idle_keys_per_s().filter(|_| none_waits) {
            sweep.step(table, keys_per_s, self.rows.as_ref().and_then(Rows::rounds), at);
        }
    }

    fn send(&mut self, drafts: Vec<Draft>, left: Room, is_more_wanted: bool, at: Time) -> Vec<Request> {
        self.turn = self.turn.wrapping_add(usize::from(!drafts.is_empty()));
        let mut requests = Vec::new();
        for Draft { map, probes, keys, twice } in drafts {
            let first_due = probes.iter().map(|probe| probe.due).min();
            let delay = first_due.map_or(0, |due| at.since(due).max(0));
            self.budget.sent(&keys, delay);
            self.is_turn_of_page |= *keys.get(Class::Idle) > 0;
            self.budget.sent_again(twice);
            requests.push(Request { store: self.place, map, probes, delay });
        }
        let is_used_up = left.keys == 0 || left.reads == 0;
        self.budget.sent_all(is_more_wanted && is_used_up, at);
        requests
    }
}

impl Plan<'_> {
    /// Adds up to `limit` keys of a class, of one map after the other.
    fn add(&mut self, maps: &mut [Map], class: Class, mut limit: usize) {
        for map in maps {
            while *map.ready.get(class) > 0 && limit > 0 {
                let mut probes = self.take(map, class, limit);
                if probes.is_empty() {
                    break;
                }
                limit -= probes.len();
                self.room.keys = self.room.keys.saturating_sub(probes.len());
                self.observations = self.observations.saturating_sub(probes.len());
                let twice = self.table.choose_twice(map.id, &mut probes, self.room.keys);
                self.room.keys = self.room.keys.saturating_sub(twice);
                self.put(map.id, class, probes, twice);
            }
        }
    }

    /// Takes what fits into one read.
    fn take(&mut self, map: &mut Map, class: Class, limit: usize) -> Vec<Probe> {
        let begun = self.drafts.iter().find(|draft| draft.map == map.id && self.has_room(draft));
        let in_read = match begun {
            Some(draft) => self.keys_per_read_max - draft.probes.len(),
            None if self.room.reads > 0 => self.keys_per_read_max,
            None => 0,
        };
        let limit = limit.min(in_read).min(self.keys_of(map.id)).min(self.observations);
        if limit == 0 {
            return Vec::new();
        }
        let turn = map.turns.get_mut(class);
        *turn = turn.wrapping_add(1);
        let probes = self.table.due(map.id, class, self.at, limit, *turn);
        let ready = map.ready.get_mut(class);
        *ready = if probes.is_empty() { 0 } else { ready.saturating_sub(probes.len()) };
        probes
    }

    /// How many keys of the map there is room for; where some may be read twice, for all of them twice.
    fn keys_of(&self, map: MapId) -> usize {
        if self.table.reads_twice(map) { self.room.keys.div_ceil(2) } else { self.room.keys }
    }

    fn put(&mut self, map: MapId, class: Class, probes: Vec<Probe>, twice: usize) {
        let begun = self.drafts.iter().position(|draft| draft.map == map && self.has_room(draft));
        let at = begun.unwrap_or_else(|| {
            self.room.reads = self.room.reads.saturating_sub(1);
            self.drafts.push(Draft { map, probes: Vec::new(), keys: PerClass::default(), twice: 0 });
            self.drafts.len() - 1
        });
        if let Some(draft) = self.drafts.get_mut(at) {
            *draft.keys.get_mut(class) += probes.len();
            draft.twice += twice;
            draft.probes.extend(probes);
        }
    }

    fn has_room(&self, draft: &Draft) -> bool {
        draft.probes.len() < self.keys_per_read_max
    }
}
