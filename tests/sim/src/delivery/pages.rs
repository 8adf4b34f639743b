//! Pages of the store's rows on their way: read in the order of the keys while the store is written to, so that each row is what
//! the store held at some instant of the page's interval.

use super::comparator::seen;
use crate::transcript::Transcript;
use crate::world::World;
use counterfoil_comparator::budget::Ending;
use counterfoil_comparator::contract::MapId;
use counterfoil_comparator::scheduler::{PageBack, PageRequest, Scheduler};
use counterfoil_comparator::table::{Scanned, Seen};
use counterfoil_judge::{Interval, Time};
use std::collections::BTreeMap;

/// How often the store is looked at for one page, at most.
pub(super) const LOOKS: usize = 3;

/// A page on its way.
struct Page {
    request: PageRequest,
    at: Interval,
    fails: bool,
    /// Keys, and what was seen of each.
    rows: Vec<(Vec<u8>, Seen)>,
    /// No row is behind those that were seen.
    is_last: bool,
}

/// All pages on their way, and where the next ones begin.
#[derive(Default)]
pub(super) struct Pages {
    under_way: BTreeMap<u64, Page>,
    /// As the comparator's ledger keeps it.
    places: BTreeMap<MapId, Option<Vec<u8>>>,
}

impl Pages {
    /// A page is asked for, to be read within `at`.
    pub(super) fn send(&mut self, number: u64, request: PageRequest, at: Interval, fails: bool) {
        self.under_way.insert(number, Page { request, at, fails, rows: Vec::new(), is_last: false });
    }

    /// Whose rows are read by the page with this number, if there is one.
    pub(super) fn map(&self, number: u64) -> Option<MapId> {
        self.under_way.get(&number).map(|page| page.request.wanted.map)
    }

    /// The store is looked at for a part of the page.
    pub(super) fn look(&mut self, number: u64, name: &str, world: &World) {
        let Some(page) = self.under_way.get_mut(&number).filter(|page| !page.fails) else { return };
        let Some(map) = world.plan.maps.iter().position(|map| map.name == name) else { return };
        let wanted = &page.request.wanted;
        let part = wanted.limit.div_ceil(LOOKS).min(wanted.limit.saturating_sub(page.rows.len()));
        let last_seen = page.rows.last().map(|(key, _)| key).or(wanted.after.as_ref());
        let after = last_seen.map_or("", |key| std::str::from_utf8(key).unwrap_or(""));
        let rows = world.rows_after(map, after).take(part);
        let rows: Vec<_> = rows.map(|(key, at)| (key.as_bytes().to_vec(), seen(at, world))).collect();
        page.is_last = rows.len() < part;
        page.rows.extend(rows);
    }

    /// The page is back; gives the next one if it is asked for at once.
    pub(super) fn back(
        &mut self,
        number: u64,
        scheduler: &mut Scheduler,
        now: i64,
        transcript: &mut Transcript,
    ) -> Option<PageRequest> {
        let page = self.under_way.remove(&number)?;
        transcript.page(page.at, &page.rows);
        let (page, rows) = page.into_back();
        let follows = scheduler.turn_page(&page, Time(now));
        scheduler.compare_page(&page, &rows, Time(now));
        if page.ending == Ending::Answered {
            self.places.insert(page.map, page.next);
        }
        follows
    }

    /// Goes on in a comparator that has started over. What was on its way is nobody's.
    pub(super) fn resume(self, scheduler: &mut Scheduler) -> Self {
        for (map, place) in &self.places {
            place.iter().for_each(|after| scheduler.resume_rows(*map, after));
        }
        Self { under_way: BTreeMap::new(), ..self }
    }
}

impl Page {
    /// As it comes back to the scheduler, and its rows.
    fn into_back(self) -> (PageBack, Vec<Scanned>) {
        let Self { request: PageRequest { store, wanted }, at, fails, rows, is_last } = self;
        let ending = if fails { Ending::Unanswered("connect") } else { Ending::Answered };
        let last = rows.last().map(|(key, _)| key.clone()).or(wanted.after);
        let next = last.filter(|_| !is_last && !fails);
        let rows = rows.into_iter().map(|(key, seen)| Scanned { key, seen: Ok(seen) });
        let rows: Vec<_> = rows.filter(|_| !fails).collect();
        (PageBack { store, map: wanted.map, at, ending, rows: rows.len(), next }, rows)
    }
}
