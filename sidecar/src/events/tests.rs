use super::*;
use bytes::Bytes;

fn event() -> Event {
    Event {
        op: Op::Put.into(),
        key: Bytes::from_static(b"k"),
        map_begin_ns: 5,
        map_end_ns: 6,
        ..Default::default()
    }
}

fn unstamped() -> Event {
    Event { map_begin_ns: 0, map_end_ns: 0, ..event() }
}

fn check(stamps: Stamps, event: &Event) -> Result<Checked, Refused> {
    let limits = WrittenLimits { key_bytes_max: 4, value_bytes_max: 8, ..Default::default() };
    let rules = Rules { limits: &limits, stamps, places: &[Some(3), None], cohorts: 1, arrival: Time(77) };
    rules.check(9, event)
}

#[test]
fn reported_legs_are_taken_as_they_are() {
    let stored = Event {
        store_outcome: emit::StoreOutcome::Unknown.into(),
        store_begin_ns: 7,
        store_end_ns: 9,
        ..event()
    };
    let checked = check(Stamps::Emitter, &stored).unwrap();
    let (map, store) = (Interval::new(Time(5), Time(6)), Interval::new(Time(7), Time(9)));
    assert_eq!(checked.legs, Reported { map: Some(map), store: Some((store, StoreOutcome::Unknown)) });
    assert_eq!(hull(&checked.legs), Interval::new(Time(5), Time::MAX), "it may still land");
    let skipped = Event { map_outcome: MapOutcome::Skipped.into(), ..stored };
    assert_eq!(check(Stamps::Emitter, &skipped).unwrap().legs.map, None);
}

#[test]
fn legs_without_times_are_those_of_the_arrival() {
    let at = Interval::new(Time(77), Time(77));
    for (outcome, store) in [
        (emit::StoreOutcome::Unspecified, None),
        (emit::StoreOutcome::Ok, None),
        (emit::StoreOutcome::Failed, Some((at, StoreOutcome::Failed))),
    ] {
        let event = Event { store_outcome: outcome.into(), ..unstamped() };
        assert_eq!(check(Stamps::Sidecar, &event).unwrap().legs, Reported { map: Some(at), store });
    }
}

#[test]
fn a_held_value_is_known_by_when_the_map_had_it() {
    let held = |event| Event { map_outcome: MapOutcome::Held.into(), ..event };
    let checked = check(Stamps::Emitter, &held(event())).unwrap();
    let map = Some(Interval::new(Time(5), Time(6)));
    assert_eq!((checked.held, checked.legs), (true, Reported { map, store: None }));
    let checked = check(Stamps::Sidecar, &held(unstamped())).unwrap();
    let map = Some(Interval::new(Time(77), Time(77)));
    assert_eq!((checked.held, checked.legs), (true, Reported { map, store: None }));
    assert!(!check(Stamps::Emitter, &event()).unwrap().held);
}

#[test]
fn what_breaks_the_protocol_refuses_the_frame_and_names_the_field() {
    use Stamps::{Emitter, Sidecar};
    let unknown = emit::StoreOutcome::Unknown.into();
    let skipped = MapOutcome::Skipped.into();
    let held = MapOutcome::Held.into();
    let stored = emit::StoreOutcome::Ok.into();
    let rows: [(Stamps, Event, &str); 18] = [
        (Emitter, Event { map: 2, ..event() }, "map"),
        (Emitter, Event { cohort: 2, ..event() }, "cohort"),
        (Emitter, Event { op: 0, ..event() }, "op"),
        (Emitter, Event { op: Op::Remove.into(), value: Bytes::from_static(b"v"), ..event() }, "value"),
        (Emitter, Event { version: Some(u64::MAX), ..event() }, "version"),
        (Emitter, Event { map_order: Some(u64::MAX), ..event() }, "map_order"),
        (Emitter, Event { map_end_ns: 0, ..event() }, "map_begin_ns"),
        (Emitter, Event { store_outcome: unknown, store_end_ns: 1, ..event() }, "store_begin_ns"),
        (Emitter, Event { store_end_ns: 1, ..event() }, "store_outcome"),
        (Emitter, Event { map_outcome: skipped, ..event() }, "map_outcome"),
        (Emitter, Event { map_outcome: held, op: Op::Remove.into(), ..event() }, "op"),
        (
            Emitter,
            Event { map_outcome: held, store_outcome: stored, store_begin_ns: 1, store_end_ns: 2, ..event() },
            "store_outcome",
        ),
        (Emitter, Event { trace_id: Bytes::from_static(b"short"), ..event() }, "trace_id"),
        (Emitter, Event { trace_id: Bytes::from_static(&[1; 16]), ..event() }, "span_id"),
        (Sidecar, event(), "map_begin_ns"),
        (Sidecar, Event { store_end_ns: 1, ..unstamped() }, "store_end_ns"),
        (Sidecar, Event { map_outcome: skipped, ..unstamped() }, "map_outcome"),
        (Sidecar, Event { store_outcome: unknown, ..unstamped() }, "store_outcome"),
    ];
    for (stamps, event, expected) in rows {
        match check(stamps, &event).err() {
            Some(Refused::Event { at: 9, field, .. }) if field == expected => {}
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn what_breaks_a_limit_loses_one_event_and_names_the_limit() {
    let rows = [
        (Event { map: 1, ..event() }, "unknown_map", "`maps`"),
        (Event { key: Bytes::new(), ..event() }, "key_empty", "limits.key_bytes_max"),
        (Event { key: Bytes::from_static(b"12345"), ..event() }, "key_too_long", "limits.key_bytes_max is 4"),
        (
            Event { value: Bytes::from_static(&[0; 9]), ..event() },
            "value_too_long",
            "limits.value_bytes_max is 8",
        ),
    ];
    for (event, label, expected) in rows {
        let unfit = check(Stamps::Emitter, &event).unwrap().place.unwrap_err();
        assert_eq!(unfit.label(), label);
        assert!(unfit.to_string().contains(expected), "{unfit}");
        assert!(Unfit::LABELS.contains(&label));
    }
    assert_eq!(check(Stamps::Emitter, &event()).unwrap().place, Ok(3));
}

#[test]
fn an_all_zero_trace_id_is_none() {
    let zeros =
        Event { trace_id: Bytes::from_static(&[0; 16]), span_id: Bytes::from_static(&[1; 8]), ..event() };
    assert_eq!(check(Stamps::Emitter, &zeros).unwrap().trace, None);
}
