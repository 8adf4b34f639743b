#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use prost::Message;

const DURING: Interval = Interval { begin: Time(1), end: Time(2) };

/// An outbox of frames that cover three numbers each.
fn outbox(frames: u64) -> Outbox {
    let mut outbox = Outbox::new(1_000);
    (0..frames).for_each(|at| push(&mut outbox, at));
    outbox
}

fn push(outbox: &mut Outbox, at: u64) {
    outbox.push_events((at * 3, at * 3 + 3), vec![u8::try_from(at).unwrap(); 10], DURING, Time(0));
}

fn pulse(outbox: &mut Outbox, watermark_ns: u64) {
    outbox.push_heartbeat(9, emit::Heartbeat { next_seq: 9, watermark_ns, ..Default::default() });
}

fn unsent(outbox: &Outbox) -> Vec<u8> {
    outbox.unsent(100, 1_000).iter().flat_map(|piece| piece.to_vec()).collect()
}

#[test]
fn what_was_written_partly_goes_on_where_it_stopped_and_begins_anew_on_a_new_connection() {
    let mut outbox = outbox(3);
    assert_eq!(outbox.unsent(2, 1_000).len(), 2);
    assert_eq!(outbox.unsent(100, 15).iter().map(|piece| piece.len()).sum::<usize>(), 15);
    outbox.advance(15);
    assert_eq!(outbox.sent_through(), 3);
    assert_eq!(unsent(&outbox), [&[1; 5][..], &[2; 10]].concat());
    outbox.rewind();
    assert_eq!(unsent(&outbox).len(), 30);
    outbox.acknowledge(5);
    assert_eq!(unsent(&outbox).len(), 20, "the frame that overlaps goes whole");
}

#[test]
fn a_frame_is_kept_until_all_of_it_is_acknowledged() {
    let mut outbox = outbox(2);
    outbox.advance(5);
    outbox.acknowledge(3);
    assert_eq!(unsent(&outbox).len(), 15, "what was begun goes on");
    outbox.advance(15);
    outbox.acknowledge(2);
    assert!(!outbox.is_empty());
    outbox.rewind();
    assert_eq!(unsent(&outbox).len(), 20);
    outbox.acknowledge(3);
    assert_eq!(unsent(&outbox), [1; 10], "what is safe is not sent again");
    outbox.advance(10);
    outbox.acknowledge(6);
    assert!(outbox.is_empty() && !outbox.has_unsent());
    assert_eq!(outbox.bytes, 0);
}

#[test]
fn only_the_newest_waiting_heartbeat_is_sent_and_none_again() {
    let mut outbox = outbox(1);
    pulse(&mut outbox, 1);
    pulse(&mut outbox, 2);
    let frames = unsent(&outbox);
    let heartbeat = emit::Frame::decode_length_delimited(&frames[10..]).unwrap();
    assert!(matches!(heartbeat.body, Some(Body::Heartbeat(beat)) if beat.watermark_ns == 2));
    outbox.advance(frames.len() - 1);
    pulse(&mut outbox, 3);
    assert!(unsent(&outbox).len() > frames.len() - 10, "a heartbeat that was begun is not replaced");
    outbox.advance(unsent(&outbox).len());
    outbox.rewind();
    assert_eq!(unsent(&outbox), [0; 10]);
}

#[test]
fn frames_fill_the_outbox_and_acknowledgements_empty_it() {
    let mut outbox = outbox(0);
    let mut frames = 0;
    while !outbox.is_full() {
        push(&mut outbox, frames);
        frames += 1;
    }
    assert!(frames > 5 && frames < 100);
    outbox.advance(10 * usize::try_from(frames).unwrap());
    outbox.acknowledge(3);
    assert!(!outbox.is_full());
}

#[test]
fn a_condemned_frame_becomes_a_loss_of_its_numbers() {
    let mut outbox = outbox(3);
    assert_eq!(outbox.condemn(3), 3);
    let frames = unsent(&outbox);
    assert_eq!((&frames[..10], &frames[frames.len() - 10..]), (&[0; 10][..], &[2; 10][..]));
    let body = emit::Frame::decode_length_delimited(&frames[10..]).unwrap().body.unwrap();
    let Body::Heartbeat(heartbeat) = body else { panic!("{body:?}") };
    let loss = &heartbeat.losses[0];
    assert_eq!((loss.first_seq, loss.count, heartbeat.next_seq, loss.begin_ns), (3, 3, 6, 1));
    assert!(loss.buckets.is_empty());
    assert_eq!((outbox.condemn(6), outbox.condemn(6)), (3, 0));
}
