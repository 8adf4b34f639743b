//! Rounds over the rows of one store, for those that no map knows.
//!
//! One page is on its way at a time, of one check after the other. Where the next one begins is kept by whoever drives this, so
//! that a comparator that is started over goes on there; a place that is lost costs a round.

use crate::budget::{Bucket, Ending};
use crate::contract::MapId;
use crate::table;
use counterfoil_judge::Time;

/// How far the rounds over the rows of one check have come.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Progress {
    /// Of this round so far.
    pub rows: table::Rows,
    /// Of all rounds so far.
    pub all: table::Rows,
    /// Of the last round that was completed; `None` before there was one.
    pub last: Option<Round>,
    /// Rounds completed.
    pub rounds: u64,
}

/// A round that was completed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Round {
    /// What its rows were.
    pub rows: table::Rows,
    /// How long it took, in nanoseconds. One that another comparator began is only known from then on.
    pub took: i64,
}

/// A page to be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The check whose rows are gone through.
    pub map: MapId,
    /// Where the page begins; `None` for the first one.
    pub after: Option<Vec<u8>>,
    /// About how many rows it has.
    pub limit: usize,
}

/// The rounds over the rows of one store.
pub struct Rows {
    per_s: f64,
    allowed: Bucket,
    checks: Vec<Check>,
    /// Which check goes next.
    turn: usize,
    is_under_way: bool,
}

struct Check {
    map: MapId,
    after: Option<Vec<u8>>,
    begun_at: Option<Time>,
    progress: Progress,
}

impl Rows {
    /// Nothing was gone through yet. Of all `maps` together so many rows a second are.
    #[must_use]
    pub fn new(per_s: u32, maps: impl Iterator<Item = MapId>) -> Self {
        let check = |map| Check { map, after: None, begun_at: None, progress: Progress::default() };
        Self {
            per_s: per_s.into(),
            allowed: Bucket::new(),
            checks: maps.map(check).collect(),
            turn: 0,
            is_under_way: false,
        }
    }

    /// Goes on with the rows of `map` behind `after`, where a comparator before this one had come to.
    pub fn resume(&mut self, map: MapId, after: Vec<u8>) {
        if let Some(check) = self.check(map) {
            check.after = Some(after);
        }
    }

    /// Whether a page is to be read at `now`, with no more than `keys_per_s` keys a second.
    pub fn is_due(&mut self, keys_per_s: f64, now: Time) -> bool {
        let is_allowed = self.allowed.keys(keys_per_s.min(self.per_s), now) > 0;
        is_allowed && !self.is_under_way && !self.checks.is_empty()
    }

    /// The next page, if there is one to be read at `now`, with no more than `keys_per_s` keys a second and `limit` at a time.
    /// It has to come back. A page is counted as full: a small store is not read without end.
    pub fn next(&mut self, keys_per_s: f64, limit: usize, now: Time) -> Option<Wanted> {
        if !self.is_due(keys_per_s, now) {
            return None;
        }
        let per_s = keys_per_s.min(self.per_s);
        let at = self.turn % self.checks.len();
        self.turn = at + 1;
        let check = self.checks.get_mut(at)?;
        check.begun_at.get_or_insert(now);
        let limit = limit.min(in_a_second(per_s));
        self.allowed.take(limit);
        self.is_under_way = true;
        Some(Wanted { map: check.map, after: check.after.clone(), limit })
    }

    /// A page of `map` came back, or did not, as `ending` says; `next` is where the next one begins, if there is one.
    pub fn back(&mut self, map: MapId, next: Option<&[u8]>, ending: Ending) {
        self.is_under_way = false;
        let Some(check) = self.check(map) else { return };
        match ending {
            Ending::Answered => check.after = next.map(<[u8]>::to_vec),
            // Where it went on does not mean anything to the store, perhaps.
            Ending::Refused => check.after = None,
            Ending::Unanswered(_) => {}
        }
    }

    /// The rows of a page of `map` were compared at `now`: that is what they were to the table. With the last page of a round it
    /// is completed.
    pub fn compared(&mut self, map: MapId, rows: &table::Rows, is_last: bool, now: Time) {
        let Some(check) = self.check(map) else { return };
        check.progress.rows.add(rows);
        check.progress.all.add(rows);
        if is_last {
            check.complete(now);
        }
    }

    fn check(&mut self, map: MapId) -> Option<&mut Check> {
        self.checks.iter_mut().find(|check| check.map == map)
    }

    /// How many rounds over all its checks were completed; `None` if it has none.
    #[must_use]
    pub fn rounds(&self) -> Option<u64> {
        self.checks.iter().map(|check| check.progress.rounds).min()
    }

    /// How far it has come.
    pub fn progress(&self) -> impl Iterator<Item = (MapId, Progress)> {
        self.checks.iter().map(|check| (check.map, check.progress))
    }
}

impl Check {
    fn complete(&mut self, now: Time) {
        let took = self.begun_at.take().map_or(0, |begun_at| now.since(begun_at));
        let rows = std::mem::take(&mut self.progress.rows);
        self.progress.last = Some(Round { rows, took });
        self.progress.rounds += 1;
    }
}

/// How many rows a second's page has, one at least.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates"
)]
fn in_a_second(per_s: f64) -> usize {
    (per_s as usize).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    const S: i64 = 1_000_000_000;

    fn at(ms: i64) -> Time {
        Time(ms * 1_000_000)
    }

    fn page(known: u64) -> table::Rows {
        table::Rows { known, ..table::Rows::default() }
    }

    #[test]
    fn one_page_is_on_its_way_at_a_time_and_no_more_rows_are_read_than_allowed() {
        let mut rows = Rows::new(100, [MapId(0)].into_iter());
        let mut asked = 0;
        for now in (0..10_000).step_by(5).map(at) {
            if let Some(wanted) = rows.next(1_000.0, 1_000, now) {
                asked += wanted.limit;
                assert_eq!(rows.next(1_000.0, 1_000, now), None, "one at a time");
                rows.back(wanted.map, None, Ending::Answered);
                rows.compared(wanted.map, &page(1), true, now);
            }
        }
        assert!((900..=1_110).contains(&asked), "{asked} in ten seconds");
        let (_, progress) = rows.progress().next().unwrap();
        assert_eq!((progress.rounds, progress.last.unwrap().rows.known), (asked as u64 / 100, 1));
    }

    #[test]
    fn each_check_has_its_turn_and_goes_on_where_it_was() {
        let mut rows = Rows::new(1_000, [MapId(3), MapId(5)].into_iter());
        rows.resume(MapId(5), b"k7".to_vec());
        let mut turns = Vec::new();
        for second in 0..6 {
            let wanted = rows.next(f64::INFINITY, 10, Time(second * S)).unwrap();
            turns.push((wanted.map.0, wanted.after.clone()));
            let next = [b'0' + u8::try_from(second).unwrap()];
            let (ending, next) = match second {
                1 => (Ending::Unanswered("timeout"), None),
                3 => (Ending::Refused, None),
                _ => (Ending::Answered, Some(&next[..])),
            };
            rows.back(wanted.map, next, ending);
        }
        let place = |text: &str| Some(text.as_bytes().to_vec());
        let expected =
            [(3, None), (5, place("k7")), (3, place("0")), (5, place("k7")), (3, place("2")), (5, None)];
        assert_eq!(
            turns, expected,
            "a page that did not come is asked for again; one that is refused begins anew"
        );
        let goes_on = rows.next(f64::INFINITY, 10, Time(6 * S)).unwrap();
        assert_eq!((goes_on.map, goes_on.after), (MapId(3), place("4")));
    }
}
