//! What the tests of this crate share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]
#![allow(dead_code, reason = "each test uses a part of it")]

use counterfoil_spool::faulty::Faulty;
use counterfoil_spool::{Entry, Gap, Log, Numbered, Options, Reader, Recovered};
use std::collections::BTreeSet;

/// Small segments, a disk cap far away.
pub(crate) fn options() -> Options {
    Options { segment_bytes: 512, reserve_bytes: 0, is_durable: true, ..Options::default() }
}

/// An entry about `subject`, with a body that names it.
pub(crate) fn entry(subject: &str, stamp: &str, body: &str) -> Entry {
    let bytes = |text: &str| text.as_bytes().to_vec().into();
    Entry { subject: bytes(subject), stamp: bytes(stamp), body: bytes(body), reserved: false }
}

/// `count` entries with bodies of 100 bytes, each of another letter.
pub(crate) fn entries(count: u8) -> Vec<Entry> {
    let body = |n: u8| char::from(b'a' + n % 26).to_string().repeat(100);
    (0..count).map(|n| entry("s", &format!("up to {n}"), &body(n))).collect()
}

/// Opens a log that must open.
pub(crate) fn open(files: &Faulty, options: &Options) -> (Log<Faulty>, Recovered) {
    Log::open(files.clone(), options.clone()).unwrap()
}

/// A log with `count` of [`entries`], closed.
pub(crate) fn filled(count: u8, options: &Options) -> (Faulty, Vec<Entry>) {
    let files = Faulty::default();
    let (mut log, _) = open(&files, options);
    let entries = entries(count);
    for entry in &entries {
        log.append(std::slice::from_ref(entry)).unwrap();
    }
    log.sync().ok();
    (files, entries)
}

/// Everything that a reader finds from `from` on, in pieces of `bytes_max`.
pub(crate) fn read_all(
    reader: &mut Reader<Faulty>,
    from: u64,
    bytes_max: usize,
) -> (Vec<Numbered>, Vec<Gap>) {
    let (mut entries, mut gaps, mut next) = (Vec::new(), Vec::new(), from);
    loop {
        let read = reader.read(next, bytes_max).unwrap();
        if read.next == next && read.entries.is_empty() && read.gaps.is_empty() {
            return (entries, gaps);
        }
        next = read.next;
        entries.extend(read.entries);
        gaps.extend(read.gaps);
    }
}

/// The numbers of gaps.
pub(crate) fn numbers(gaps: &[Gap]) -> BTreeSet<u64> {
    gaps.iter().flat_map(|gap| gap.numbers.clone()).collect()
}

/// Asserts that log and reader tell the same, that what is read is what was appended, and that exactly the numbers between
/// are lost which are not there. Gives those.
pub(crate) fn assert_consistent(
    log: &Log<Faulty>,
    recovered: &Recovered,
    appended: &[Entry],
) -> BTreeSet<u64> {
    let (read, gaps) = read_all(&mut log.reader(), 0, usize::MAX);
    for Numbered { number, entry } in &read {
        assert_eq!(Some(entry), appended.get(usize::try_from(*number).unwrap() - 1), "entry {number}");
    }
    let there: BTreeSet<u64> = read.iter().map(|numbered| numbered.number).collect();
    let missing = (recovered.first..recovered.next).filter(|number| !there.contains(number)).collect();
    assert_eq!(numbers(&recovered.gaps), missing);
    assert_eq!(gaps, recovered.gaps, "the reader tells the same gaps");
    missing
}
