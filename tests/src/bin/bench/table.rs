//! What the comparator's key table costs with a million keys in it.

use crate::cpu::cpu_ns_of;
use crate::crowd::{Crowd, Form};
use crate::report::{Figure, Section};
use counterfoil_comparator::table::Arrival;
use counterfoil_judge::Write;
use hashbrown::HashTable;

/// Bytes of a key.
const KEY_BYTES: usize = 12;
const FORM: Form = Form { keys: 1_000_000, key_bytes: KEY_BYTES, traced: false };

/// Runs a million keys through a table: each is written and confirmed three times.
pub(crate) fn section() -> Section {
    let mut crowd = Crowd::new(FORM);
    let [first, second, third] = [(); 3].map(|()| (crowd.write(), crowd.confirm()));
    drop(crowd);
    let floor = floor_ns_per_event();
    let ns = |what, ns| Figure::plain(what, ns, "ns", 0);
    Section {
        title: "The key table with 1,000,000 keys",
        figures: vec![
            Figure::plain("third event of a key, as a multiple of the floor", third.0 / floor, "x", 2),
            ns("third event of a key, the others confirmed", third.0),
            ns("second event of a key, the first one confirmed", second.0),
            ns("first event of a key, while the table grows", first.0),
            ns("floor: replace a key's write in a hash table", floor),
            ns("probe of a key with one write: taken, looked, judged", first.1),
            ns("probe of a key with a second write: taken, looked, judged", second.1),
            ns("probe of a key with a third write: taken, looked, judged", third.1),
        ],
    }
}

/// One key of the floor.
struct Row {
    hash: u64,
    key: [u8; KEY_BYTES],
    write: Write,
}

impl Row {
    fn new(arrival: Arrival<'_>) -> Self {
        let key = arrival.key.try_into().expect("the key has its length");
        Self { hash: arrival.hash, key, write: arrival.write }
    }
}

/// CPU time per event of a table that knows the last write of each key and does nothing with it, in nanoseconds.
fn floor_ns_per_event() -> f64 {
    let mut rows = HashTable::new();
    let mut spent = 0.0;
    FORM.each_batch(1, |arrivals| arrivals.into_iter().for_each(|arrival| put(&mut rows, arrival)));
    FORM.each_batch(2, |arrivals| {
        spent += cpu_ns_of(|| arrivals.into_iter().for_each(|arrival| put(&mut rows, arrival)));
    });
    assert_eq!(rows.len() as u64, FORM.keys, "each key stands there once");
    spent / FORM.keys as f64
}

fn put(rows: &mut HashTable<Row>, arrival: Arrival<'_>) {
    match rows.find_mut(arrival.hash, |row| row.key == arrival.key) {
        Some(row) => row.write = arrival.write,
        None => {
            rows.insert_unique(arrival.hash, Row::new(arrival), |row| row.hash);
        }
    }
}
