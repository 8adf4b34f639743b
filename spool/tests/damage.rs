//! Data that is wrong: what is lost is told, the rest is read, and opening never fails.

mod support;

use counterfoil_spool::faulty::{Fault, Faulty, Operation};
use counterfoil_spool::{Cause, Gap, Log, Options};
use std::collections::BTreeSet;
use support::{assert_consistent, entries, entry, filled, open, read_all};

const FIRST: &str = "0000000000000001.seg";

/// Opening leaves the segments as they are.
fn options() -> Options {
    Options { is_durable: false, ..support::options() }
}

/// One segment for all.
fn one_segment() -> Options {
    Options { segment_bytes: 1 << 20, ..options() }
}

/// A log of one closed segment with `count` entries.
fn closed_segment(count: u8) -> (Faulty, Vec<counterfoil_spool::Entry>, Vec<u8>) {
    let (files, appended) = filled(count, &one_segment());
    open(&files, &one_segment());
    let content = files.content(FIRST);
    (files, appended, content)
}

#[test]
fn a_tail_torn_at_any_byte_of_the_last_record_costs_that_record_alone_and_never_its_number() {
    let (files, mut appended, content) = closed_segment(3);
    let record_bytes = 25 + 1 + 7 + 100;
    for length in content.len() - record_bytes..content.len() {
        files.put(FIRST, Some(content[..length].to_vec()));
        let (mut log, recovered) = open(&files, &one_segment());
        let lost = assert_consistent(&log, &recovered, &appended);
        let is_boundary = length == content.len() - record_bytes;
        assert_eq!(lost, if is_boundary { BTreeSet::new() } else { BTreeSet::from([3]) }, "{length} bytes");
        assert!(recovered.gaps.iter().all(|gap| gap.cause == Cause::TornTail));
        assert_eq!(recovered.torn_bytes > 0, !is_boundary);
        appended.push(entry("s", "later", "another"));
        assert_eq!(log.append(&appended[3..]).unwrap().start, recovered.next);
        appended.truncate(3);
        files.put(&format!("{:016x}.seg", recovered.next), None);
    }
}

#[test]
fn a_torn_tail_is_told_again_by_the_next_opening_and_its_number_stays_lost() {
    let (files, _, content) = closed_segment(3);
    files.put(FIRST, Some(content[..content.len() - 1].to_vec()));
    let gap = Gap { numbers: 3..4, cause: Cause::TornTail };
    let (log, recovered) = open(&files, &one_segment());
    assert_eq!((recovered.next, &recovered.gaps), (4, &vec![gap.clone()]));
    drop(log);
    let (mut log, recovered) = open(&files, &one_segment());
    assert_eq!((recovered.next, &recovered.gaps), (4, &vec![gap.clone()]));
    log.append(&entries(1)).unwrap();
    drop(log);
    let (_log, recovered) = open(&files, &one_segment());
    assert_eq!((recovered.next, recovered.gaps), (5, vec![gap]));
}

#[test]
fn a_flipped_bit_anywhere_costs_one_number_and_one_in_the_header_costs_none() {
    let (files, appended, content) = closed_segment(4);
    for bit in 0..content.len() * 8 {
        let mut broken = content.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        files.put(FIRST, Some(broken));
        let (log, recovered) = open(&files, &one_segment());
        let lost = assert_consistent(&log, &recovered, &appended);
        assert_eq!(lost.len(), usize::from(bit / 8 >= 32), "bit {bit}: {lost:?}");
        let is_last = lost.contains(&4);
        assert!(recovered.gaps.iter().all(|gap| (gap.cause == Cause::TornTail) == is_last));
        assert!(!recovered.are_stamps_complete);
        assert_eq!(recovered.next, 5);
    }
}

#[test]
fn a_flipped_bit_in_a_summary_costs_no_number_and_no_stamp_that_is_known_elsewhere() {
    let (files, appended) = filled(12, &options());
    let (log, whole) = open(&files, &options());
    drop(log);
    let names: Vec<String> = files.names().into_iter().filter(|name| name.ends_with(".seg")).collect();
    assert_eq!(names.len(), 4);
    let summary_end = 32 + 25 + 1 + "up to 2".len();
    let content = files.content(&names[1]);
    for bit in 0..summary_end * 8 {
        let mut broken = content.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        files.put(&names[1], Some(broken));
        let (log, recovered) = open(&files, &options());
        assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::new(), "bit {bit}");
        assert_eq!(recovered.stamps, whole.stamps);
        assert!(recovered.are_stamps_complete);
    }
}

#[test]
fn a_broken_summary_of_the_first_segment_is_told() {
    let (files, _) = filled(12, &options());
    let (mut log, _) = open(&files, &options());
    log.trim(5);
    let start = log.reader().from_start().unwrap();
    assert_eq!((start.first, start.is_complete), (4, true));
    assert_eq!(start.stamps.get(&b"s"[..]).map(|stamp| &stamp[..]), Some(&b"up to 2"[..]));
    let name = "0000000000000004.seg";
    let mut content = files.content(name);
    content[40] ^= 1;
    files.put(name, Some(content));
    let start = log.reader().from_start().unwrap();
    assert_eq!((start.first, start.is_complete, start.stamps.len()), (4, false, 0));
}

#[test]
fn zeros_in_the_middle_are_rot_and_not_the_end() {
    let (files, appended, mut content) = closed_segment(6);
    content[200..400].fill(0);
    files.put(FIRST, Some(content));
    let (log, recovered) = open(&files, &one_segment());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::from([2, 3]));
    assert_eq!(recovered.gaps, [Gap { numbers: 2..4, cause: Cause::Rot }]);
}

#[test]
fn a_record_that_begins_with_zeros_is_found_behind_zeros() {
    let files = Faulty::default();
    let (mut log, _) = open(&files, &one_segment());
    let begins_with_zeros = "z".repeat((1 << 16) - 17);
    let appended = [entry("", "", "first"), entry("", "", "second"), entry("", "", &begins_with_zeros)];
    log.append(&appended).unwrap();
    drop(log);
    let mut content = files.content(FIRST);
    let second = 32 + 25 + "first".len();
    content[second..second + 25 + "second".len()].fill(0);
    assert_eq!(content[second + 31..][..4], [0, 0, 1, 0]);
    files.put(FIRST, Some(content));
    let (log, recovered) = open(&files, &one_segment());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::from([2]));
    assert_eq!(recovered.next, 4);
}

#[test]
fn a_missing_segment_is_a_gap() {
    let (files, appended) = filled(12, &options());
    files.put("0000000000000004.seg", None);
    let (log, recovered) = open(&files, &options());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::from([4, 5, 6]));
    assert_eq!(recovered.gaps, [Gap { numbers: 4..7, cause: Cause::MissingSegment }]);
    assert!(recovered.are_stamps_complete, "the next summary has them all");
}

#[test]
fn what_a_later_segment_overrides_may_be_broken() {
    let (files, appended, mut content) = closed_segment(4);
    let (halves, _) = filled(4, &Options { segment_bytes: 300, ..options() });
    let second = "0000000000000003.seg";
    files.put(second, Some(halves.content(second)));
    content[32 + 2 * 133 + 50] ^= 1;
    files.put(FIRST, Some(content));
    let (log, recovered) = open(&files, &one_segment());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::new());
    assert_eq!(recovered.next, 5);
}

#[test]
fn a_segment_that_vanishes_while_it_is_read_is_a_gap() {
    let (files, _) = filled(12, &options());
    let (log, _) = open(&files, &options());
    files.put("0000000000000004.seg", None);
    let (read, gaps) = read_all(&mut log.reader(), 0, 1);
    assert_eq!(gaps, [Gap { numbers: 4..7, cause: Cause::MissingSegment }]);
    assert_eq!(read.len(), 9);
}

#[test]
fn a_record_that_is_carried_in_a_body_is_never_taken_for_an_entry() {
    let (_, _, carried) = closed_segment(3);
    let files = Faulty::default();
    let (mut log, _) = open(&files, &one_segment());
    let carrier = counterfoil_spool::Entry { body: carried.into(), ..Default::default() };
    let appended = [entry("s", "", "first"), carrier, entry("s", "", "last")];
    log.append(&appended).unwrap();
    drop(log);
    let mut content = files.content(FIRST);
    content[32 + 25 + 6 + 2] ^= 1;
    files.put(FIRST, Some(content));
    let (log, recovered) = open(&files, &one_segment());
    assert_eq!(assert_consistent(&log, &recovered, &appended), BTreeSet::from([2]));
}

#[test]
fn a_sector_that_cannot_be_read_costs_what_is_in_it() {
    let options = Options { segment_bytes: 1 << 20, ..options() };
    let (files, appended) = filled(200, &options);
    // The read of the whole window fails, and then the third piece of it.
    files.fail(Operation::Read, 0, Fault::Io);
    files.fail(Operation::Read, 3, Fault::Io);
    let (log, recovered) = open(&files, &options);
    assert_eq!(recovered.next, 201);
    let [gap] = recovered.gaps.as_slice() else { panic!("{:?}", recovered.gaps) };
    assert_eq!(gap.cause, Cause::Rot);
    assert!((30..34).contains(&(gap.numbers.end - gap.numbers.start)), "4 KiB of 134 bytes each");
    assert_eq!(read_all(&mut log.reader(), 0, usize::MAX).0.len(), appended.len(), "it was read again");
}

#[test]
fn a_file_that_cannot_be_opened_for_another_reason_is_an_error_and_not_a_loss() {
    let (files, _) = filled(3, &options());
    files.fail(Operation::Open, 0, Fault::NoDescriptor);
    assert!(Log::open(files.clone(), options()).is_err());
    let (log, _) = open(&files, &options());
    let mut reader = log.reader();
    files.fail(Operation::Open, 0, Fault::NoDescriptor);
    assert!(reader.read(1, usize::MAX).is_err());
    assert_eq!(read_all(&mut reader, 1, usize::MAX).0.len(), 3);
}

#[test]
fn an_empty_segment_and_one_of_nothing_but_noise_do_no_harm() {
    for content in [Vec::new(), vec![0xa5; 3000], vec![0; 3000]] {
        let (files, appended) = filled(3, &one_segment());
        files.put("0000000000000004.seg", Some(content.clone()));
        let (mut log, recovered) = open(&files, &one_segment());
        let is_noise = content.first() == Some(&0xa5);
        assert_eq!(recovered.next, if is_noise { 5 } else { 4 });
        assert_eq!(assert_consistent(&log, &recovered, &appended).len(), usize::from(is_noise));
        assert_eq!(log.append(&entries(1)).unwrap(), recovered.next..recovered.next + 1);
    }
}

#[test]
fn files_with_other_names_are_left_alone() {
    let (files, _) = filled(3, &options());
    files.put("ffffffffffffffff.seg", Some(vec![1, 2, 3]));
    files.put("notes", Some(vec![1, 2, 3]));
    let (log, recovered) = open(&files, &options());
    assert_eq!(recovered.next, 4);
    drop(log);
    assert_eq!(files.content("notes"), [1, 2, 3]);
}
