//! Pages of rows: read, and compared with what the maps know. Of a row nothing is kept but its key and its digest.

use super::digesting::seen;
use super::{Done, Place, Prober, Reads};
use crate::budget::Ending;
use crate::contract::{Contract, MapId};
use crate::ledger::ScanPlace;
use crate::scheduler::{PageBack, PageRequest};
use crate::store::{Answer, Found, Page, Reading};
use crate::table::{Against, Scanned};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use std::collections::HashMap;

/// Where the next page begins is written down with the first page of a round and then this often at most, in nanoseconds: a place
/// that is lost costs what was read since.
const KEPT_EVERY: i64 = 1_000_000_000;

/// A key, and what the store holds for it.
type Row = (Vec<u8>, Answer);

/// When the place of each check was written down last; `None` if it was that there is none.
#[derive(Default)]
pub(super) struct Kept(HashMap<MapId, Option<Time>>);

impl Kept {
    /// Whether the place of `map`, or that there is none at the end of a round, is to be written down at `at`.
    fn is_due(&mut self, map: MapId, is_at_end: bool, at: Time) -> bool {
        // What a comparator before this one wrote down may stand there.
        let kept_at = self.0.entry(map).or_insert(Some(Time::MIN));
        let is_due = kept_at.map_or(!is_at_end, |kept_at| at >= kept_at.plus(KEPT_EVERY));
        if is_due {
            *kept_at = (!is_at_end).then_some(at);
        }
        is_due
    }
}

impl Prober {
    pub(super) fn send_page(&self, request: PageRequest, reads: &mut Reads) {
        let contracts = self.parts.engine.contracts().clone();
        let Some(store) = self.store(request.store) else { return };
        let done = reads.done.clone();
        reads.tasks.spawn(async move {
            let Some(contract) = contracts.get(request.wanted.map) else { return };
            let (page, rows) = store.read_page(contract, request).await;
            // The loop is gone only when the comparator stops.
            _ = done.send(Done::Page(page.clone())).await;
            let rows = store.scanned(contract, rows);
            _ = done.send(Done::Rows(page, rows)).await;
        });
    }

    /// Takes a page back: the next one is asked for.
    pub(super) fn turn_page(&mut self, page: &PageBack, reads: &mut Reads) {
        let next = self.scheduler.turn_page(page, now());
        next.into_iter().for_each(|request| self.send_page(request, reads));
    }

    /// Compares the rows of a page that was taken back.
    pub(super) async fn compare_page(&mut self, page: PageBack, rows: &[Scanned]) {
        let at = now();
        self.scheduler.compare_page(&page, rows, at);
        self.keep_place(page, at).await;
    }

    /// Has it written down where the page behind this one begins.
    async fn keep_place(&mut self, page: PageBack, at: Time) {
        let after = match page.ending {
            Ending::Answered => page.next,
            Ending::Refused => None,
            Ending::Unanswered(_) => return,
        };
        if !self.kept.is_due(page.map, after.is_none(), at) {
            return;
        }
        let contracts = self.parts.engine.contracts();
        let (Some(contract), Some(store)) = (contracts.get(page.map), contracts.store_name(page.map)) else {
            return;
        };
        let place = ScanPlace { map: contract.name.to_string(), store: store.to_owned(), after };
        self.parts.telling.keep_place(place).await;
    }
}

impl Place {
    /// Reads a page; gives its rows beside it. A row without a value is none.
    async fn read_page(&self, contract: &Contract, request: PageRequest) -> (PageBack, Vec<Row>) {
        let PageRequest { store, wanted } = request;
        let none = Page { rows: Vec::new(), next: None };
        let Reading { at, told } = match &contract.scan {
            Some(scan) => self.reader.scan(scan, wanted.after.as_deref(), wanted.limit).await,
            None => Reading::without_read(Ok(none.clone())),
        };
        let (ending, Page { mut rows, next }) = match told {
            Ok(page) => (Ending::Answered, page),
            Err(error) => (self.failed(contract, &error), none),
        };
        rows.retain(|(_, answer)| !matches!(answer, Ok(Found::Absent)));
        (PageBack { store, map: wanted.map, at, ending, rows: rows.len(), next }, rows)
    }

    fn scanned(&self, contract: &Contract, rows: Vec<Row>) -> Vec<Scanned> {
        // Under the current deployment key: a key that is known under another one is looked up.
        let against = Against::default();
        let answers = rows.iter().map(|(_, answer)| (&against, answer));
        let seen = seen(&contract.digesters, answers, &self.series.key_errors);
        rows.into_iter().zip(seen).map(|((key, _), seen)| Scanned { key, seen }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_down_once_a_second_and_with_the_first_page_of_a_round() {
        let mut kept = Kept::default();
        let ms = |ms: i64| Time(ms * 1_000_000);
        for (at, is_at_end, is_due, what) in [
            (0, true, true, "another comparator may have left one"),
            (10, true, false, "there is none already"),
            (20, false, true, "the first of a round"),
            (900, false, false, "a second has not passed"),
            (1_020, false, true, "now it has"),
            (1_500, true, false, "what stands there costs a part of a round, no more"),
            (2_100, true, true, "a second has passed"),
            (2_110, false, true, "the first of a round"),
        ] {
            assert_eq!(kept.is_due(MapId(0), is_at_end, ms(at)), is_due, "{at} ms: {what}");
        }
        assert!(kept.is_due(MapId(1), false, ms(2_111)), "each check has its own");
    }
}
