//! What an emitter says arrives at the comparator: once, in order, whole, whatever goes away in between.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod house;

use counterfoil_digest::{Codec, MapDigester, Print};
use counterfoil_proto::wire::emit::{self, AckLevel, Bye, Stamps, frame::Body};
use counterfoil_proto::wire::{self, Upload};
use counterfoil_proto::{Columns, LossReason};
use house::{Comparator, House, batches, event, events, heartbeat, hello, plain, seqs};
use prost::Message;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn events_arrive_with_their_digests_and_watermarks() {
    let house = House::start(&["cohort_keys=[canary]"]).await;
    let (mut emitter, welcome) = house.greeted("a").await;
    assert_eq!((welcome.next_seq, welcome.heartbeat_ms, welcome.ack()), (0, 50, AckLevel::Received));
    assert_eq!(welcome.maps, ["cart", "notes"]);
    assert_eq!(welcome.limits.unwrap().key_bytes_max, 1_024);
    let mut said = vec![event(0, "k", b"v"), event(1, "n", b"text")];
    said[0].trace_id = vec![1; 16].into();
    said[0].span_id = vec![2; 8].into();
    said[0].cohort = 1;
    said[1].cohort = 2;
    let mut frame = emit::Events { first_seq: 0, events: said, ..Default::default() };
    frame.maps = vec!["cart".to_owned(), "notes".to_owned()];
    frame.cohorts = vec!["canary=1".to_owned(), "secret=1".to_owned()];
    emitter.say(Body::Events(frame)).await;
    emitter.say(heartbeat(2, 5_000)).await;
    let got = house
        .comparator
        .batches("a", |batches| batches.last().is_some_and(|last| last.header().watermark.0 == 5_000))
        .await;
    assert_eq!(seqs(&got), [0, 1]);
    let (_, row) = got[0].rows().next().unwrap();
    let digester = MapDigester::new(&house::key(), "cart", Codec::Bytes);
    assert_eq!(row.digest, digester.digest(Some(b"v")).unwrap());
    assert_eq!(row.trace.unwrap().trace_id, [1; 16]);
    let cohorts: Vec<_> = got
        .iter()
        .flat_map(|columns| {
            columns
                .rows()
                .map(|(_, row)| row.cohort.map(|at| columns.cohorts()[at].clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(cohorts, [Some("canary=1".to_owned()), None], "only listed cohorts travel");
}

#[tokio::test]
async fn a_map_order_travels_whatever_hello_says_of_the_sequence_numbers() {
    let house = House::start(&[]).await;
    for (instance, order, expected) in
        [("a", emit::MapOrder::Interval, [Some(70), None]), ("b", emit::MapOrder::Exact, [Some(70), Some(1)])]
    {
        let mut emitter = house.emitter().await;
        emitter.say(Body::Hello(emit::Hello { map_order: order.into(), ..hello(instance) })).await;
        let ordered = emit::Event { map_order: Some(70), ..event(0, "k", b"v") };
        emitter.say(events(0, vec![ordered, event(0, "l", b"v")])).await;
        let got = house.comparator.batches(instance, |batches| seqs(batches).len() == 2).await;
        let orders: Vec<_> = got.iter().flat_map(Columns::rows).map(|(_, row)| row.map_order).collect();
        assert_eq!(orders, expected, "{order:?}");
    }
}

/// The prints of the fields of all events in `batches`, and the spellings of those that are samples.
fn told(batches: &[Columns]) -> (Vec<Vec<Print>>, Vec<Option<Vec<Print>>>) {
    let rows = batches.iter().flat_map(|columns| {
        columns.rows().enumerate().map(|(at, (_, row))| {
            let sample = columns.samples().iter().find(|sample| sample.row == at);
            (row.prints.to_vec(), sample.map(|sample| sample.spellings.to_vec()))
        })
    });
    rows.unzip()
}

#[tokio::test]
async fn fields_travel_as_prints_and_the_first_values_as_samples() {
    let house = House::start(&["maps=[{name: cart, codec: json}, {name: notes}]"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    let value = br#"{"price":12.50,"at":"2026-11-23T10:00:00Z"}"#;
    let removed = emit::Event { op: emit::Op::Remove.into(), ..event(0, "l", b"") };
    emitter.say(events(0, vec![event(0, "k", value), removed, event(1, "n", b"plain")])).await;
    let got = house.comparator.batches("a", |batches| seqs(batches).len() == 3).await;
    let digester = MapDigester::new(&house::key(), "cart", Codec::Json);
    let (prints, spellings) = (digester.prints(value).unwrap(), digester.spellings(value).unwrap());
    let expected = (vec![prints.clone(), vec![], vec![]], vec![Some(spellings.clone()), None, None]);
    assert_eq!(told(&got), expected);
    let stored = br#"{"price":"12.5","at":"2026-11-23T10:00:00Z"}"#;
    assert_eq!(digester.differing_from(stored, &prints).unwrap().names, ["price".into()]);
    let hints = digester.reconcile(stored, &spellings).unwrap();
    let rules: Vec<_> = hints.iter().filter_map(|hint| hint.rule.as_ref()).map(ToString::to_string).collect();
    assert_eq!(rules, [r#"numbers: [{fields: ["price"]}]"#]);
}

#[tokio::test]
async fn each_connection_has_samples_of_its_own() {
    let house = House::start(&["maps=[{name: cart}, {name: notes, codec: text}]"]).await;
    for (round, begin) in [(1, 0), (2, 40)] {
        let (mut emitter, _) = house.greeted("a").await;
        let puts = (0..40).map(|at| event(1, &format!("n{at}"), b"text")).collect();
        emitter.say(events(begin, puts)).await;
        emitter.acked(begin + 40).await;
        let got = house.comparator.batches("a", |batches| seqs(batches).len() == 40 * round).await;
        let (prints, samples) = told(&got);
        assert!(prints.iter().all(Vec::is_empty), "a text has no fields");
        assert_eq!(samples.iter().flatten().count(), 32 * round);
    }
}

#[tokio::test]
async fn nothing_but_digests_travels_of_a_map_that_says_so() {
    let house = House::start(&["maps=[{name: cart, codec: json, fields: false}, {name: notes}]"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    let value = br#"{"price":12.50}"#;
    emitter.say(events(0, vec![event(0, "k", value)])).await;
    let got = house.comparator.batches("a", |batches| seqs(batches).len() == 1).await;
    assert_eq!(told(&got), (vec![vec![]], vec![None]));
    let digester = MapDigester::new(&house::key(), "cart", Codec::Json);
    assert_eq!(got[0].rows().next().unwrap().1.digest, digester.digest(Some(value)).unwrap());
}

#[tokio::test]
async fn a_batch_leaves_when_it_has_enough_events_and_else_at_its_age() {
    let house = House::start(&["batch.events_max=4", "batch.age_ms_max=5"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 10)).await;
    let got = house.comparator.batches("a", |batches| seqs(batches).len() == 10).await;
    let sizes: Vec<_> = got.iter().map(Columns::len).collect();
    assert_eq!(sizes, [4, 4, 2]);
}

#[tokio::test]
async fn a_batch_leaves_when_it_has_enough_bytes() {
    let house = House::start(&["batch.bytes_max=1024", "batch.age_ms_max=5"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 40)).await;
    let got = house.comparator.batches("a", |batches| seqs(batches).len() == 40).await;
    assert!(got.len() >= 3 && got.iter().all(|columns| columns.len() <= 17));
}

#[tokio::test]
async fn events_that_come_again_after_a_reconnect_are_dropped() {
    let house = House::start(&[]).await;
    let repeated = house.metric("counterfoil_session_repeated_events_total");
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 5)).await;
    emitter.acked(5).await;
    drop(emitter);
    let (mut emitter, welcome) = house.greeted("a").await;
    assert_eq!(welcome.next_seq, 5);
    emitter.say(plain(2, 6)).await;
    emitter.acked(8).await;
    let got = house.comparator.batches("a", |batches| seqs(batches).len() >= 8).await;
    assert_eq!(seqs(&got), (0..8).collect::<Vec<_>>());
    assert!(house.metric("counterfoil_session_repeated_events_total") >= repeated + 3.0);
}

#[tokio::test]
async fn the_newer_of_two_connections_of_a_source_wins() {
    let house = House::start(&[]).await;
    let (mut older, _) = house.greeted("a").await;
    older.say(plain(0, 3)).await;
    older.acked(3).await;
    let (mut newer, welcome) = house.greeted("a").await;
    assert_eq!(welcome.next_seq, 3);
    assert!(older.refused().await.contains("took over"));
    newer.say(plain(3, 1)).await;
    newer.acked(4).await;
}

#[tokio::test]
async fn losses_declared_by_the_emitter_arrive_in_their_place() {
    let house = House::start(&[]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 2)).await;
    let loss =
        emit::Loss { first_seq: 2, count: 3, reason: 1, begin_ns: 10, end_ns: 20, ..Default::default() };
    let beat = emit::Heartbeat { next_seq: 5, watermark_ns: 100, losses: vec![loss], ..Default::default() };
    emitter.say(Body::Heartbeat(beat.clone())).await;
    emitter.acked(5).await;
    emitter.say(Body::Heartbeat(beat)).await;
    emitter.acked(5).await;
    emitter.say(plain(5, 1)).await;
    let got = house.comparator.batches("a", |batches| seqs(batches).len() == 3).await;
    assert_eq!(seqs(&got), [0, 1, 5]);
    let losses: Vec<_> = got.iter().flat_map(|columns| columns.header().losses.clone()).collect();
    assert_eq!(losses.len(), 1, "the same loss again is no new loss");
    assert_eq!((losses[0].first_seq, losses[0].count, losses[0].reason), (2, 3, LossReason::RingFull));
}

#[tokio::test]
async fn a_complete_snapshot_arrives_once_and_after_all_that_it_speaks_of() {
    let house = House::start(&["batch.age_ms_max=0"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    let snapshot = |map: &str| emit::Snapshot { map: map.into(), begin_ns: 7, first_seq: 0, end_seq: 3 };
    let snapshots = vec![snapshot("cart"), snapshot("a map that nobody configured")];
    let beat = emit::Heartbeat { next_seq: 3, watermark_ns: 50, snapshots, ..Default::default() };
    let mut held = event(0, "k", b"v");
    held.set_map_outcome(emit::MapOutcome::Held);
    emitter.say(events(0, vec![held, event(0, "l", b"v")])).await;
    emitter.say(Body::Heartbeat(beat.clone())).await;
    emitter.acked(2).await;
    emitter.say(plain(2, 1)).await;
    emitter.say(Body::Heartbeat(beat)).await;
    let told = |columns: &Columns| columns.header().snapshots.clone();
    let got = house.comparator.batches("a", |batches| batches.iter().any(|it| !told(it).is_empty())).await;
    let telling = got.iter().position(|columns| !told(columns).is_empty()).unwrap();
    assert_eq!(seqs(&got[..=telling]), [0, 1, 2], "what it speaks of comes before it, or along");
    let all: Vec<_> = got.iter().flat_map(told).map(|it| (it.map, it.begin.0, it.end_seq)).collect();
    assert_eq!(all, [("cart".to_owned(), 7, 3)]);
    let rows: Vec<_> = got.iter().flat_map(Columns::rows).map(|(seq, row)| (seq, row.held)).collect();
    assert_eq!(rows, [(0, true), (1, false), (2, false)]);
}

#[tokio::test]
async fn a_watermark_waits_for_the_events_it_speaks_of() {
    let house = House::start(&["batch.age_ms_max=0"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 1)).await;
    emitter.say(heartbeat(3, 7_000)).await;
    emitter.say(plain(1, 1)).await;
    emitter.acked(2).await;
    let early = house.comparator.batches("a", |batches| seqs(batches).len() == 2).await;
    assert!(early.iter().all(|columns| columns.header().watermark.0 == 0));
    emitter.say(plain(2, 1)).await;
    house
        .comparator
        .batches("a", |batches| batches.last().is_some_and(|last| last.header().watermark.0 == 7_000))
        .await;
}

#[tokio::test]
async fn a_bye_travels_with_the_last_batch() {
    let house = House::start(&["batch.age_ms_max=60000"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 2)).await;
    emitter.say(Body::Bye(Bye {})).await;
    let got = house.comparator.batches("a", |batches| !batches.is_empty()).await;
    assert!(got[0].header().bye && seqs(&got) == [0, 1]);
    let mut again = house.emitter().await;
    again.say(Body::Hello(hello("a"))).await;
    assert!(again.refused().await.contains("hello.epoch 1 has said bye"));
}

#[tokio::test]
async fn a_source_with_its_own_clock_that_hangs_up_has_not_ended() {
    let house = House::start(&["batch.age_ms_max=60000"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 2)).await;
    emitter.acked(2).await;
    drop(emitter);
    let got = house.comparator.batches("a", |batches| !batches.is_empty()).await;
    assert!(!got[0].header().bye && seqs(&got) == [0, 1], "what it had said is delivered at once");
}

#[tokio::test]
async fn uploads_are_sent_again_with_the_same_bytes_when_the_comparator_comes_back() {
    let mut house = House::start(&["batch.events_max=2"]).await;
    house.comparator.got.acknowledges.send_replace(false);
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 6)).await;
    emitter.acked(6).await;
    house.comparator.uploads(|uploads| !uploads.is_empty()).await;
    house.comparator.dies().await;
    emitter.say(plain(6, 6)).await;
    emitter.acked(12).await;
    house.comparator.got.acknowledges.send_replace(true);
    house.comparator.comes_back().await;
    let uploads =
        house.comparator.uploads(|uploads| seqs(&batches(uploads, "a")).len() == 12 && twice(uploads)).await;
    assert_eq!(seqs(&batches(&uploads, "a")), (0..12).collect::<Vec<_>>());
    for upload in &uploads {
        let same = uploads.iter().filter(|other| other.number == upload.number);
        assert!(same.clone().all(|other| (&other.batch, &other.mac) == (&upload.batch, &upload.mac)));
    }
    assert!(house.metric("counterfoil_uplink_connects_total") >= 2.0);
}

/// Whether the first upload came twice.
fn twice(uploads: &[Upload]) -> bool {
    uploads.iter().filter(|upload| upload.number == 1).count() > 1
}

#[tokio::test]
async fn after_the_welcome_digests_and_codes_are_under_the_first_own_key_that_the_comparator_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, digits: &str| {
        counterfoil_keys::create_file(&folder.path().join(name), &digits.repeat(32)).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (newer, known) = (file("newer", "1e"), file("known", "0f"));
    let keys = format!("keys=[{{id: k2, file: '{newer}'}}, {{id: k1, file: '{known}'}}]");
    let house = House::start(&[&keys]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 1)).await;
    house.comparator.uploads(|uploads| uploads.len() == 1).await;
    emitter.say(plain(1, 1)).await;
    let uploads = house.comparator.uploads(|uploads| uploads.len() == 2).await;
    let second = &uploads[1];
    assert_eq!(second.key_id, "k1", "the comparator does not know k2");
    assert_eq!(house::key().mac_key().mac(&second.batch).as_bytes()[..], second.mac);
    let columns = Columns::try_from(wire::Batch::decode(&second.batch[..]).unwrap()).unwrap();
    let digester = MapDigester::new(&house::key(), "cart", Codec::Bytes);
    let (_, row) = columns.rows().next().unwrap();
    assert_eq!(row.digest, digester.digest(Some(b"value")).unwrap());
}

#[tokio::test]
async fn a_map_that_the_comparator_compares_in_another_form_is_counted() {
    let house = House::start(&[]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 1)).await;
    house.comparator.uploads(|uploads| uploads.len() == 1).await;
    let differing = house.metric("counterfoil_uplink_differing_forms");
    assert_eq!(differing, 1.0, "notes is text here and json there");
}

#[tokio::test]
async fn uploads_carry_clock_readings() {
    let house = House::start(&[]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 1)).await;
    house.comparator.uploads(|uploads| uploads.len() == 1).await;
    emitter.say(plain(1, 1)).await;
    let uploads = house.comparator.uploads(|uploads| uploads.len() == 2).await;
    assert_eq!(uploads[1].echo_ns, 7, "what the comparator said in its last reply");
    assert!(uploads[0].sent_ns < uploads[1].echo_received_ns);
    assert!(uploads[1].echo_received_ns <= uploads[1].sent_ns);
    assert!(uploads[1].clock.is_some());
}

#[tokio::test]
async fn a_full_uplink_stops_reading_and_nothing_is_lost() {
    let house =
        House::start(&["uplink.unacked_bytes_max=65536", "batch.bytes_max=8192", "limits.key_bytes_max=64"])
            .await;
    house.comparator.got.acknowledges.send_replace(false);
    let (mut emitter, _) = house.greeted("a").await;
    // Far more than the uplink and the socket's own buffer hold together.
    let frames = 400;
    let writing = tokio::spawn(async move {
        for frame in 0..frames {
            emitter.say(plain(frame * 100, 100)).await;
        }
        emitter.acked(frames * 100).await;
    });
    house.comparator.uploads(|uploads| !uploads.is_empty()).await;
    let full = async {
        while house.metric("counterfoil_uplink_unacknowledged_bytes") < 50_000.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(house::PATIENCE, full).await.expect("the uplink fills up");
    assert!(!writing.is_finished(), "the emitter is held up");
    house.comparator.got.acknowledges.send_replace(true);
    writing.await.unwrap();
    let got = house.comparator.batches("a", |batches| seqs(batches).len() == 40_000).await;
    assert_eq!(seqs(&got), (0..40_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stop_delivers_everything_that_was_said() {
    let house = House::start(&["batch.age_ms_max=60000"]).await;
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 50)).await;
    let comparator = house.stopped().await;
    let got = comparator.batches("a", |_| true).await;
    assert_eq!(seqs(&got), (0..50).collect::<Vec<_>>());
    assert!(!got.last().unwrap().header().bye, "the emitter may find another sidecar");
}

#[tokio::test]
async fn a_stop_without_a_comparator_ends_when_the_time_to_drain_is_over() {
    let mut comparator = Comparator::start().await;
    comparator.dies().await;
    let house = House::with(comparator, &["drain_ms_max=50"]).await;
    let telemetry = house.telemetry.clone();
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 5)).await;
    emitter.acked(5).await;
    house.stopped().await;
    assert!(telemetry.render_metrics().contains("counterfoil_uplink_abandoned_events_total 5"));
}

#[tokio::test]
async fn the_sidecar_keeps_the_watermark_of_a_source_without_a_clock() {
    let house = House::start(&["heartbeat_ms=5", "batch.age_ms_max=1"]).await;
    let mut emitter = house.emitter().await;
    let hello = emit::Hello { stamps: Stamps::Sidecar.into(), clock: None, ..hello("a") };
    emitter.say(Body::Hello(hello)).await;
    let mut unstamped = event(0, "k", b"v");
    (unstamped.map_begin_ns, unstamped.map_end_ns) = (0, 0);
    emitter.say(events(0, vec![unstamped])).await;
    let watermark = |batches: &[Columns]| batches.last().map_or(0, |last| last.header().watermark.0);
    let first = watermark(&house.comparator.batches("a", |batches| watermark(batches) > 0).await);
    let later = house.comparator.batches("a", |batches| watermark(batches) > first).await;
    assert_eq!(seqs(&later), [0], "nothing but the watermark moved");
    let arrived = later[0].rows().next().unwrap().1.legs.map.unwrap().end.0;
    assert!(watermark(&later) > arrived);
    drop(emitter);
    house.comparator.batches("a", |batches| batches.last().is_some_and(|last| last.header().bye)).await;
}

#[tokio::test]
async fn the_admin_endpoints_are_there_while_it_runs() {
    let house = House::start(&["admin={listen: '127.0.0.1:0'}"]).await;
    let mut stream = tokio::net::TcpStream::connect(house.admin.unwrap()).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}
