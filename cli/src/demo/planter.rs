//! The thread that plants the bugs, each at its time and on a key of its own.
//!
//! Every bug is reported to the emitter as an application would that knows nothing of it: with the true intervals of its
//! map and store calls, and the outcome that the store call returned.

use super::agenda::Agenda;
use super::map::DemoMap;
use super::schedule::{OLDER_BY, Planned};
use super::tally::Planted;
use super::write::{change_map, change_store};
use crate::app_store::{AppStore, Client, StoreError};
use crate::pace::after;
use crate::plant::Plant;
use counterfoil_clock::{now, wall_unix_ns};
use counterfoil_emitter::{MapEmitter, StoreOutcome};
use counterfoil_judge::Time;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What is due on the key of bug number `.0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Give the key an older value, correctly.
    Older(usize),
    /// Plant the bug.
    Plant(usize),
    /// Tell the store at last.
    Apply(usize),
}

/// Plants the bugs of a schedule.
pub(super) struct Planter<'a> {
    map: &'a DemoMap,
    /// The first key that is kept for bugs.
    first_key: usize,
    schedule: &'a [Planned],
    emitter: MapEmitter,
    client: Box<dyn Client>,
    stranger: Box<dyn Client>,
    late_by: Duration,
    agenda: Agenda<Step>,
    planted: Vec<Planted>,
}

impl<'a> Planter<'a> {
    /// A planter for the keys of `map` from `first_key` on; late writes come `late_by` after they were acknowledged.
    pub(super) fn new(
        map: &'a DemoMap,
        first_key: usize,
        schedule: &'a [Planned],
        emitter: MapEmitter,
        store: &AppStore,
        late_by: Duration,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            map,
            first_key,
            schedule,
            emitter,
            client: store.client()?,
            stranger: store.stranger()?,
            late_by,
            agenda: Agenda::new(),
            planted: Vec::new(),
        })
    }

    /// Plants everything, counted from `start`; gives what was planted. Ends early if `stop` is set.
    pub(super) fn run(mut self, start: Time, stop: &AtomicBool) -> Result<Vec<Planted>, StoreError> {
        for (number, planned) in self.schedule.iter().enumerate() {
            self.agenda.add(after(start, planned.at), Step::Plant(number));
            if planned.has_older_value {
                let older_at = planned.at.saturating_sub(OLDER_BY);
                self.agenda.add(after(start, older_at), Step::Older(number));
            }
        }
        while let Some(step) = self.agenda.next(stop) {
            self.perform(step)?;
        }
        Ok(self.planted)
    }

    fn perform(&mut self, step: Step) -> Result<(), StoreError> {
        match step {
            Step::Older(number) => self.write_older(number),
            Step::Plant(number) => self.plant(number),
            Step::Apply(number) => {
                let Some(held) = self.map.try_hold(self.first_key + number) else { return Ok(()) };
                self.client.put(held.key, &new_value(number))
            }
        }
    }

    fn write_older(&mut self, number: usize) -> Result<(), StoreError> {
        let Some(mut held) = self.map.try_hold(self.first_key + number) else { return Ok(()) };
        let value = format!("older value {number}").into_bytes();
        let mut write = change_map(&self.emitter, &mut held, Some(&value));
        write.store(|| change_store(self.client.as_mut(), &held, Some(&value)))
    }

    fn plant(&mut self, number: usize) -> Result<(), StoreError> {
        let Some(planned) = self.schedule.get(number) else { return Ok(()) };
        let begin = wall_unix_ns();
        match planned.plant {
            Plant::Reordered => self.reorder(number)?,
            plant => self.write_wrongly(plant, number)?,
        }
        let end = wall_unix_ns();
        if planned.plant == Plant::Late {
            self.agenda.add(after(now(), self.late_by), Step::Apply(number));
        }
        let key = self.map.try_hold(self.first_key + number).map(|held| held.key.to_owned());
        let planted = |key| Planted { plant: planned.plant, key, begin, end, until: i64::MAX };
        self.planted.extend(key.map(planted));
        Ok(())
    }

    fn write_wrongly(&mut self, plant: Plant, number: usize) -> Result<(), StoreError> {
        let Some(mut held) = self.map.try_hold(self.first_key + number) else { return Ok(()) };
        let value = Some(new_value(number)).filter(|_| plant != Plant::RemoveLost);
        let other = format!("wrong value {number}").into_bytes();
        let mut write = change_map(&self.emitter, &mut held, value.as_deref());
        write.store(|| match plant {
            Plant::Corrupted => self.client.put(held.key, &other),
            Plant::ForeignWriter => change_store(self.client.as_mut(), &held, value.as_deref()),
            Plant::Dropped | Plant::Late | Plant::RemoveLost | Plant::Reordered | Plant::Frozen => Ok(()),
        })?;
        if plant == Plant::ForeignWriter {
            self.stranger.put(held.key, &other)?;
        }
        Ok(())
    }

    /// Two puts at a time: the map takes one and then the other, the store the other and then the one.
    fn reorder(&mut self, number: usize) -> Result<(), StoreError> {
        let Some(mut held) = self.map.try_hold(self.first_key + number) else { return Ok(()) };
        let (one, other) = (format!("first of two {number}").into_bytes(), new_value(number));
        let mut first = change_map(&self.emitter, &mut held, Some(&one));
        let mut second = change_map(&self.emitter, &mut held, Some(&other));
        first.store_began();
        second.store(|| self.client.put(held.key, &other))?;
        self.client.put(held.key, &one)?;
        first.store_ended(StoreOutcome::Ok);
        Ok(())
    }
}

/// What the map holds in the end.
fn new_value(number: usize) -> Vec<u8> {
    format!("planted value {number}").into_bytes()
}
