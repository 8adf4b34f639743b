//! Which maps a source has reported about, and of which it has told all that they hold.

use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_proto::Snapshot;
use std::collections::BTreeMap;

/// The maps of one source.
#[derive(Clone, Debug)]
pub(super) struct Holdings {
    maps: BTreeMap<String, Option<Whole>>,
    /// It has reported about maps, nobody knows which, before it was heard of here.
    others: bool,
    /// What it told with lower numbers is not known here.
    known_from: u64,
}

/// Since when all that a map held was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Whole {
    pub(super) begin: Time,
    /// The clock of that.
    pub(super) clock: Domain,
}

/// What a source is to a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holding<'a> {
    /// It never reported about it.
    None,
    /// It reported about it, or may have, and has not told all.
    Part,
    /// It has told all since then.
    Whole(&'a Whole),
}

impl Holdings {
    /// Of a source that is heard of from number `known_from` on, and was never heard of before unless there are `others`.
    pub(super) fn new(known_from: u64, others: bool) -> Self {
        Self { maps: BTreeMap::new(), others, known_from }
    }

    /// It has reported about these.
    pub(super) fn reported<'a>(&mut self, maps: impl Iterator<Item = &'a str>) {
        for map in maps {
            if !self.maps.contains_key(map) {
                self.maps.insert(map.to_owned(), None);
            }
        }
    }

    /// It says that it has told all of a map that it has reported about. That counts if all of it was heard of here; numbers
    /// below `next_seq` were.
    pub(super) fn complete(&mut self, snapshot: &Snapshot, clock: &Domain, next_seq: u64) {
        let is_known = snapshot.first_seq >= self.known_from && snapshot.end_seq <= next_seq;
        if let Some(whole) = self.maps.get_mut(&snapshot.map).filter(|_| is_known) {
            *whole = Some(Whole { begin: snapshot.begin, clock: clock.clone() });
        }
    }

    /// The clock jumped: instants of before cannot be placed any more.
    pub(super) fn forget(&mut self, clock: &Domain) {
        for whole in self.maps.values_mut() {
            _ = whole.take_if(|whole| whole.clock == *clock);
        }
    }

    /// What the source is to `map`.
    pub(super) fn of(&self, map: &str) -> Holding<'_> {
        match self.maps.get(map) {
            Some(Some(whole)) => Holding::Whole(whole),
            Some(None) => Holding::Part,
            None if self.others => Holding::Part,
            None => Holding::None,
        }
    }

    /// The maps that it has reported about, and whether it has reported about others too.
    pub(super) fn names(&self) -> (Vec<String>, bool) {
        (self.maps.keys().cloned().collect(), self.others)
    }

    /// The maps of which it has told all.
    pub(super) fn wholes(&self) -> impl Iterator<Item = &str> {
        self.maps.iter().filter(|(_, whole)| whole.is_some()).map(|(map, _)| map.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(first_seq: u64, end_seq: u64) -> Snapshot {
        Snapshot { map: "cart".into(), begin: Time(5), first_seq, end_seq }
    }

    #[test]
    fn a_snapshot_counts_if_all_of_it_was_heard_of_here() {
        let clock = Domain { boot_id: "here".into(), offset_ns: 0 };
        for (known_from, (first_seq, end_seq), is_whole) in
            [(0, (0, 10), true), (3, (3, 10), true), (3, (2, 10), false), (0, (0, 11), false)]
        {
            let mut holdings = Holdings::new(known_from, false);
            holdings.reported(["cart", "notes"].into_iter());
            holdings.complete(&snapshot(first_seq, end_seq), &clock, 10);
            let whole = Whole { begin: Time(5), clock: clock.clone() };
            let expected = if is_whole { Holding::Whole(&whole) } else { Holding::Part };
            assert_eq!(holdings.of("cart"), expected, "{known_from} {first_seq} {end_seq}");
            assert_eq!((holdings.of("notes"), holdings.of("depot")), (Holding::Part, Holding::None));
            holdings.forget(&clock);
            assert_eq!(holdings.of("cart"), Holding::Part, "the clock jumped");
        }
    }

    #[test]
    fn a_source_that_may_have_reported_anything_is_part_of_every_map() {
        assert_eq!(Holdings::new(7, true).of("depot"), Holding::Part);
    }
}
