//! Hot keys: a few keys that are written all the time and never rest, in a map with a contract of its own; and the bug that
//! is provable there.
//!
//! What is planted on a cold key lasts because nobody writes to the key again. On a hot key the next write covers up
//! whatever went wrong with the one before, so the bug must itself go on: for a while the store takes none of the key's
//! writes, and says each time that it did. The key is then *frozen*; it is right before and after.
//!
//! A freeze begins when the key has just been removed, correctly. From then on the map has values, the store has none, and
//! that nothing but a remove explains, however many writes came since. A store that stood still on a value would be divergent
//! as well; but a judge with bounds forgets within milliseconds which of so many writes a value came from, and could not tell
//! stale from foreign. A key that is frozen is not removed: the sides would agree for that moment.

use super::agenda::Agenda;
use super::map::{DemoMap, Held};
use super::schedule::Freeze;
use super::tally::Planted;
use super::write::{change_map, change_store};
use crate::app_store::{AppStore, Client, StoreError};
use crate::pace::after;
use crate::plant::Plant;
use counterfoil_clock::{now, wall_unix_ns};
use counterfoil_emitter::MapEmitter;
use counterfoil_judge::Time;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How many keys are hot.
pub(super) const HOT_KEYS: usize = 16;

/// How long after a freeze its last divergence may still be told: a read that saw it is judged once the watermark has
/// passed, which a store call that is slow and is tried again holds back for most of a second.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// Names of the hot keys.
pub(super) fn hot_keys() -> impl Iterator<Item = String> {
    (0..HOT_KEYS).map(|number| format!("hot:{number:02}"))
}

/// What is due in freeze number `.0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// From now on the store takes none of the key's writes.
    Freeze(usize),
    /// From now on it takes them again.
    Thaw(usize),
}

/// Freezes hot keys and thaws them.
pub(super) struct Freezer<'a> {
    map: &'a DemoMap,
    schedule: &'a [Freeze],
    lasting: Duration,
    emitter: MapEmitter,
    client: Box<dyn Client>,
    agenda: Agenda<Step>,
    planted: Vec<Planted>,
}

impl<'a> Freezer<'a> {
    /// A freezer for the keys of `map`, whose writes `emitter` reports; each freeze goes on for `lasting`.
    pub(super) fn new(
        map: &'a DemoMap,
        schedule: &'a [Freeze],
        lasting: Duration,
        emitter: MapEmitter,
        store: &AppStore,
    ) -> Result<Self, StoreError> {
        let (client, agenda, planted) = (store.client()?, Agenda::new(), Vec::new());
        Ok(Self { map, schedule, lasting, emitter, client, agenda, planted })
    }

    /// Carries out the schedule, counted from `start`; gives what was planted. Ends early if `stop` is set.
    pub(super) fn run(mut self, start: Time, stop: &AtomicBool) -> Result<Vec<Planted>, StoreError> {
        for (number, freeze) in self.schedule.iter().enumerate() {
            self.agenda.add(after(start, freeze.at), Step::Freeze(number));
        }
        while let Some(step) = self.agenda.next(stop) {
            match step {
                Step::Freeze(number) => self.freeze(number)?,
                Step::Thaw(number) => self.thaw(number)?,
            }
        }
        Ok(self.planted)
    }

    /// Removes the key, and makes the first of the writes that are lost: so there is one, however slowly the others write.
    fn freeze(&mut self, number: usize) -> Result<(), StoreError> {
        let Some(mut held) = self.hold(number) else { return Ok(()) };
        self.write(&mut held, None)?;
        let begin = wall_unix_ns();
        held.freeze(true);
        self.write(&mut held, Some(&format!("frozen {number}")))?;
        let (key, end) = (held.key.to_owned(), wall_unix_ns());
        self.planted.push(Planted { plant: Plant::Frozen, key, begin, end, until: i64::MAX });
        self.agenda.add(after(now(), self.lasting), Step::Thaw(number));
        Ok(())
    }

    /// Makes the first of the writes that arrive again by itself: the sides agree when it returns, however slowly the
    /// others write.
    fn thaw(&mut self, number: usize) -> Result<(), StoreError> {
        let Some(mut held) = self.hold(number) else { return Ok(()) };
        held.freeze(false);
        self.write(&mut held, Some(&format!("thawed {number}")))?;
        let told_within = i64::try_from(TOLD_WITHIN.as_nanos()).unwrap_or(i64::MAX);
        let until = wall_unix_ns().saturating_add(told_within);
        if let Some(planted) = self.planted.iter_mut().find(|planted| planted.key == held.key) {
            planted.until = until;
        }
        Ok(())
    }

    fn hold(&self, number: usize) -> Option<Held<'a>> {
        self.map.hold(self.schedule.get(number)?.key)
    }

    fn write(&mut self, held: &mut Held<'_>, value: Option<&str>) -> Result<(), StoreError> {
        let value = value.map(str::as_bytes);
        let mut write = change_map(&self.emitter, held, value);
        write.store(|| change_store(self.client.as_mut(), held, value))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::app_store::StoreUrl;
    use counterfoil_emitter::{Emitter, Identity};

    struct Rig {
        _folder: tempfile::TempDir,
        store: AppStore,
        emitter: Emitter,
        map: DemoMap,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = AppStore::create(&StoreUrl::Sqlite(folder.path().join("app.db")), "hot").unwrap();
            let emitter = Emitter::connect(folder.path().join("no.sock"), Identity::new("test")).unwrap();
            Self { _folder: folder, store, emitter, map: DemoMap::new(hot_keys()) }
        }

        fn freezer<'a>(&'a self, schedule: &'a [Freeze]) -> Freezer<'a> {
            let hot = self.emitter.map("hot");
            Freezer::new(&self.map, schedule, Duration::ZERO, hot, &self.store).unwrap()
        }

        /// What the store holds for key `at` once it was told a new value.
        fn put(&self, at: usize) -> Option<Vec<u8>> {
            let (mut client, mut held) = (self.store.client().unwrap(), self.map.hold(at).unwrap());
            let mut write = change_map(&self.emitter.map("hot"), &mut held, Some(b"new"));
            write.store(|| change_store(client.as_mut(), &held, Some(b"new"))).unwrap();
            client.get(held.key).unwrap()
        }
    }

    #[test]
    fn a_frozen_key_has_no_value_in_the_store_until_it_is_thawed_and_its_neighbour_is_not_concerned() {
        let (rig, schedule) = (Rig::new(), [Freeze { key: 3, at: Duration::ZERO }]);
        let (mut freezer, new) = (rig.freezer(&schedule), Some(b"new".to_vec()));
        assert_eq!(rig.put(3), new);
        freezer.freeze(0).unwrap();
        assert_eq!((rig.put(3), rig.put(4)), (None, new.clone()));
        let before = freezer.planted.clone();
        freezer.thaw(0).unwrap();
        assert_eq!(rig.put(3), new);
        let [before, after] = [before.first().unwrap(), freezer.planted.first().unwrap()];
        assert_eq!((&*before.key, before.plant, before.until), ("hot:03", Plant::Frozen, i64::MAX));
        assert!(after.begin <= after.end && after.end < after.until && after.until < i64::MAX);
        assert_eq!(
            rig.emitter.stats().issued,
            7,
            "four puts, a removal, a put that is lost, one that arrives"
        );
    }

    #[test]
    fn a_freezer_thaws_what_it_froze() {
        let (rig, schedule) = (Rig::new(), [1, 2].map(|key| Freeze { key, at: Duration::ZERO }));
        let planted = rig.freezer(&schedule).run(now(), &AtomicBool::new(false)).unwrap();
        assert_eq!(planted.iter().map(|planted| &*planted.key).collect::<Vec<_>>(), ["hot:01", "hot:02"]);
        assert!(planted.iter().all(|planted| planted.until < i64::MAX));
        assert_eq!(rig.store.client().unwrap().get("hot:01").unwrap(), Some(b"thawed 0".to_vec()));
        assert!(!rig.map.hold(2).unwrap().is_frozen());
    }
}
