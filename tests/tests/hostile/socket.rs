//! Attacks on the sidecar's socket.

use crate::house::{House, MEMORY_MIB_MAX};
use counterfoil_proto::wire::emit::{Event, Events, Frame, frame::Body};
use counterfoil_tests::emit::{Client, hello};
use counterfoil_tests::wait;
use prost::Message;
use serde_json::json;

/// Deep enough for any parser that calls itself.
const DEPTH: usize = 1_000;

#[test]
fn a_length_of_2_to_the_63_is_refused_before_anything_is_allocated() {
    let house = House::new();
    let mut caller = house.caller();
    caller.send_bytes(&[&[0x80; 9][..], &[1]].concat());
    house.refuses(&mut caller, "a varint of at most 5 bytes", "garbage");
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    assert_eq!(house.goes_on().undetermined, 0);
}

#[test]
fn what_is_nested_a_thousand_deep_is_refused() {
    const GROUP_BEGINS: u8 = 0x7b;
    const GROUP_ENDS: u8 = 0x7c;
    let house = House::new();
    let groups = [[GROUP_BEGINS; DEPTH], [GROUP_ENDS; DEPTH]].concat();
    let messages = (0..DEPTH).fold(Vec::new(), |inner, _| [&[0x7a][..], &length_of(&inner), &inner].concat());
    for (body, says) in [(groups, "recursion limit reached"), (messages, "frame has no body")] {
        let mut caller = house.caller();
        caller.send_bytes(&[&length_of(&body)[..], &body].concat());
        house.refuses(&mut caller, says, "garbage");
    }
    let mut shell = house.caller();
    let value = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    shell.send_bytes(
        format!("{{\"put\":{{\"map\":\"notes\",\"key\":\"k\",\"value\":{value}}}}}\n").as_bytes(),
    );
    wait::until("the value is refused, and nothing else", || {
        let label = "reason=\"not_json\"";
        let refused = house.harness.sidecar_metric("counterfoil_framer_events_refused_total", &[label]);
        (refused > 0.0).then_some(())
    });
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    house.goes_on();
}

fn length_of(bytes: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    prost::encode_length_delimiter(bytes.len(), &mut length).expect("a vector grows");
    length
}

#[test]
fn a_million_events_in_one_frame_are_refused() {
    const EVENTS: usize = 1_000_000;
    let house = House::with(|setup| setup.sidecar("/limits/frame_bytes_max", json!(4 << 20)));
    let mut caller = house.caller();
    caller.send(Body::Hello(hello("crowd")));
    let events = vec![Event::default(); EVENTS];
    let frame = Frame { body: Some(Body::Events(Events { events, ..Events::default() })) };
    caller.send_bytes(&frame.encode_length_delimited_to_vec());
    house.refuses(&mut caller, "frame has 1000000 events; limits.events_per_frame_max is 4096", "oversize");
    // Decoded they would take a hundred times the memory of their two bytes.
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    assert_eq!(house.goes_on().undetermined, 0);
}

#[test]
fn slow_senders_hold_every_place_no_longer_than_the_time_limits_say() {
    const PLACES: usize = 16;
    const LIMIT_MS: u32 = 3_000;
    let house = House::with(|setup| {
        let places = setup.sidecar("/socket/connections_max", json!(PLACES));
        let limits = ["/limits/handshake_timeout_ms", "/limits/frame_timeout_ms"];
        limits.into_iter().fold(places, |setup, limit| setup.sidecar(limit, json!(LIMIT_MS)))
    });
    // One place is that of the client that does everything right.
    let mut slow: Vec<Client> = (1..PLACES).map(|_| house.caller()).collect();
    slow.iter_mut().step_by(2).for_each(|caller| caller.send_bytes(b"{\"hello\":{}}\n"));
    slow.iter_mut().for_each(|caller| caller.send_bytes(b"{"));
    let mut late = house.caller();
    late.send(Body::Hello(hello("late")));
    let message = late.refusal().expect("it is told why");
    assert!(message.contains("socket.connections_max allows no more"), "{message}");
    wait::until("the slow senders are cut off", || {
        slow.iter_mut().for_each(|caller| caller.send_bytes(b" "));
        (house.refused_frames("timeout") >= slow.len() as f64).then_some(())
    });
    let (late, _welcome) = Client::welcomed(&house.harness.socket(), "late");
    late.bye();
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    assert_eq!(house.goes_on().undetermined, 0);
}
