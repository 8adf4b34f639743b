//! A spool whose directory holds one arbitrary segment, and perhaps an arbitrary cursor: open, read, append, open again.
//!
//! The input is a byte of flags, the first number of the segment as its name tells it, and the segment. Hardly any input
//! would have a right checksum, so one of the flags mends those of the header and of all records that follow each other:
//! what is behind the checksum is to be tried too.
#![no_main]

use counterfoil_spool::faulty::Faulty;
use counterfoil_spool::{
    BODY_BYTES_MAX, Entry, Gap, Log, Numbered, Options, Reader, Recovered, STAMP_BYTES_MAX, SUBJECT_BYTES_MAX,
};
use libfuzzer_sys::{Corpus, fuzz_target};

const DURABLE: u8 = 1;
const MENDED: u8 = 2;
const WITH_CURSOR: u8 = 4;

const HEADER_BYTES: usize = 32;

/// Of a record, before what its checksum covers.
const LENGTH_AND_CRC_BYTES: usize = 8;

const SUBJECTS_MAX: usize = 8;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&[flags, first], segment)) = input.split_first_chunk() else { return Corpus::Reject };
    let first = u64::from(first).max(1);
    let mut segment = segment.to_vec();
    if flags & MENDED != 0 {
        mend(first, &mut segment);
    }
    let files = Faulty::default();
    if flags & WITH_CURSOR != 0 {
        files.put("cursor", Some(segment.clone()));
    }
    files.put(&format!("{first:016x}.seg"), Some(segment));
    let options = Options {
        segment_bytes: 512,
        reserve_bytes: 0,
        subjects_max: SUBJECTS_MAX,
        is_durable: flags & DURABLE != 0,
        ..Options::default()
    };
    live(&files, &options);
    Corpus::Keep
});

/// Opens, appends, opens again: what was there is there again, and what was appended besides.
fn live(files: &Faulty, options: &Options) {
    let (mut log, recovered) = open(files, options);
    let before = everything(&mut log.reader(), 64);
    holds(&recovered, &before);
    let added =
        Entry { subject: b"s"[..].into(), stamp: b"t"[..].into(), body: b"b"[..].into(), reserved: false };
    let numbers = log.append(&[added.clone(), added.clone()]).expect("there is room");
    assert_eq!(numbers, recovered.next..recovered.next + 2, "numbers go on");
    drop(log);
    let (log, recovered) = open(files, options);
    assert_eq!(recovered.next, numbers.end);
    assert_eq!(recovered.stamps.get(&added.subject), Some(&added.stamp));
    let after = everything(&mut log.reader(), usize::MAX);
    holds(&recovered, &after);
    let kept = after.entries.iter().filter(|it| it.number < numbers.start);
    assert!(kept.eq(before.entries.iter()), "what was read is read again");
    let new: Vec<_> = after.entries.iter().filter(|it| it.number >= numbers.start).collect();
    assert!(new.len() == 2 && new.iter().all(|it| it.entry == added), "what was appended is read");
}

fn open(files: &Faulty, options: &Options) -> (Log<Faulty>, Recovered) {
    Log::open(files.clone(), options.clone()).expect("data that is wrong is no error")
}

/// What a reader found, and the number after.
struct Found {
    entries: Vec<Numbered>,
    gaps: Vec<Gap>,
    next: u64,
}

/// Reads from the beginning, in pieces of `bytes_max`.
fn everything(reader: &mut Reader<Faulty>, bytes_max: usize) -> Found {
    let mut found = Found { entries: Vec::new(), gaps: Vec::new(), next: 0 };
    loop {
        let read = reader.read(found.next, bytes_max).expect("files in memory can be read");
        let is_end = read.next == found.next && read.entries.is_empty() && read.gaps.is_empty();
        found.next = read.next;
        found.entries.extend(read.entries);
        found.gaps.extend(read.gaps);
        if is_end {
            return found;
        }
    }
}

/// Each number from the first to the next is an entry or lost, once; nothing is larger than its bound.
fn holds(recovered: &Recovered, found: &Found) {
    assert_eq!(found.gaps, recovered.gaps, "the reader tells what recovery told");
    assert!(recovered.stamps.len() <= SUBJECTS_MAX);
    let entries = found.entries.iter().map(|it| it.number..it.number + 1);
    let mut told: Vec<_> = entries.chain(found.gaps.iter().map(|gap| gap.numbers.clone())).collect();
    told.sort_unstable_by_key(|numbers| numbers.start);
    let mut next = recovered.first;
    for numbers in told {
        assert!(numbers.start == next && numbers.end > next, "{numbers:?} after {next}");
        next = numbers.end;
    }
    assert_eq!(next, recovered.next, "up to the end");
    assert!(found.entries.is_sorted_by_key(|it| it.number), "in their order");
    for Numbered { entry, .. } in &found.entries {
        assert!(entry.subject.len() <= SUBJECT_BYTES_MAX && entry.stamp.len() <= STAMP_BYTES_MAX);
        assert!(entry.body.len() <= BODY_BYTES_MAX);
    }
}

/// Makes the checksums right: of the header, and of each record where the one before it ends.
fn mend(first: u64, segment: &mut [u8]) {
    if let Some(header) = segment.get_mut(..HEADER_BYTES) {
        header[..12].copy_from_slice(b"CFSPOOL\0\x01\0\0\0");
        header[12..20].copy_from_slice(&first.to_le_bytes());
        let crc = crc32c::crc32c(&header[..28]);
        header[28..].copy_from_slice(&crc.to_le_bytes());
    }
    let mut at = HEADER_BYTES;
    while let Some(record) = segment.get_mut(at..).filter(|rest| rest.len() > LENGTH_AND_CRC_BYTES) {
        let length = u32::from_le_bytes([record[0], record[1], record[2], record[3]]) as usize;
        let Some(counted) = record.get(LENGTH_AND_CRC_BYTES..LENGTH_AND_CRC_BYTES + length) else { return };
        let place = [first.to_le_bytes(), (at as u64).to_le_bytes()].concat();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&place), counted);
        record[4..8].copy_from_slice(&crc.to_le_bytes());
        at += LENGTH_AND_CRC_BYTES + length;
    }
}
