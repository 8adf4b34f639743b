//! Values that the comparator recalls: kept where a person said so, for a while, and sent after everything else.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod house;

use counterfoil_proto::wire::emit::{AckLevel, Hello};
use counterfoil_proto::{NoValue, Shown};
use house::{Emitter, House, event, events, hello, plain};

const KEPT: &str = "values={maps: [cart]}";

/// An emitter that is acknowledged when the comparator has its events.
async fn accepted(house: &House) -> Emitter {
    let hello = Hello { ack: AckLevel::Accepted.into(), ..hello("a") };
    Emitter::greeted(&house.socket(), hello).await.0
}

fn shown(value: &[u8], is_masked: bool) -> Result<Shown, NoValue> {
    Ok(Shown { value: value.to_vec().into(), is_masked })
}

#[tokio::test]
async fn a_value_is_recalled_as_it_was_reported_on_whatever_stream() {
    let mut house = House::start(&[KEPT]).await;
    let mut emitter = accepted(&house).await;
    emitter
        .say(events(0, vec![event(0, "k", b"2 apples"), event(1, "n", b"text"), event(0, "l", b"")]))
        .await;
    emitter.acked(3).await;
    let uploads = house.comparator.uploads(|uploads| !uploads.is_empty()).await;
    assert!(uploads.iter().all(|upload| upload.recalls), "it says that it answers");
    let got = house.comparator.recalled([0, 1, 2, 3], 4).await;
    let unknown = Err(NoValue::Unknown);
    assert_eq!(got, [shown(b"2 apples", false), unknown.clone(), shown(b"", false), unknown]);
    house.comparator.dies().await;
    house.comparator.comes_back().await;
    emitter.say(plain(3, 1)).await;
    emitter.acked(4).await;
    let got = house.comparator.recalled([0], 5).await;
    assert_eq!(got[4], shown(b"2 apples", false), "a lost stream loses no value");
    // The counter is that of all sidecars in this process.
    assert!(house.metric("counterfoil_values_recalls_total{result=\"value\"}") >= 3.0);
    house.stopped().await;
}

#[tokio::test]
async fn without_the_section_no_value_is_kept_and_nobody_is_told_otherwise() {
    let house = House::start(&[]).await;
    let mut emitter = accepted(&house).await;
    emitter.say(plain(0, 2)).await;
    emitter.acked(2).await;
    let uploads = house.comparator.uploads(|uploads| !uploads.is_empty()).await;
    assert!(!uploads.iter().any(|upload| upload.recalls));
    assert_eq!(house.comparator.recalled([0], 1).await, [Err(NoValue::Off)]);
    house.stopped().await;
}

#[tokio::test]
async fn masked_fields_do_not_leave() {
    let overlays = ["maps=[{name: cart, codec: json}, {name: notes}]", "values={maps: [cart], mask: [card]}"];
    let house = House::start(&overlays).await;
    let mut emitter = accepted(&house).await;
    let values: [&[u8]; 2] = [br#"{"card":"4111", "n":1.50}"#, br#"{"n":1.50}"#];
    emitter.say(events(0, values.map(|value| event(0, "k", value)).to_vec())).await;
    emitter.acked(2).await;
    let got = house.comparator.recalled([0, 1], 2).await;
    assert_eq!(got, [shown(br#"{"card":"***","n":1.5}"#, true), shown(values[1], false)]);
    house.stopped().await;
}

#[tokio::test]
async fn the_oldest_values_go_first_where_there_is_no_room() {
    let house = House::start(&["values={maps: [cart], bytes_max: 262144}"]).await;
    let mut emitter = accepted(&house).await;
    for seq in 0..20 {
        emitter.say(events(seq, vec![event(0, "k", &[7; 30_000])])).await;
    }
    emitter.acked(20).await;
    let got = house.comparator.recalled([0, 19], 2).await;
    assert_eq!(got, [Err(NoValue::Expired), shown(&[7; 30_000], false)]);
    let gone = house.metric("counterfoil_values_evicted_values_total{reason=\"room\"}");
    assert!(gone >= 12.0, "{gone} gone");
    assert!(house.metric("counterfoil_values_kept_bytes") > 0.0);
    house.stopped().await;
}

#[tokio::test]
async fn batches_and_acknowledgements_go_on_while_large_values_are_recalled() {
    let house = House::start(&["values={maps: [cart], bytes_per_s_max: 1024}"]).await;
    let mut emitter = accepted(&house).await;
    emitter.say(events(0, vec![event(0, "k", &[7; 30_000])])).await;
    emitter.acked(1).await;
    // The first value is as much as may be sent in half a minute; the others wait.
    let first = house.comparator.recalled([0; 16], 1).await;
    assert_eq!(first[0], shown(&[7; 30_000], false));
    for seq in 0..200 {
        emitter.say(plain(seq + 1, 1)).await;
        emitter.acked(seq + 2).await;
    }
    assert_eq!(house.comparator.got.recalled.borrow().len(), 1, "no value goes before its time");
    house.stopped().await;
}
