//! Attacks on the comparator's port by somebody without a key.

use crate::house::{House, MEMORY_MIB_MAX};
use counterfoil_tests::h2::{self, Connection, Frame, kind};
use counterfoil_tests::{skipped, wait};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

const REFUSED_PEERS: &str = "counterfoil_receiver_refused_peers_total";

/// A request for the intake.
const REQUEST: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/counterfoil.v1.Intake/Stream"),
    (":authority", "comparator"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
];

fn call(house: &House) -> TcpStream {
    TcpStream::connect(("127.0.0.1", house.harness.setup().grpc_port())).expect("the comparator listens")
}

/// As many of `wanted` connections as this process may have; says so where that is fewer.
fn within_descriptors(wanted: usize) -> usize {
    const FOR_THE_REST: u64 = 500;
    let limit = getrlimit(Resource::Nofile);
    // Where this may not be raised, what there is has to do.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
    let allowed = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |descriptors| {
        usize::try_from(descriptors.saturating_sub(FOR_THE_REST)).unwrap_or(usize::MAX)
    });
    if allowed < wanted {
        skipped("idle connections", &format!("{allowed} of {wanted}: ulimit -n allows no more"));
    }
    wanted.min(allowed)
}

#[test]
fn ten_thousand_idle_connections_are_given_up_and_keep_nobody_out() {
    let count = within_descriptors(10_000);
    let mut house = House::with(|setup| setup.comparator("/limits/handshake_timeout_ms", json!(500)));
    let idle: Vec<_> = (0..count).map(|_| call(&house)).collect();
    house.is_served();
    wait::until("all were given up", || {
        (house.harness.comparator_metric(REFUSED_PEERS, &[]) >= count as f64).then_some(())
    });
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    house.start_over_the_sidecar();
    drop(idle);
    house.goes_on();
}

#[test]
fn callers_that_say_hello_and_no_more_take_every_place_but_no_memory_and_cut_nobody_off() {
    const PLACES: usize = 1_000;
    let places = within_descriptors(PLACES + 100);
    let house = House::with(|setup| setup.comparator("/limits/connections_max", json!(PLACES)));
    let mut callers: Vec<_> = (0..places).map(|_| call(&house)).collect();
    for caller in &mut callers {
        // Who came too late for a place is cut off already.
        caller.write_all(h2::PREFACE).ok();
    }
    let full = ["reason=\"full\""];
    wait::until("no more places", || {
        (house.harness.comparator_metric(REFUSED_PEERS, &full) > 0.0).then_some(())
    });
    house.is_served();
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    drop(callers);
    assert_eq!(house.goes_on().undetermined, 0);
}

#[test]
fn a_caller_that_opens_and_resets_streams_without_end_is_cut_off() {
    const STREAMS: u32 = 200_000;
    const ENHANCE_YOUR_CALM: u32 = 11;
    let house = House::new();
    let mut caller = Connection::open(house.harness.setup().grpc_port());
    let mut answers = caller.again();
    let heard = thread::spawn(move || answers.find_map(|it| it.goaway_code()));
    let pair = |stream| [Frame::headers(stream, &REQUEST).bytes(), Frame::reset(stream).bytes()].concat();
    let numbers: Vec<_> = (1..STREAMS).step_by(2).collect();
    let many =
        numbers.chunks(50).map(|streams| streams.iter().flat_map(|stream| pair(*stream)).collect::<Vec<_>>());
    let taken = many.take_while(|bytes| caller.write(bytes).is_ok()).count() * 50;
    assert!(taken < numbers.len(), "{taken} resets were taken");
    assert_eq!(heard.join().expect("frames"), Some(ENHANCE_YOUR_CALM));
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    assert_eq!(house.goes_on().undetermined, 0);
}

/// Zeros, compressed as far as gzip can: 158 of them to a byte, so many bytes in all.
fn bomb(bytes: usize) -> Vec<u8> {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // In the fixed code, from the first bit on: the last block, of this code; a zero; then again and again "258 bytes as the
    // one before" in 13 bits.
    const BEGIN: &str = "11000110000";
    const REPEAT: &str = "1100010100000";
    let bits = BEGIN.bytes().chain(REPEAT.bytes().cycle()).map(|bit| bit - b'0');
    let mut bits = bits.take((bytes - HEAD.len()) * 8);
    let packed = std::iter::from_fn(|| {
        let first = bits.next()?;
        Some((1..8).fold(first, |byte, at| byte | bits.next().unwrap_or(0) << at))
    });
    HEAD.into_iter().chain(packed).collect()
}

/// The trailers with which the comparator ends a stream when the message has begun. The rest is sent after them.
fn answered(house: &House, headers: &[(&str, &str)], message: &[u8]) -> Vec<u8> {
    const BEGINNING_BYTES: usize = 10_000;
    let (beginning, rest) = message.split_at_checked(BEGINNING_BYTES).expect("a long message");
    let mut caller = Connection::open(house.harness.setup().grpc_port());
    assert!(caller.any(|frame| frame.kind == kind::WINDOW_UPDATE), "a window for a long message");
    caller.write(&Frame::headers(1, headers).bytes()).expect("the request is read");
    caller.data(1, beginning).expect("the message is read");
    let end = caller.find(|it| it.kind == kind::HEADERS && it.flags & h2::END_STREAM != 0);
    // The connection may be over too by now.
    caller.data(1, rest).ok();
    end.expect("the stream is ended").payload
}

#[test]
fn messages_that_claim_to_be_compressed_are_refused_and_never_inflated() {
    /// Half a gigabyte when inflated, and less than the longest message.
    const BOMB_BYTES: usize = 3 << 20;
    /// `grpc-status` as HPACK writes it, behind its length; 12 says that this is not implemented.
    const STATUS: &[u8] = &[0x88, 0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f];
    const UNIMPLEMENTED: &[u8] = &[0x82, 0x08, 0xbf];
    let house = House::new();
    let batches = || house.harness.comparator_metric("counterfoil_receiver_refused_batches_total", &[]);
    let length = u32::try_from(BOMB_BYTES).expect("a short message").to_be_bytes();
    let message = [&[1][..], &length, &bomb(BOMB_BYTES)].concat();
    for encoding in [Some(("grpc-encoding", "gzip")), None] {
        let end = answered(&house, &[&REQUEST[..], encoding.as_slice()].concat(), &message);
        let says = |part: &[u8]| end.windows(part.len()).any(|bytes| bytes == part);
        assert!(encoding.is_none() || says(&[STATUS, UNIMPLEMENTED].concat()), "{end:x?}");
    }
    assert_eq!(batches(), 0.0, "nothing was looked at");
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    assert_eq!(house.goes_on().undetermined, 0);
}
