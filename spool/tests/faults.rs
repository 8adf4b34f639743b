//! Disks that are full or fail, and bounds.

mod support;

use counterfoil_spool::faulty::{Fault, Faulty, Operation};
use counterfoil_spool::{
    AppendError, BODY_BYTES_MAX, CursorError, Entry, Files, Log, OpenError, Options, SyncError,
};
use std::collections::BTreeSet;
use support::{assert_consistent, entries, entry, filled, open, options, read_all};

#[test]
fn a_failed_write_seals_the_segment_and_says_how_many_entries_made_it() {
    let files = Faulty::default();
    let (mut log, _) = open(&files, &options());
    let appended = entries(3);
    log.append(&appended[..1]).unwrap();
    // One record of 133 bytes and a part of the next.
    files.fail(Operation::Write, 0, Fault::Short(140));
    let Err(AppendError::Io { written, .. }) = log.append(&appended[1..]) else { panic!("the disk failed") };
    assert_eq!((written, log.next()), (1, 3));
    let creations = files.calls(Operation::Create);
    assert_eq!(log.append(&appended[2..]).unwrap(), 3..4);
    assert_eq!(files.calls(Operation::Create), creations + 1, "the segment is not written again");
    drop(log);
    let (log, recovered) = open(&files, &options());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::new());
    assert_eq!(recovered.next, 4);
}

#[test]
fn a_full_disk_is_told_and_writing_goes_on_when_there_is_room() {
    let files = Faulty::default();
    files.set_capacity(1000);
    let (mut log, _) = open(&files, &options());
    let appended = entries(12);
    let Err(AppendError::Io { written, source }) = log.append(&appended) else { panic!("the disk is full") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    assert!(written > 3, "{written}");
    assert!(log.append(&appended[written..]).is_err());
    files.set_capacity(u64::MAX);
    log.append(&appended[written..]).unwrap();
    drop(log);
    let (log, recovered) = open(&files, &options());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::new());
    assert_eq!(recovered.next, 13);
}

#[test]
fn a_failed_sync_writes_the_entries_again_to_a_new_segment() {
    let files = Faulty::default();
    let (mut log, _) = open(&files, &options());
    let appended = entries(3);
    log.append(&appended[..1]).unwrap();
    assert_eq!(log.sync().unwrap(), 1);
    log.append(&appended[1..]).unwrap();
    files.fail(Operation::Sync, 0, Fault::Io);
    assert_eq!(log.sync().unwrap(), 3, "the second file could be synced");
    let reader = &mut log.reader();
    assert_eq!(read_all(reader, 1, 1).0.len(), 3);
    drop(log);
    for seed in 0..20 {
        let copy = Faulty::default();
        files.names().iter().for_each(|name| copy.put(name, Some(files.content(name))));
        copy.cut_power(seed);
    }
    files.cut_power(1);
    let (log, recovered) = open(&files, &options());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::new());
    assert_eq!(recovered.next, 4);
    assert!(files.names().contains(&"0000000000000002.seg".to_owned()));
}

#[test]
fn a_failed_sync_of_a_whole_segment_replaces_it() {
    let files = Faulty::default();
    let (mut log, _) = open(&files, &options());
    let appended = entries(2);
    log.append(&appended).unwrap();
    files.fail(Operation::Sync, 0, Fault::Io);
    files.fail(Operation::Create, 0, Fault::NoSpace);
    assert!(matches!(log.sync(), Err(SyncError::Io { .. })), "neither the old file nor a new one");
    assert_eq!(read_all(&mut log.reader(), 1, usize::MAX).0.len(), 2, "it can still be read");
    assert_eq!(log.sync().unwrap(), 2);
    drop(log);
    files.cut_power(0);
    let (log, recovered) = open(&files, &options());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::new());
    assert_eq!(files.names(), ["0000000000000001.seg"]);
}

#[test]
fn what_a_durable_log_recovers_is_on_disk_also_before_a_torn_tail() {
    for seed in 0..50 {
        let files = Faulty::default();
        let (mut log, _) = open(&files, &Options { is_durable: false, ..options() });
        let appended = entries(2);
        log.append(&appended).unwrap();
        let file = files.open("0000000000000001.seg").unwrap();
        files.write_at(&file, &[0xa5; 10], log.used_bytes()).unwrap();
        drop(log);
        assert_eq!(open(&files, &options()).1.durable, 3);
        files.cut_power(seed);
        let (log, recovered) = open(&files, &options());
        assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::from([3]), "seed {seed}");
        assert_eq!(recovered.next, 4);
    }
}

#[test]
fn what_is_reserved_may_use_the_reserve_and_what_is_not_may_not() {
    let files = Faulty::default();
    let options = Options { disk_bytes_max: 1000, reserve_bytes: 300, ..options() };
    let (mut log, _) = open(&files, &options);
    let Err(AppendError::Full { written }) = log.append(&entries(20)) else { panic!("there is a cap") };
    assert!(log.used_bytes() <= 700 && log.used_bytes() > 500, "{}", log.used_bytes());
    let loss = Entry { reserved: true, ..entry("s", "lost", "12 events") };
    log.append(std::slice::from_ref(&loss)).unwrap();
    assert!(matches!(log.append(&entries(1)), Err(AppendError::Full { written: 0 })));
    while log.append(std::slice::from_ref(&loss)).is_ok() {}
    assert!(log.used_bytes() <= 1000 && log.used_bytes() > 900, "{}", log.used_bytes());
    assert!(log.next() > u64::try_from(written).unwrap() + 2);
    log.trim(log.next());
    log.append(&entries(1)).unwrap();
}

#[test]
fn a_cap_below_one_segment_is_no_dead_end() {
    let files = Faulty::default();
    let options = Options { disk_bytes_max: 600, segment_bytes: 1 << 20, ..options() };
    let (mut log, _) = open(&files, &options);
    for _ in 0..20 {
        let Err(AppendError::Full { .. }) = log.append(&entries(20)) else { panic!("there is a cap") };
        log.trim(log.next());
        assert!(log.used_bytes() < 150);
    }
    let start = log.reader().from_start().unwrap();
    assert_eq!((start.first, start.stamps.len()), (log.next(), 1), "the stamp outlived its entries");
}

#[test]
fn what_is_preallocated_stays_within_the_cap() {
    let files = Faulty::default();
    files.set_capacity(700);
    let options = Options { disk_bytes_max: 700, segment_bytes: 500, ..options() };
    let (mut log, _) = open(&files, &options);
    assert!(matches!(log.append(&entries(20)), Err(AppendError::Full { .. })), "it never meets the real end");
}

#[test]
fn trimming_removes_whole_segments_and_keeps_the_last() {
    let (files, _) = filled(12, &options());
    let (mut log, recovered) = open(&files, &options());
    assert_eq!(recovered.first, 1);
    log.trim(6);
    assert_eq!(log.reader().from_start().unwrap().first, 4);
    log.trim(1000);
    drop(log);
    let (log, recovered) = open(&files, &options());
    assert_eq!((recovered.next, recovered.first), (13, 13), "numbers go on");
    assert_eq!(recovered.stamps.get(&b"s"[..]).map(|stamp| &stamp[..]), Some(&b"up to 11"[..]));
    drop(log);
}

#[test]
fn a_segment_is_removed_only_once_the_stamps_behind_it_are_on_disk() {
    for seed in 0..50 {
        let (files, _) = filled(12, &options());
        let (mut log, _) = open(&files, &options());
        log.append(&entries(1)).unwrap();
        log.trim(13);
        drop(log);
        files.cut_power(seed);
        let (_log, recovered) = open(&files, &options());
        assert!(recovered.are_stamps_complete && recovered.stamps.len() == 1, "seed {seed}");
    }
}

#[test]
fn stamps_that_stand_in_an_empty_segment_alone_outlive_the_segment_that_replaces_it() {
    for seed in 0..50 {
        let (files, _) = filled(2, &options());
        let (mut log, _) = open(&files, &options());
        log.trim(3);
        drop(log);
        assert_eq!(open(&files, &options()).1.first, 3, "the segment is empty");
        let (mut log, _) = open(&files, &options());
        log.append(&[entry("other", "x", "")]).unwrap();
        drop(log);
        files.cut_power(seed);
        let (_log, recovered) = open(&files, &options());
        assert!(recovered.are_stamps_complete && recovered.stamps.contains_key(&b"s"[..]), "seed {seed}");
    }
}

#[test]
fn subjects_are_bounded() {
    let files = Faulty::default();
    let options = Options { subjects_max: 3, ..options() };
    let (mut log, _) = open(&files, &options);
    let appended: Vec<Entry> = (0..30).map(|n| entry(&format!("s{n:02}"), "x", "")).collect();
    log.append(&appended).unwrap();
    drop(log);
    let (_log, recovered) = open(&files, &options);
    let subjects: Vec<_> = recovered.stamps.keys().map(|subject| &subject[..]).collect();
    assert_eq!(subjects, [b"s27", b"s28", b"s29"]);
}

#[test]
fn what_is_too_long_is_refused_and_nothing_of_its_group_is_written() {
    let (mut log, _) = open(&Faulty::default(), &options());
    let large = Entry { body: vec![0; BODY_BYTES_MAX + 1].into(), ..Entry::default() };
    assert!(matches!(log.append(&[Entry::default(), large.clone()]), Err(AppendError::TooLarge(_))));
    let largest = Entry { body: large.body.slice(1..), ..Entry::default() };
    assert_eq!(log.append(std::slice::from_ref(&largest)).unwrap(), 1..2);
    assert_eq!(log.reader().read(1, 1).unwrap().entries[0].entry, largest);
    assert!(matches!(log.set_cursor(&vec![0; 1 << 20], false), Err(CursorError::TooLarge { .. })));
}

#[test]
fn a_rotten_cursor_is_none_and_a_failed_one_leaves_the_old() {
    let files = Faulty::default();
    let (mut log, recovered) = open(&files, &options());
    assert_eq!(recovered.cursor, None);
    log.set_cursor(b"one", false).unwrap();
    files.fail(Operation::Write, 0, Fault::Short(5));
    assert!(log.set_cursor(b"two", false).is_err());
    drop(log);
    let (log, recovered) = open(&files, &options());
    assert_eq!(recovered.cursor.as_deref(), Some(&b"one"[..]));
    drop(log);
    let mut content = files.content("cursor");
    content[21] ^= 4;
    files.put("cursor", Some(content));
    assert_eq!(open(&files, &options()).1.cursor, None);
}

#[test]
fn a_log_is_open_once() {
    let files = Faulty::default();
    let (log, _) = open(&files, &options());
    assert!(matches!(Log::open(files.clone(), options()), Err(OpenError::Locked)));
    let reader = log.reader();
    drop(log);
    open(&files, &options());
    drop(reader);
}

#[test]
fn reading_on_does_not_begin_anew() {
    let options = Options { segment_bytes: 4 << 20, ..options() };
    let files = Faulty::default();
    let (mut log, _) = open(&files, &options);
    let body = vec![7; 10_000];
    let appended = vec![Entry { body: body.into(), ..Entry::default() }; 1000];
    log.append(&appended).unwrap();
    let (reads, opened) = (files.calls(Operation::Read), files.calls(Operation::Open));
    let (read, _) = read_all(&mut log.reader(), 1, 10_000);
    assert_eq!(read.len(), 1000);
    assert_eq!(files.calls(Operation::Open) - opened, 3, "each segment once");
    let reads = files.calls(Operation::Read) - reads;
    assert!(reads <= 20, "{reads} reads of 1 MiB for 10 MB");
}

#[test]
fn a_reader_follows_the_writer_and_survives_trimming() {
    let files = Faulty::default();
    let (mut log, _) = open(&files, &options());
    let appended = entries(26);
    let mut reader = log.reader();
    let mut next = 1;
    for (index, entry) in appended.iter().enumerate() {
        log.append(std::slice::from_ref(entry)).unwrap();
        let read = reader.read(next, usize::MAX).unwrap();
        assert_eq!(read.entries.len(), 1);
        assert_eq!((&read.entries[0].entry, read.entries[0].number), (entry, index as u64 + 1));
        next = read.next;
        log.trim(next);
    }
    let late = log.reader().read(1, usize::MAX).unwrap();
    assert!(late.gaps.is_empty(), "what was trimmed is not lost");
    assert!(late.entries.len() < 4 && late.next == 27);
}
