//! The writes: most over a few thousand keys, some to a few that never rest, and now and then a bug.

use super::AppArgs;
use super::line::{Line, say};
use super::planter::Planter;
use super::store::Store;
use counterfoil_clock::now;
use counterfoil_emitter::{Emitter, MapEmitter};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Keys with ordinary traffic.
const KEYS: usize = 3_000;
/// Keys that never rest.
const HOT_KEYS: usize = 8;
/// One write in so many goes to a key that never rests.
const HOT_ONE_IN: u32 = 10;
/// One write in so many is a remove.
const REMOVE_ONE_IN: u32 = 16;
/// Bytes of a value.
const VALUE_BYTES: usize = 120;
/// How long it sleeps when it is ahead of its rate.
const REST: Duration = Duration::from_millis(1);
/// Writes that may be made up for after a pause; the rest of the pause is forgotten.
const BEHIND_MAX: f64 = 500.0;

/// Map, store and reports: everything that one write touches.
pub(super) struct House {
    map: HashMap<String, Vec<u8>>,
    pub(super) store: Store,
    emitters: Vec<MapEmitter>,
    order: u64,
}

impl House {
    /// A correct dual write: the map first, then the store, one after the other.
    pub(super) fn write(&mut self, number: usize, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        self.write_with(number, key, value, |store| store.set(key, value))
    }

    /// A dual write whose store call is `call`; emitter `number` reports it.
    pub(super) fn write_with(
        &mut self,
        number: usize,
        key: &str,
        value: Option<&[u8]>,
        call: impl FnOnce(&mut Store) -> Result<(), String>,
    ) -> Result<(), String> {
        let place = number.checked_rem(self.emitters.len()).unwrap_or(0);
        let emitter = self.emitters.get(place).ok_or("no emitter")?;
        let mut write = match value {
            Some(value) => emitter.begin_put(key, value),
            None => emitter.begin_remove(key),
        };
        let map = &mut self.map;
        write.map(|| match value {
            Some(value) => map.insert(key.to_owned(), value.to_vec()),
            None => map.remove(key),
        });
        write.order(self.order);
        self.order += 1;
        write.store(|| call(&mut self.store))
    }
}

/// Writes until it is stopped.
pub(super) struct Driver {
    house: House,
    planter: Planter,
    random: SmallRng,
    rate: f64,
    life: u32,
    writes: u64,
}

impl Driver {
    /// A driver of a fresh map over the store that is there.
    pub(super) fn new(args: &AppArgs, emitters: &[Emitter]) -> Result<Self, String> {
        let store = Store::open(&args.store, &args.map)?;
        let stranger = Store::open(&args.store, &args.map)?;
        let emitters = emitters.iter().map(|emitter| emitter.map(&args.map)).collect();
        Ok(Self {
            house: House { map: HashMap::new(), store, emitters, order: 0 },
            planter: Planter::new(stranger, args.bugs, args.life),
            random: SmallRng::seed_from_u64(args.seed.wrapping_add(u64::from(args.life))),
            rate: args.rate,
            life: args.life,
            writes: 0,
        })
    }

    /// Writes at its rate until `stop` is set.
    pub(super) fn run(&mut self, stop: &AtomicBool) -> Result<(), String> {
        let begun = now();
        let (mut due, mut last) = (0.0, begun);
        while !stop.load(Ordering::Relaxed) {
            let at = now();
            due = f64::min(due + at.since(last) as f64 / 1e9 * self.rate, BEHIND_MAX);
            last = at;
            for planted in self.planter.step(&mut self.house, at.since(begun))? {
                say(&Line::Planted(planted))?;
            }
            if due < 1.0 {
                thread::sleep(REST);
                continue;
            }
            due -= 1.0;
            self.ordinary()?;
        }
        Ok(())
    }

    fn ordinary(&mut self) -> Result<(), String> {
        let is_hot = self.random.random_ratio(1, HOT_ONE_IN);
        let (class, number) = match is_hot {
            true => ("hot", self.random.random_range(0..HOT_KEYS)),
            false => ("key", self.random.random_range(0..KEYS)),
        };
        let key = format!("{class}:{number}");
        self.writes += 1;
        let text = format!("{}:{}:", self.life, self.writes);
        let value = format!("{text:=<VALUE_BYTES$}").into_bytes();
        let value = Some(value).filter(|_| !self.random.random_ratio(1, REMOVE_ONE_IN));
        self.house.write(number, &key, value.as_deref())
    }
}
