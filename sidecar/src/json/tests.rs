use super::replies::level_name;
use super::*;
use bytes::Bytes;
use counterfoil_proto::wire::emit::{AckLevel, Event, MapOutcome, Stamps, StoreOutcome};

fn event(line: &str) -> Event {
    match frame(line.as_bytes()).unwrap().body {
        Some(Body::Events(events)) => events.events.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_write_becomes_the_event_that_says_the_same() {
    let line = r#"{"put":{"map":"cart","key":"k\u00e9","value":"v","trace_id":"000102030405060708090a0b0c0d0e0f",
        "span_id":"f0e1d2c3b4a59687","cohort":"canary=1","version":7,"map_order":3,"map_ns":[1,2],
        "store_ns":[3,4],"store":"failed"}}"#;
    let expected = Event {
        map: 0,
        op: Op::Put.into(),
        key: Bytes::from("k\u{e9}"),
        value: Bytes::from("v"),
        map_outcome: MapOutcome::Done.into(),
        map_begin_ns: 1,
        map_end_ns: 2,
        store_outcome: StoreOutcome::Failed.into(),
        store_begin_ns: 3,
        store_end_ns: 4,
        map_order: Some(3),
        version: Some(7),
        trace_id: (0..16).collect(),
        span_id: Bytes::from_static(&[0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87]),
        cohort: 1,
    };
    assert_eq!(event(line), expected);
}

#[test]
fn a_held_value_is_a_put_that_says_so_and_knows_of_no_store_call() {
    let line = r#"{"held":{"map":"m","key":"k","value":"v","map_ns":[1,2],"map_order":4}}"#;
    let event = event(line);
    assert_eq!((event.op(), event.map_outcome()), (Op::Put, MapOutcome::Held));
    assert_eq!((event.map_end_ns, event.map_order, &event.value[..]), (2, Some(4), &b"v"[..]));
}

#[test]
fn a_snapshot_that_is_done_is_said_as_a_heartbeat_says_it_without_its_numbers() {
    for (line, begin_ns) in
        [(r#"{"snapshot_done":{"map":"cart"}}"#, 0), (r#"{"snapshot_done":{"map":"cart","begin_ns":7}}"#, 7)]
    {
        let snapshots = vec![Snapshot { map: "cart".into(), begin_ns, first_seq: 0, end_seq: 0 }];
        let expected = Body::Heartbeat(Heartbeat { snapshots, ..Default::default() });
        assert_eq!(frame(line.as_bytes()).unwrap().body, Some(expected), "{line}");
    }
}

#[test]
fn values_are_strings_or_other_json_or_base64() {
    for (value, expected) in [
        (r#""value":"{\"a\": 1}""#, "{\"a\": 1}"),
        (r#""value":{"a": 1.0}"#, "{\"a\": 1.0}"),
        (r#""value":12"#, "12"),
        (r#""value":"""#, ""),
        (r#""value_base64":"aGk=""#, "hi"),
    ] {
        let event = event(&format!(r#"{{"put":{{"map":"m","key_base64":"AP8=",{value}}}}}"#));
        assert_eq!(event.value, expected.as_bytes(), "{value}");
        assert_eq!(event.key, [0, 0xff].as_slice());
    }
}

#[test]
fn lines_that_are_no_message_say_what_is_wrong() {
    for (line, expected) in [
        (r#"{"put":{"map":"m","key":"k"}}"#, "needs a value"),
        (r#"{"put":{"map":"m","key":"k","value":null}}"#, "needs a value"),
        (r#"{"put":{"map":"m","value":"v"}}"#, "key is missing"),
        (r#"{"put":{"map":"m","key":"k","key_base64":"","value":"v"}}"#, "key and key_base64"),
        (r#"{"remove":{"map":"m","key":"k","value":"v"}}"#, "a remove has no value"),
        (r#"{"put":{"map":"m","key":"k","value_base64":"?"}}"#, "value_base64"),
        (r#"{"put":{"map":"m","key":"k","value":"v","trace_id":"zz"}}"#, "trace_id needs 32"),
        (r#"{"put":{"map":"m","key":"k","value":"v","when":1}}"#, "when"),
        (r#"{"held":{"map":"m","key":"k","value":"v","store":"ok"}}"#, "leave out store"),
        (r#"{"held":{"map":"m","key":"k"}}"#, "needs a value"),
        (r#"{"snapshot_done":{}}"#, "missing field `map`"),
        (r#"{"snapshot_done":{"map":"m","end_seq":7}}"#, "end_seq"),
        (r#"{"set":{}}"#, "set"),
        (r#"{"bye":{}} x"#, "trailing"),
    ] {
        let message = frame(line.as_bytes()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message:?} should say {expected:?}");
    }
}

#[test]
fn a_hello_defaults_to_the_sidecars_clock() {
    let frame = frame(br#"{"hello":{}}"#).unwrap();
    assert_eq!(frame.body, Some(Body::Hello(implicit_hello())));
    assert_eq!(implicit_hello().stamps(), Stamps::Sidecar);
}

#[test]
fn a_hello_names_the_level_of_its_acks() {
    for (name, level) in [
        ("received", AckLevel::Received),
        ("spooled", AckLevel::Spooled),
        ("durable", AckLevel::Durable),
        ("accepted", AckLevel::Accepted),
    ] {
        let line = format!(r#"{{"hello":{{"ack":"{name}"}}}}"#);
        let Some(Body::Hello(hello)) = frame(line.as_bytes()).unwrap().body else { panic!("{line}") };
        assert_eq!((hello.ack(), level_name(level)), (level, name));
    }
}

#[test]
fn messages_are_quoted_in_replies() {
    assert_eq!(refusal("a \"b\""), "{\"refusal\":\"a \\\"b\\\"\"}\n");
    assert_eq!(ack(AckLevel::Received, 7), "{\"ack\":{\"level\":\"received\",\"through_seq\":7}}\n");
}
