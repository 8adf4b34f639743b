//! The system under test: an application with a map and a store, its emitter, and both processes.

use crate::stores::{Row, Store};
use counterfoil_emitter::{DualWrite, Emitter, Identity, MapEmitter, StoreOutcome};
use counterfoil_tests::summary::{StoreSummary, Summary};
use counterfoil_tests::{Harness, Setup, wait};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// The map that all processes share, and the one of which each has a copy.
pub(crate) const SHARED: &str = "cart";
pub(crate) const COPIES: &str = "copies";

/// Both maps' deadline, and their patience.
const DEADLINE_MS: u32 = 400;

/// The application: the process that is tested, and another one.
pub(crate) struct System {
    pub(crate) harness: Harness,
    pub(crate) store: Store,
    own: Process,
    other: Process,
    /// The newest row of each key, and the one before it.
    pub(crate) newest: HashMap<String, Row>,
    pub(crate) before: HashMap<String, Row>,
    /// Writes that were reported.
    pub(crate) events: u64,
    numbers: u32,
}

/// One process of the application.
pub(crate) struct Process {
    shared: MapEmitter,
    copies: MapEmitter,
    _emitter: Emitter,
}

impl Process {
    fn start(harness: &Harness, instance: &str) -> Self {
        let identity = Identity { instance: instance.to_owned(), ..Identity::new("cart") };
        let emitter = Emitter::connect(harness.socket(), identity).expect("an emitter");
        Self { shared: emitter.map(SHARED), copies: emitter.map(COPIES), _emitter: emitter }
    }
}

/// Two writes of one key at the same time: which of them the store took last.
#[derive(Clone, Copy)]
pub(crate) enum Lands {
    InOrder,
    Inverted,
}

impl System {
    /// A system in which everything is well.
    pub(crate) fn start(store: Store) -> Self {
        let maps = [(SHARED, "shared"), (COPIES, "process")];
        let contracts = maps.map(|(map, scope)| store.contract(map, scope, DEADLINE_MS));
        let harness = Setup::new()
            .comparator("/stores/main", store.section())
            .comparator("/maps", contracts.as_slice().into())
            .comparator("/probe", json!({ "gap_ms_max": 200 }))
            .comparator("/sweep", json!({ "keys_every_s": 1 }))
            .sidecar("/maps", json!(maps.map(|(name, _)| json!({ "name": name }))))
            .start();
        let [own, other] = ["own", "other"].map(|instance| Process::start(&harness, instance));
        Self {
            harness,
            store,
            own,
            other,
            newest: HashMap::new(),
            before: HashMap::new(),
            events: 0,
            numbers: 0,
        }
    }

    /// A row that was never written before.
    fn fresh(&mut self) -> Row {
        self.numbers += 1;
        Row { value: format!("value {}", self.numbers), version: Some(self.numbers) }
    }

    /// A new value in map and store.
    pub(crate) fn put(&mut self, key: &str) {
        self.put_while(key, |_| None);
    }

    /// The same, but before the call of the store returns somebody else writes there what `meddle` makes of the row.
    pub(crate) fn put_while(&mut self, key: &str, meddle: impl FnOnce(&Row) -> Option<Row>) {
        let row = self.fresh();
        let mut write = self.begin(key, &row);
        write.store_began();
        self.store.server.set(key, Some(&row));
        if let Some(strange) = meddle(&row) {
            self.store.server.set(key, Some(&strange));
        }
        write.store_ended(StoreOutcome::Ok);
    }

    /// A put of which the store is not told, though the application believes that it ended so.
    pub(crate) fn put_without_store(&mut self, key: &str, outcome: StoreOutcome) {
        let row = self.fresh();
        let mut write = self.begin(key, &row);
        write.store_began();
        write.store_ended(outcome);
    }

    fn begin(&mut self, key: &str, row: &Row) -> DualWrite {
        self.take(key, row);
        begin(&self.own.shared, key, row)
    }

    /// Notes that a write of this row is reported.
    fn take(&mut self, key: &str, row: &Row) {
        self.events += 1;
        if let Some(before) = self.newest.insert(key.to_owned(), row.clone()) {
            self.before.insert(key.to_owned(), before);
        }
    }

    /// A remove in map and store.
    pub(crate) fn remove(&mut self, key: &str) {
        let server = &mut self.store.server;
        let done: Result<(), ()> = self.own.shared.dual_write_remove(
            key,
            || self.newest.remove(key),
            || {
                server.set(key, None);
                Ok(())
            },
        );
        done.expect("the store took it");
        self.events += 1;
    }

    /// A remove of which the store is not told, though the application believes so.
    pub(crate) fn remove_without_store(&mut self, key: &str) {
        let done: Result<(), ()> =
            self.own.shared.dual_write_remove(key, || self.newest.remove(key), || Ok(()));
        done.expect("nothing was done");
        self.events += 1;
    }

    /// Two writes at the same time, whose order the map knows.
    pub(crate) fn put_twice(&mut self, key: &str, lands: Lands) {
        let (first, second) = (self.fresh(), self.fresh());
        let mut writes = [self.begin(key, &first), self.begin(key, &second)];
        for (write, order) in writes.iter_mut().zip(1..) {
            write.order(order);
            write.store_began();
        }
        let rows = match lands {
            Lands::InOrder => [&first, &second],
            Lands::Inverted => [&second, &first],
        };
        rows.into_iter().for_each(|row| self.store.server.set(key, Some(row)));
        writes.iter_mut().for_each(|write| write.store_ended(StoreOutcome::Ok));
    }

    /// A put by the own process into its own copy and the store.
    pub(crate) fn put_own_copy(&mut self, key: &str) {
        let copies = self.own.copies.clone();
        self.put_copy(&copies, key);
    }

    /// A put by the other process into its own copy and the store.
    pub(crate) fn put_other_copy(&mut self, key: &str) {
        let copies = self.other.copies.clone();
        self.put_copy(&copies, key);
    }

    fn put_copy(&mut self, copies: &MapEmitter, key: &str) {
        let row = self.fresh();
        self.take(key, &row);
        let mut write = begin(copies, key, &row);
        write.store_began();
        self.store.server.set(key, Some(&row));
        write.store_ended(StoreOutcome::Ok);
    }

    /// The own process's copy follows what the store holds.
    pub(crate) fn follow(&mut self, key: &str) {
        let row = self.newest.get(key).expect("the store holds something");
        self.own.copies.fill(key, &row.value);
        self.events += 1;
    }

    /// Somebody gives the store what the map holds.
    pub(crate) fn mend(&mut self, key: &str) {
        self.store.server.set(key, self.newest.get(key));
    }

    /// Waits until every event has its outcome.
    pub(crate) fn settled(&self) -> Summary {
        self.harness.settled(self.events)
    }

    /// Writes one key after the other, on both sides, until the summary is as wanted.
    pub(crate) fn write_until(&mut self, what: &str, is_so: impl Fn(&Summary) -> bool) -> Summary {
        wait::until(what, || {
            self.numbers += 1;
            self.put(&format!("key {}", self.numbers));
            Some(self.harness.summary()).filter(|summary| is_so(summary))
        })
    }

    /// The end of a test: the processes of the application leave, then those under test.
    pub(crate) fn finish(self) {
        let Self { harness, own, other, store, .. } = self;
        drop([own, other]);
        harness.finish();
        drop(store);
    }

    /// The divergences that were confirmed, as key and kind; by and by that must be all that there are.
    pub(crate) fn found(&self, expected: usize) -> BTreeSet<(String, String)> {
        let divergences = wait::within(wait::PATIENCE, || {
            let all = self.harness.divergences();
            let is_confirmed = |it: &Value| text(it, "state") == "confirmed";
            (all.len() >= expected && all.iter().all(is_confirmed)).then_some(all)
        });
        let all = divergences.unwrap_or_else(|| panic!("{:#?}", self.harness.divergences()));
        all.iter().map(|it| (text(it, "key"), text(it, "kind"))).collect()
    }
}

/// Begins a write whose map leg is over.
fn begin(map: &MapEmitter, key: &str, row: &Row) -> DualWrite {
    let mut write = map.begin_put(key, &row.value);
    row.version.iter().for_each(|version| write.version((*version).into()));
    write.map(|| {});
    write
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key} in {object}")).to_owned()
}

/// The state of the store, and why it is down.
pub(crate) fn store(summary: &Summary) -> (&str, Option<&str>) {
    let [StoreSummary { state, reason, .. }] = &summary.stores[..] else { panic!("{summary:?}") };
    (state, reason.as_deref())
}
