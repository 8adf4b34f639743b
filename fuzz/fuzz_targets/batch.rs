//! The bytes of an upload's batch become columns, and columns rows.
#![no_main]

use counterfoil_judge::Digest;
use counterfoil_proto::{BatchBuilder, Columns, Row, wire};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(batch) = wire::Batch::decode(input) else { return Corpus::Reject };
    let (count, first_seq, key_bytes) = (batch.count as usize, batch.first_seq, batch.keys.len());
    let print_bytes = batch.field_prints.len();
    // What does not fit together is told, and told in words.
    let columns = match Columns::try_from(batch) {
        Ok(columns) => columns,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Corpus::Keep;
        }
    };
    assert_eq!((columns.len(), columns.rows().count()), (count, count), "a row for each event");
    let (mut keys, mut prints) = (0, 0);
    for ((seq, row), expected) in columns.rows().zip(first_seq..) {
        assert_eq!(seq, expected, "numbers follow each other");
        assert!(row.map < columns.maps().len(), "a map of the dictionary");
        assert!(
            row.cohort.is_none_or(|cohort| cohort < columns.cohorts().len()),
            "a cohort of the dictionary"
        );
        keys += row.key.len();
        prints += row.prints.len();
    }
    assert_eq!(keys, key_bytes, "each byte belongs to one key");
    assert_eq!(prints * 8, print_bytes, "each print belongs to one event");
    assert!(columns.samples().iter().all(|sample| sample.row < count), "samples of its events");
    comes_back(&columns);
    Corpus::Keep
});

/// What was read can be written and is read as the same.
fn comes_back(columns: &Columns) {
    let mut builder = BatchBuilder::default();
    let mut samples = columns.samples().iter().peekable();
    for (at, (_, row)) in columns.rows().enumerate() {
        let map = builder.map(&columns.maps()[row.map]);
        let cohort = row.cohort.map(|cohort| builder.cohort(&columns.cohorts()[cohort]));
        builder.push(&Row { map, cohort, ..row });
        if let Some(sample) = samples.next_if(|sample| sample.row == at) {
            builder.sample(&sample.spellings);
        }
    }
    let bytes = builder.finish(columns.header().clone()).encode_to_vec();
    let batch = wire::Batch::decode(&bytes[..]).expect("what was written is a batch");
    let again = Columns::try_from(batch).expect("and its columns fit together");
    assert_eq!((again.header(), again.samples()), (columns.header(), columns.samples()));
    for ((seq, row), (seq_again, row_again)) in columns.rows().zip(again.rows()) {
        assert_eq!((seq, named(columns, &row)), (seq_again, named(&again, &row_again)));
        let (map, cohort) = (row_again.map, row_again.cohort);
        assert_eq!(Row { map, cohort, ..row }, row_again);
        assert_eq!(row.digest == Digest::ABSENT, row_again.digest == Digest::ABSENT);
    }
}

/// The names that a row's numbers stand for: the dictionaries may be in another order.
fn named<'a>(columns: &'a Columns, row: &Row<'_>) -> (&'a str, Option<&'a str>) {
    (&columns.maps()[row.map], row.cohort.map(|cohort| &*columns.cohorts()[cohort]))
}
