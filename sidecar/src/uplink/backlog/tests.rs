use super::*;
use crate::uplink::links::trial::sealed;

/// What one batch of the tests takes in memory.
const SIZE: usize = 44 + OVERHEAD_BYTES;

fn batch(at: u64) -> Sealed {
    let mut batch = sealed("a", at, at + 1, b"");
    (batch.batch, batch.events) = (vec![u8::try_from(at % 256).unwrap(); 44].into(), 10);
    batch
}

/// With room for four batches, the first `count` of a spool pushed.
fn backlog(count: u64) -> Backlog {
    let mut backlog = Backlog::new(4 * SIZE, 1, 1);
    (1..=count).for_each(|at| assert_eq!(backlog.push(batch(at), Some(at)), at));
    backlog
}

/// Reads what is wanted from a spool that has lost the entries `gap`; gives how many entries were read.
fn read(backlog: &mut Backlog, gap: Range<u64>) -> usize {
    let Some(wanted) = backlog.wanted() else { return 0 };
    let through = (wanted.entry + 3).min(backlog.written);
    let entries: Vec<_> = (wanted.entry..=through).filter(|entry| !gap.contains(entry)).collect();
    let lost = gap.start.max(wanted.entry)..gap.end.min(through + 1);
    let gaps = [lost];
    backlog.take_read(entries.iter().map(|&entry| (entry, batch(entry))), &gaps);
    entries.len()
}

fn sent(backlog: &mut Backlog) -> Vec<u64> {
    std::iter::from_fn(|| backlog.next_unsent()).map(|upload| upload.number).collect()
}

#[test]
fn a_new_stream_sends_again_what_was_not_acknowledged() {
    let mut backlog = backlog(4);
    assert_eq!(sent(&mut backlog), [1, 2, 3, 4]);
    assert_eq!(backlog.acknowledge(2), 2);
    assert_eq!((backlog.bytes(), backlog.events_beyond(0)), (2 * SIZE, 20));
    assert!(!backlog.has_unsent() && backlog.is_under_way());
    backlog.rewind();
    assert_eq!(sent(&mut backlog), [3, 4]);
    assert_eq!(backlog.acknowledge(1), 0, "an old ack changes nothing");
    assert_eq!(backlog.acknowledge(4), 2);
    assert!(backlog.is_empty() && backlog.accepted_entry() == 4);
}

#[test]
fn what_was_not_sent_cannot_be_acknowledged() {
    let mut backlog = backlog(4);
    backlog.next_unsent();
    assert_eq!(backlog.acknowledge(u64::MAX - 1), 1);
    assert_eq!(sent(&mut backlog), [2, 3, 4]);
}

#[test]
fn the_oldest_are_held_and_the_rest_is_read_when_its_turn_comes() {
    let mut backlog = backlog(4);
    for at in 5..=1_000 {
        backlog.push(batch(at), Some(at));
        backlog.note_written(at);
        assert!(backlog.bytes() <= 5 * SIZE, "{at}");
    }
    let held: Vec<_> = backlog.held.keys().copied().collect();
    assert_eq!(held, [1, 2, 3, 1_000], "the oldest, and the one that was written last");
    let mut numbers = Vec::new();
    while !backlog.is_empty() {
        let before = backlog.bytes();
        assert!(backlog.has_unsent() || read(&mut backlog, 0..0) > 0);
        assert!(before <= 4 * SIZE);
        numbers.extend(sent(&mut backlog));
        backlog.acknowledge(backlog.next - 1);
    }
    assert_eq!(numbers, (1..=1_000).collect::<Vec<_>>());
}

#[test]
fn what_is_not_written_stays_in_memory() {
    let mut backlog = backlog(9);
    assert_eq!(backlog.bytes(), 9 * SIZE);
    assert_eq!(backlog.events_beyond(3), 60);
    backlog.note_written(6);
    assert_eq!(backlog.held.keys().copied().collect::<Vec<_>>(), [1, 7, 8, 9]);
    assert_eq!(sent(&mut backlog), [1]);
    assert_eq!(backlog.wanted().map(|wanted| wanted.entry), Some(2));
}

#[test]
fn what_waits_in_the_queue_of_a_spool_that_fails_takes_no_room_of_what_is_in_memory_alone() {
    let mut backlog = backlog(9);
    assert_eq!(backlog.occupancy(), 0.0);
    for at in 10..=13 {
        assert!(backlog.has_room_for(&batch(at)), "{at}");
        backlog.push(batch(at), None);
    }
    assert!(!backlog.has_room_for(&batch(14)) && backlog.occupancy() == 1.0);
    assert_eq!(backlog.bytes(), 13 * SIZE);
    backlog.note_written(9);
    assert_eq!(sent(&mut backlog), [] as [u64; 0], "the first was let go");
    assert_eq!((read(&mut backlog, 0..0), backlog.acknowledge(9)), (4, 0));
    assert!(!backlog.has_room_for(&batch(14)), "those in memory alone are still there");
}

#[test]
fn batches_that_are_in_memory_alone_keep_their_place_among_the_entries() {
    let mut backlog = backlog(2);
    assert_eq!((backlog.push(batch(3), None), backlog.push(batch(4), None)), (3, 4));
    assert_eq!((backlog.push(batch(5), Some(3)), backlog.push(batch(6), None)), (5, 6));
    assert_eq!(backlog.push(batch(7), Some(4)), 7);
    backlog.note_written(4);
    assert_eq!(backlog.held.keys().copied().collect::<Vec<_>>(), [1, 3, 4, 6], "written ones go");
    assert_eq!((1..=4).map(|entry| backlog.number_of(entry)).collect::<Vec<_>>(), [1, 2, 5, 7]);
    assert_eq!(sent(&mut backlog), [1]);
    assert_eq!(read(&mut backlog, 0..0), 3);
    assert_eq!(sent(&mut backlog), [2, 3, 4, 5, 6, 7]);
    let accepted: Vec<_> = (1..=7)
        .map(|through| {
            backlog.acknowledge(through);
            backlog.accepted_entry()
        })
        .collect();
    assert_eq!(accepted, [1, 2, 2, 2, 3, 3, 4]);
    assert!(backlog.is_empty() && backlog.strays.is_empty());
    assert_eq!(backlog.push(batch(8), Some(5)), 8);
}

#[test]
fn entries_that_are_lost_are_passed_over() {
    let mut backlog = Backlog::new(4 * SIZE, 5, 11);
    assert!(!backlog.has_unsent() && !backlog.is_empty());
    assert_eq!(read(&mut backlog, 3..7), 2);
    assert_eq!((sent(&mut backlog), backlog.accepted()), (vec![7, 8], 6));
    assert_eq!(read(&mut backlog, 10..11), 1);
    assert_eq!(sent(&mut backlog), [9]);
    backlog.acknowledge(8);
    assert_eq!(backlog.accepted(), 8);
    backlog.rewind();
    assert_eq!(sent(&mut backlog), [9]);
    backlog.acknowledge(9);
    assert!(backlog.is_empty(), "nothing follows the last gap");
    assert_eq!(backlog.accepted_entry(), 10);
}
