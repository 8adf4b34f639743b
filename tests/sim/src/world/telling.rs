//! How processes tell what their maps hold: all that was in them at some instant, chunk by chunk, while everybody goes on
//! writing.
//!
//! Either each process tells all of it, or each holds a part and tells that. A part of a process that is gone is held by the
//! others from then on, which tell it the next time; processes that start later hold none as long as an earlier one lives. So the
//! first word about each part of a map comes from a process's very start: that is what a comparator assumes.

use super::write::Write;
use super::{Event, Key, KeyRef, News, SourceRef, World};
use crate::plan::{MS, WARM_UP, span};
use crate::values;
use rand::Rng;

/// From one process's turn to tell all anew to the next one's, in nanoseconds.
const APART: i64 = 11 * MS;

/// Who sleeps soon tries again after so long, in nanoseconds.
const PUT_OFF: i64 = 50 * MS;

/// How far a process has come in telling what one map holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    /// When it began, which distinguishes it from an earlier one.
    begun: i64,
    /// Keys before this one were read.
    next: usize,
    /// From one chunk to the next, in nanoseconds.
    pause: i64,
}

impl World {
    /// Plans when all is told anew.
    pub(super) fn plan_tellings(&mut self) {
        let Some(plan) = &self.plan.telling else { return };
        for (turn, source) in (0..).zip((0..self.plan.sources.len()).map(SourceRef)) {
            plan.again.iter().for_each(|at| self.queue.plan(at + turn * APART, Event::Tell(source)));
        }
    }

    /// A process begins to tell what each map holds; what it was telling is broken off.
    pub(super) fn tell(&mut self, source: SourceRef) {
        if !self.sources.get(source).alive {
            return;
        }
        let told: Vec<_> = self.plan.maps.iter().map(|map| map.is_told).collect();
        for map in told.into_iter().enumerate().filter(|(_, is_told)| *is_told).map(|(map, _)| map) {
            let telling = Telling { begun: self.now, next: 0, pause: self.some_pause(source, map) };
            self.sources.get_mut(source).tellings.insert(map, telling);
            self.news.push(News::TellingBegan(source, map));
            self.tell_on(source, map, self.now);
        }
    }

    /// It goes on with the next chunk of what it began to tell at `begun`.
    pub(super) fn tell_on(&mut self, source: SourceRef, map: usize, begun: i64) {
        let process = self.sources.get(source);
        let Some(telling) = process.tellings.get(&map).copied().filter(|it| it.begun == begun) else {
            return;
        };
        let Some(chunk) = self.plan.telling.as_ref().map(|plan| plan.chunk) else { return };
        if !process.alive {
            return;
        }
        if self.drains(source) {
            self.queue.plan(self.now + PUT_OFF, Event::TellOn(source, map, begun));
            return;
        }
        if telling.next >= self.keys.len() {
            self.sources.get_mut(source).tellings.remove(&map);
            self.news.push(News::TellingEnded(source, map));
            return;
        }
        // The rest is told when everybody has said something.
        let is_first = telling.next == 0;
        let next = self.read_chunk(source, map, telling.next, if is_first { 1 } else { chunk });
        self.sources.get_mut(source).tellings.insert(map, Telling { next, ..telling });
        let pause = if is_first { WARM_UP } else { telling.pause };
        self.queue.plan(self.now + pause, Event::TellOn(source, map, begun));
    }

    /// How long the process waits between chunks of a map: at least until its ring has taken in the last one of each map.
    fn some_pause(&mut self, source: SourceRef, map: usize) -> i64 {
        let has_value = |it: &Key| it.map == map && it.map_value > 0;
        let mine = self.keys.iter().filter(|(key, it)| has_value(it) && self.holds(source, *key)).count();
        let told_maps = self.plan.maps.iter().filter(|map| map.is_told).count();
        let Some((plan, source)) = self.plan.telling.as_ref().zip(self.plan.sources.get(source.0)) else {
            return 0;
        };
        let flushes = (plan.chunk * told_maps).div_ceil((source.ring_max / 2).max(1));
        let chunks = whole(mine.div_ceil(plan.chunk).max(1));
        let pause = span(&mut self.rng, plan.lasts.0, plan.lasts.1) / chunks;
        pause.max(source.flush_every * whole(flushes))
    }

    /// Reads what the map holds from the key at `from` on, until so many values of the process were read. Gives how far it came.
    fn read_chunk(&mut self, source: SourceRef, map: usize, from: usize, chunk: usize) -> usize {
        let mut read = 0;
        for at in from..self.keys.len() {
            let key = KeyRef(at);
            let it = self.keys.get(key);
            if it.map == map && it.map_value > 0 && self.holds(source, key) {
                // What a process says first has to be heard.
                let is_oversized = from > 0 && self.is_oversized();
                self.read_map(source, key, is_oversized);
                read += 1;
            }
            if read == chunk {
                return at + 1;
            }
        }
        self.keys.len()
    }

    /// Whether a value of the map is this process's to tell.
    fn holds(&self, source: SourceRef, key: KeyRef) -> bool {
        let is_parted = self.plan.telling.as_ref().is_some_and(|plan| plan.is_parted);
        let is_early = |at: SourceRef| {
            self.plan.sources.get(at.0).is_some_and(|plan| plan.begin == self.plan.times.begin)
        };
        let alive = self.sources.iter().filter(|(at, it)| it.alive && is_early(*at)).map(|(at, _)| at);
        // When one of them goes, its keys alone move, each to another one (rendezvous hashing).
        let weight = |at: &SourceRef| values::mixed(number(key.0) << 32 | number(at.0));
        !is_parted || alive.max_by_key(weight).is_none_or(|holder| holder == source)
    }

    /// Whether the next value is too large to be told.
    fn is_oversized(&mut self) -> bool {
        let share = self.plan.telling.as_ref().map_or(0.0, |plan| plan.oversized);
        share > 0.0 && self.rng.random_bool(share)
    }

    /// The process reads under the map's lock what it holds for the key.
    fn read_map(&mut self, source: SourceRef, key: KeyRef, is_oversized: bool) {
        let (now, it) = (self.now, self.keys.get(key));
        let (value, version) = (it.map_value, it.last_mapped.map_or(0, |last| self.writes.get(last).version));
        let process = self.sources.get_mut(source);
        process.map_changes += 1;
        let is_exact = self.plan.sources.get(source.0).is_some_and(|plan| plan.exact);
        let read = Write {
            held: true,
            is_oversized,
            version,
            map_order: is_exact.then_some(process.map_changes),
            mapped: Some(now),
            over: Some(now),
            ..Write::new(source, key, value, now)
        };
        let read = self.writes.add(read);
        self.news.push(News::Held(read));
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn number(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}
