use super::trial::{AT, kept_with, put, recall, source};
use super::*;
use counterfoil_proto::RECALLS_MAX;

/// The text of the value that is shown for the write `seq`, or why there is none.
fn shown(values: &Values, seq: u64) -> Result<(String, bool), NoValue> {
    let shown = values.recall(&recall(seq), AT).shown?;
    Ok((String::from_utf8(shown.value.to_vec()).unwrap(), shown.is_masked))
}

#[test]
fn a_value_is_shown_as_it_was_reported_and_with_its_fields_masked_where_it_has_them() {
    let values = kept_with("maps: [cart], mask: [card]", "json");
    let mut gathering = values.gather();
    let (whole, masked) = (r#"{ "n" : 1.50 }"#, r#"{"card":"4111", "n":1.50}"#);
    for (seq, value) in [(0, whole), (1, masked), (2, r#"{"card":1,"card":2}"#), (5, "{}")] {
        gathering.add(seq, 0, &put(value.as_bytes()));
    }
    gathering.add(6, 0, &Event { op: Op::Remove.into(), ..Event::default() });
    gathering.add(7, 1, &put(b"of a map whose values are not kept"));
    gathering.keep(&source(), AT);
    assert_eq!(shown(&values, 0), Ok((whole.to_owned(), false)), "not even its spaces change");
    assert_eq!(shown(&values, 1), Ok((r#"{"card":"***","n":1.5}"#.to_owned(), true)));
    assert_eq!(shown(&values, 5), Ok(("{}".to_owned(), false)));
    for seq in [2, 3, 6, 7, 8] {
        assert_eq!(shown(&values, seq), Err(NoValue::Unknown), "{seq}");
    }
}

#[test]
fn nothing_is_shown_that_was_not_asked_for_by_its_map_and_source_and_in_its_time() {
    let values = kept_with("maps: [cart, other], keep_s: 10", "bytes");
    let mut gathering = values.gather();
    gathering.add(0, 0, &put(b"value"));
    gathering.keep(&source(), AT);
    let later = |s: i64| AT.plus(s * 1_000_000_000);
    for (recall, at, expected) in [
        (recall(0), later(10), Ok(5)),
        (recall(0), later(11), Err(NoValue::Expired)),
        (wire::Recall { map: "other".into(), ..recall(0) }, AT, Err(NoValue::Unknown)),
        (wire::Recall { map: "notes".into(), ..recall(0) }, AT, Err(NoValue::Off)),
        (wire::Recall { map: "nowhere".into(), ..recall(0) }, AT, Err(NoValue::Off)),
        (wire::Recall { epoch: 2, ..recall(0) }, AT, Err(NoValue::Unknown)),
        (wire::Recall { instance: "b".into(), ..recall(0) }, AT, Err(NoValue::Unknown)),
        (wire::Recall { value_bytes_max: 5, ..recall(0) }, AT, Ok(5)),
        (wire::Recall { value_bytes_max: 4, ..recall(0) }, AT, Err(NoValue::TooLarge)),
    ] {
        let shown = values.recall(&recall, at).shown.map(|shown| shown.value.len());
        assert_eq!(shown, expected, "{recall:?} at {at:?}");
    }
}

#[test]
fn what_is_kept_never_takes_more_memory_than_it_may() {
    let values = kept_with("maps: [cart], bytes_max: 262144", "bytes");
    for seq in 0..1_000 {
        let mut gathering = values.gather();
        gathering.add(seq, 0, &put(&[7; 4_096]));
        gathering.keep(&source(), AT);
        let (bytes, room) = (values.ring().bytes(), 262_144);
        assert!(bytes <= room, "{bytes} bytes at {seq}");
    }
    assert_eq!(shown(&values, 0), Err(NoValue::Expired));
    assert!(shown(&values, 999).is_ok() && values.ring().values() > 30);
}

#[tokio::test(start_paused = true)]
async fn old_values_are_let_go_of_though_nothing_happens() {
    let values = kept_with("maps: [cart], keep_s: 1", "bytes");
    let mut gathering = values.gather();
    gathering.add(0, 0, &put(b"value"));
    gathering.keep(&source(), now().minus(2_000_000_000));
    // What comes too old goes at once; what grew old goes at the next tick.
    assert_eq!(values.ring().values(), 1);
    let stop = CancellationToken::new();
    let tending = tokio::spawn(Arc::clone(&values).tend(stop.clone()));
    while values.ring().values() > 0 {
        tokio::time::sleep(TEND_EVERY).await;
    }
    stop.cancel();
    tending.await.unwrap();
}

#[test]
fn a_frame_s_values_are_in_one_piece_of_just_their_size() {
    let values = kept_with("maps: [cart]", "bytes");
    let mut gathering = values.gather();
    for seq in 0..u64::try_from(RECALLS_MAX).unwrap() {
        gathering.add(seq, 0, &put(b"0123456789"));
    }
    gathering.keep(&source(), AT);
    let (bytes, overhead) = (values.ring().bytes(), RECALLS_MAX * size_of::<Entry>() + 256);
    assert_eq!(bytes, RECALLS_MAX * 10 + overhead);
}
