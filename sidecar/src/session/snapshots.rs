//! The snapshots that a source says are complete: each is told once on a connection, when all that it tells was handed on.

use counterfoil_proto::Snapshot;

/// The last snapshot of each map. A source repeats them in each heartbeat.
#[derive(Default)]
pub(super) struct Snapshots(Vec<Known>);

struct Known {
    snapshot: Snapshot,
    is_told: bool,
}

impl Snapshots {
    /// Takes those of a heartbeat, which are of configured maps: there are no more of them.
    pub(super) fn take(&mut self, told: impl Iterator<Item = Snapshot>) {
        for snapshot in told {
            match self.0.iter_mut().find(|known| known.snapshot.map == snapshot.map) {
                Some(known) if known.snapshot == snapshot => {}
                Some(known) => *known = Known { snapshot, is_told: false },
                None => self.0.push(Known { snapshot, is_told: false }),
            }
        }
    }

    /// Gives those to `tell` that are complete now that every number below `next_seq` was handed on, each once.
    pub(super) fn complete(&mut self, next_seq: u64, mut tell: impl FnMut(Snapshot)) {
        for known in self.0.iter_mut().filter(|known| known.snapshot.end_seq <= next_seq) {
            if !std::mem::replace(&mut known.is_told, true) {
                tell(known.snapshot.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_judge::Time;

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
        let mut snapshots = Snapshots::default();
        let both = || [snapshot("a", 1, 10), snapshot("b", 2, 5)].into_iter();
        snapshots.take(both());
        assert_eq!(complete(&mut snapshots, 4), []);
        assert_eq!(complete(&mut snapshots, 9), [("b".to_owned(), 2)]);
        snapshots.take(both());
        assert_eq!(complete(&mut snapshots, 10), [("a".to_owned(), 1)], "what is repeated is known");
        snapshots.take([snapshot("b", 7, 9)].into_iter());
        assert_eq!(complete(&mut snapshots, 10), [("b".to_owned(), 7)], "a newer one");
    }
}
