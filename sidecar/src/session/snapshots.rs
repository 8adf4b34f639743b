//! The snapshots that a source says are complete: each is told once on a connection, when all that it tells was handed on.
//!
//! A source with numbers of its own says where a snapshot begins and ends. Of one that is numbered here, all that it told of a map
//! since its last snapshot is one, or since the connection began.

use super::Session;
use crate::events::Unfit;
use crate::framer::Form;
use crate::refused::Refused;
use counterfoil_judge::Time;
use counterfoil_proto::wire::emit::{self, Stamps};
use counterfoil_proto::{Snapshot, time};

/// The last snapshot of each map. A source repeats them in each heartbeat.
pub(super) struct Snapshots {
    known: Vec<Known>,
    begin: Mark,
}

struct Known {
    snapshot: Snapshot,
    is_told: bool,
    /// When it was taken.
    taken: Time,
}

/// A point of the conversation.
#[derive(Clone, Copy)]
struct Mark {
    at: Time,
    seq: u64,
}

impl Snapshots {
    /// Of a connection that began at `now`, when `next_seq` came next.
    pub(super) fn since(now: Time, next_seq: u64) -> Self {
        Self { known: Vec::new(), begin: Mark { at: now, seq: next_seq } }
    }

    /// Takes one of a configured map at `now`: there are no more of them than that.
    fn take(&mut self, snapshot: Snapshot, now: Time) {
        let taken = Known { snapshot, is_told: false, taken: now };
        match self.known.iter_mut().find(|known| known.snapshot.map == taken.snapshot.map) {
            Some(known) if known.snapshot == taken.snapshot => {}
            Some(known) => *known = taken,
            None => self.known.push(taken),
        }
    }

    /// The snapshot of `map` that ends below `next_seq`, of a source that is numbered here. It begins at `begin`, or where the last
    /// one ended if the source has no clock.
    fn ending(&self, map: String, begin: Option<Time>, next_seq: u64) -> Snapshot {
        let last = self.known.iter().find(|known| known.snapshot.map == map);
        let from = last.map_or(self.begin, |last| Mark { at: last.taken, seq: last.snapshot.end_seq });
        Snapshot { map, begin: begin.unwrap_or(from.at), first_seq: from.seq, end_seq: next_seq }
    }

    /// Gives those to `tell` that are complete now that every number below `next_seq` was handed on, each once.
    pub(super) fn complete(&mut self, next_seq: u64, mut tell: impl FnMut(Snapshot)) {
        for known in self.known.iter_mut().filter(|known| known.snapshot.end_seq <= next_seq) {
            if !std::mem::replace(&mut known.is_told, true) {
                tell(known.snapshot.clone());
            }
        }
    }
}

impl Session {
    /// Takes what a heartbeat or a line says of snapshots. Of a map that is not configured nothing is told, so nothing of it is
    /// whole.
    pub(super) fn take_snapshots(&mut self, told: Vec<emit::Snapshot>, arrival: Time) -> Result<(), Refused> {
        let own_clock = self.greeting.stamps != Stamps::Sidecar;
        for snapshot in told {
            let snapshot = match self.greeting.form {
                Form::Protobuf if !own_clock => return Err(Refused::Snapshots),
                Form::Protobuf => snapshot.into(),
                Form::Json => self.snapshot_done(snapshot, own_clock)?,
            };
            if self.shared.digester.place(&snapshot.map).is_some() {
                self.snapshots.take(snapshot, arrival);
            } else {
                self.warn(format!("snapshot_done is not taken: {}", Unfit::UnknownMap));
            }
        }
        Ok(())
    }

    /// The snapshot that a line says is done.
    fn snapshot_done(&self, line: emit::Snapshot, own_clock: bool) -> Result<Snapshot, Refused> {
        let begin = match (own_clock, line.begin_ns) {
            (true, 0) => {
                return Err(Refused::SnapshotDone(
                    "is needed where stamps are the emitter's: since when every key was told that the map held",
                ));
            }
            (true, begin_ns) => Some(time(begin_ns)),
            (false, 0) => None,
            (false, _) => {
                return Err(Refused::SnapshotDone(
                    "needs the emitter's clock; leave it out, or say hello with stamps `emitter`",
                ));
            }
        };
        let next_seq = self.source.sequence.next().unwrap_or_default();
        Ok(self.snapshots.ending(line.map, begin, next_seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(map: &str, begin: i64, end_seq: u64) -> Snapshot {
        Snapshot { map: map.into(), begin: Time(begin), first_seq: 0, end_seq }
    }

    fn complete(snapshots: &mut Snapshots, next_seq: u64) -> Vec<(String, i64)> {
        let mut told = Vec::new();
        snapshots.complete(next_seq, |it| told.push((it.map, it.begin.0)));
        told
    }

    #[test]
    fn a_snapshot_counts_once_all_its_numbers_were_handed_on_and_is_told_once() {
        let mut snapshots = Snapshots::since(Time(0), 0);
        let both = || [snapshot("a", 1, 10), snapshot("b", 2, 5)].into_iter();
        both().for_each(|it| snapshots.take(it, Time(9)));
        assert_eq!(complete(&mut snapshots, 4), []);
        assert_eq!(complete(&mut snapshots, 9), [("b".to_owned(), 2)]);
        both().for_each(|it| snapshots.take(it, Time(9)));
        assert_eq!(complete(&mut snapshots, 10), [("a".to_owned(), 1)], "what is repeated is known");
        snapshots.take(snapshot("b", 7, 9), Time(9));
        assert_eq!(complete(&mut snapshots, 10), [("b".to_owned(), 7)], "a newer one");
    }

    #[test]
    fn of_a_source_that_is_numbered_here_a_snapshot_begins_where_the_last_one_of_its_map_ended() {
        let mut snapshots = Snapshots::since(Time(3), 40);
        for (map, begin, next_seq, now, (begins, first_seq)) in [
            ("a", None, 50, 7, (3, 40)),
            ("b", None, 55, 8, (3, 40)),
            ("a", None, 60, 9, (7, 50)),
            ("a", Some(Time(8)), 70, 10, (8, 60)),
        ] {
            let ending = snapshots.ending(map.into(), begin, next_seq);
            let expected = Snapshot { map: map.into(), begin: Time(begins), first_seq, end_seq: next_seq };
            assert_eq!(ending, expected);
            snapshots.take(ending, Time(now));
            assert_eq!(complete(&mut snapshots, next_seq), [(map.to_owned(), begins)], "each is told");
        }
    }
}
