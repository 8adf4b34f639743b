//! Pages of rows: read, and compared with what the maps know. Of a row nothing is kept but its key.

use super::{Done, Place, Prober, Reads};
use crate::budget::Ending;
use crate::contract::Contract;
use crate::ledger::ScanPlace;
use crate::scheduler::{PageRead, PageRequest};
use crate::store::{Found, Page};
use counterfoil_clock::now;
use counterfoil_judge::Interval;

impl Prober {
    pub(super) fn send_page(&self, request: PageRequest, reads: &mut Reads) {
        let contracts = self.parts.engine.contracts().clone();
        let Some(store) = self.store(request.store) else { return };
        let done = reads.done.clone();
        reads.tasks.spawn(async move {
            let Some(contract) = contracts.get(request.wanted.map) else { return };
            let page = store.read_page(contract, request).await;
            // The loop is gone only when the comparator stops.
            _ = done.send(Done::Page(page)).await;
        });
    }

    /// Takes a page back, and keeps where the next one begins.
    pub(super) async fn take_back_page(&mut self, page: PageRead) {
        let map = page.map;
        let after = self.scheduler.take_back_page(page, now()).map(<[u8]>::to_vec);
        let contracts = self.parts.engine.contracts();
        let (Some(contract), Some(store)) = (contracts.get(map), contracts.store_name(map)) else { return };
        let place = ScanPlace { map: contract.name.to_string(), store: store.to_owned(), after };
        self.parts.telling.keep_place(place).await;
    }
}

impl Place {
    /// Reads a page. A row without a value is none.
    async fn read_page(&self, contract: &Contract, request: PageRequest) -> PageRead {
        let PageRequest { store, wanted } = request;
        let _turn = self.turn().await;
        let begin = now();
        let page = match &contract.scan {
            Some(scan) => self.reader.scan(scan, wanted.after.as_deref(), wanted.limit).await,
            None => Ok(Page { rows: Vec::new(), next: None }),
        };
        let at = Interval::new(begin, now());
        let (ending, page) = match page {
            Ok(page) => (Ending::Answered, page),
            Err(error) => (self.failed(contract, &error), Page { rows: Vec::new(), next: None }),
        };
        let there = page.rows.into_iter().filter(|(_, answer)| !matches!(answer, Ok(Found::Absent)));
        let keys = there.map(|(key, _)| key).collect();
        PageRead { store, map: wanted.map, at, ending, keys, next: page.next }
    }
}
