use super::*;
use counterfoil_judge::{Digest, Reported};
use counterfoil_keys::{DeploymentKey, Purpose, SigningKey, TenantKey, TenantName, verify};
use counterfoil_proto::{Columns, LossReason, wire};

const FILL: Fill = Fill { events_max: 3, bytes_max: 100_000, age_ns_max: 10 };

fn key(id: &str) -> TenantKey {
    DeploymentKey::new(id, [1; 32]).tenant(&TenantName::default())
}

fn seal(id: &str) -> Seal {
    Seal::new(&key(id), std::sync::Arc::new(SigningKey::new([9; 32])))
}

fn batcher() -> Batcher {
    let source = SourceId { service: "s".to_owned(), instance: "i".to_owned(), epoch: 1 };
    Batcher::new(source, Domain { boot_id: "b".to_owned(), offset_ns: 0 }, seal("k"), 2)
}

fn push(batcher: &mut Batcher, seq: u64, map: MapName<'_>, cohort: Option<&str>, fill: &Fill) {
    let legs = Reported { map: Some(Interval::new(Time(1), Time(2))), store: None };
    let row = Row::new(0, b"key", Digest([1; 16]), legs);
    batcher.push(seq, Entry { map, cohort, row, sample: &[] }, fill, Time(100));
}

const A: MapName<'_> = MapName { place: 0, name: "a" };
const B: MapName<'_> = MapName { place: 1, name: "b" };

fn loss(first_seq: u64, bucket: usize, at: i64) -> Loss {
    let mut buckets = BucketSet::none();
    buckets.insert(bucket);
    let during = Interval::new(Time(at), Time(at));
    Loss { first_seq, count: 1, reason: LossReason::Limit, during, buckets }
}

fn opened(sealed: &Sealed) -> Columns {
    assert_eq!(key("k").mac_key().mac(&sealed.batch).as_bytes()[..], sealed.mac);
    assert!(verify(&sealed.signer, Purpose::Batch, &sealed.mac, &sealed.signature));
    Columns::try_from(wire::Batch::decode(&sealed.batch[..]).unwrap()).unwrap()
}

/// First number and events of each sealed batch.
fn shape(sealed: &[Sealed]) -> Vec<(u64, usize)> {
    sealed.iter().map(opened).map(|columns| (columns.header().first_seq, columns.len())).collect()
}

#[test]
fn a_batch_is_sealed_when_it_has_enough_events() {
    let mut batcher = batcher();
    (40..47).for_each(|seq| push(&mut batcher, seq, A, None, &FILL));
    assert_eq!(shape(&batcher.take_sealed()), [(40, 3), (43, 3)]);
    batcher.flush();
    assert_eq!(shape(&batcher.take_sealed()), [(46, 1)]);
    batcher.flush();
    assert!(batcher.take_sealed().is_empty(), "nothing was left");
}

#[test]
fn a_batch_is_sealed_when_it_has_enough_bytes() {
    let mut batcher = batcher();
    let fill = Fill { bytes_max: 100, ..FILL };
    (0..4).for_each(|seq| push(&mut batcher, seq, A, None, &fill));
    assert_eq!(shape(&batcher.take_sealed()), [(0, 2), (2, 2)]);
}

#[test]
fn a_batch_is_due_when_its_oldest_entry_reaches_the_age() {
    let mut batcher = batcher();
    assert_eq!(batcher.due(&FILL), None);
    push(&mut batcher, 0, A, None, &FILL);
    batcher.promise(Time(7), 1, Time(105));
    assert_eq!(batcher.due(&FILL), Some(Time(110)));
    batcher.flush();
    assert_eq!(batcher.due(&FILL), None);
}

#[test]
fn a_heartbeat_alone_is_a_batch_and_says_what_comes_next() {
    let mut batcher = batcher();
    push(&mut batcher, 0, A, None, &FILL);
    batcher.flush();
    batcher.promise(Time(7), 1, Time(200));
    batcher.promise(Time(9), 1, Time(201));
    assert_eq!(batcher.due(&FILL), Some(Time(210)));
    batcher.flush();
    batcher.promise(Time(9), 1, Time(300));
    assert_eq!(batcher.due(&FILL), None, "the same watermark is not news");
    let sealed = batcher.take_sealed();
    assert_eq!(shape(&sealed), [(0, 1), (1, 0)]);
    assert_eq!(opened(&sealed[1]).header().watermark, Time(9));
}

#[test]
fn a_loss_ends_the_batch_before_it_and_opens_the_next() {
    let mut batcher = batcher();
    push(&mut batcher, 0, A, None, &FILL);
    batcher.lose(loss(1, 5, 10), Time(100));
    batcher.lose(loss(2, 6, 30), Time(100));
    push(&mut batcher, 3, A, None, &FILL);
    batcher.flush();
    let sealed = batcher.take_sealed();
    assert_eq!(shape(&sealed), [(0, 1), (3, 1)]);
    let losses = opened(&sealed[1]).header().losses.clone();
    assert_eq!(losses.len(), 1, "losses that follow each other are one record");
    assert_eq!((losses[0].first_seq, losses[0].count), (1, 2));
    assert_eq!(losses[0].during, Interval::new(Time(10), Time(30)));
    assert!(losses[0].buckets.contains(5) && losses[0].buckets.contains(6) && !losses[0].buckets.contains(7));
}

#[test]
fn a_loss_alone_travels_with_the_number_that_comes_next() {
    let mut batcher = batcher();
    batcher.lose(Loss { count: 9, ..loss(1, 5, 10) }, Time(100));
    batcher.bye(10);
    let sealed = batcher.take_sealed();
    assert_eq!(shape(&sealed), [(10, 0)]);
    assert!(opened(&sealed[0]).header().bye);
}

#[test]
fn each_batch_names_the_code_of_the_one_before() {
    let mut batcher = batcher();
    (0..6).for_each(|seq| push(&mut batcher, seq, A, None, &FILL));
    batcher.bye(6);
    let sealed = batcher.take_sealed();
    let previous: Vec<_> = sealed.iter().map(|sealed| opened(sealed).header().previous_mac.clone()).collect();
    assert_eq!(previous, [Bytes::new(), sealed[0].mac.clone(), sealed[1].mac.clone()]);
}

#[test]
fn a_batch_is_under_one_key_and_the_chain_goes_on_under_the_next() {
    let mut batcher = batcher();
    push(&mut batcher, 0, A, None, &FILL);
    batcher.set_seal(&seal("k"));
    push(&mut batcher, 1, A, None, &FILL);
    batcher.set_seal(&seal("k2"));
    push(&mut batcher, 2, A, None, &FILL);
    batcher.flush();
    let sealed = batcher.take_sealed();
    assert_eq!(shape(&sealed), [(0, 2), (2, 1)]);
    assert_eq!(sealed.iter().map(|sealed| &*sealed.key_id).collect::<Vec<_>>(), ["k", "k2"]);
    assert_eq!(opened(&sealed[1]).header().previous_mac, sealed[0].mac);
}

#[test]
fn names_are_entered_anew_in_each_batch() {
    let mut batcher = batcher();
    let fill = Fill { events_max: 2, ..FILL };
    for (seq, map, cohort) in [(0, A, None), (1, B, Some("c=1")), (2, B, None), (3, A, Some("c=2"))] {
        push(&mut batcher, seq, map, cohort, &fill);
    }
    let names: Vec<_> = batcher
        .take_sealed()
        .iter()
        .map(opened)
        .flat_map(|columns| {
            let names = |row: &Row<'_>| {
                (columns.maps()[row.map].clone(), row.cohort.map(|at| columns.cohorts()[at].clone()))
            };
            columns.rows().map(|(_, row)| names(&row)).collect::<Vec<_>>()
        })
        .collect();
    let expected = [("a", None), ("b", Some("c=1")), ("b", None), ("a", Some("c=2"))];
    assert!(names.iter().map(|(map, cohort)| (map.as_str(), cohort.as_deref())).eq(expected), "{names:?}");
}

#[test]
fn what_is_shed_among_the_events_is_one_loss_before_them() {
    let mut batcher = batcher();
    let fill = Fill { events_max: 100, ..FILL };
    let shed = |batcher: &mut Batcher, seq, bucket| {
        let at = Time(i64::try_from(seq).unwrap());
        batcher.shed(seq, bucket, Interval::new(at, at), Time(100));
    };
    batcher.lose(loss(39, 1, 5), Time(100));
    shed(&mut batcher, 40, 7);
    push(&mut batcher, 41, A, None, &fill);
    shed(&mut batcher, 42, 9);
    push(&mut batcher, 43, A, None, &fill);
    shed(&mut batcher, 44, 7);
    batcher.promise(Time(50), 45, Time(101));
    batcher.lose(loss(45, 1, 60), Time(101));
    shed(&mut batcher, 46, 8);
    batcher.bye(47);
    let sealed = batcher.take_sealed();
    let [first, second] = &sealed[..] else { panic!("{}", sealed.len()) };
    let columns = opened(first);
    assert_eq!((columns.header().first_seq, columns.len()), (43, 2), "kept events move up");
    let numbers = |columns: &Columns| -> Vec<_> {
        columns.header().losses.iter().map(|loss| (loss.first_seq, loss.count, loss.reason)).collect()
    };
    assert_eq!(numbers(&columns), [(39, 1, LossReason::Limit), (40, 3, LossReason::Sidecar)]);
    let shed = &columns.header().losses[1];
    assert_eq!(shed.during, Interval::new(Time(40), Time(44)));
    assert!((0..1_024).all(|bucket| shed.buckets.contains(bucket) == [7, 9].contains(&bucket)));
    assert_eq!((first.about.from_seq, first.about.next_seq), (39, 45));
    let columns = opened(second);
    assert_eq!(numbers(&columns), [(45, 1, LossReason::Limit), (46, 1, LossReason::Sidecar)]);
    assert_eq!((columns.header().first_seq, columns.header().bye, second.about.next_seq), (47, true, 47));
}

#[test]
fn a_batch_sealed_anew_says_the_same_behind_another_one_and_declares_a_loss() {
    let mut batcher = batcher();
    (40..43).for_each(|seq| push(&mut batcher, seq, A, None, &FILL));
    let sealed = batcher.take_sealed().remove(0);
    let missing = Loss { first_seq: 10, count: 30, ..loss(0, 1, 1) };
    let anew = seal("k").anew(&sealed, Bytes::from_static(&[4; 32]), Some(missing.clone())).unwrap();
    let (before, after) = (opened(&sealed), opened(&anew));
    assert_eq!(after.header().losses, [missing]);
    assert_eq!(after.header().previous_mac, [4; 32].as_slice());
    assert_eq!((anew.about.from_seq, anew.about.next_seq), (10, 43));
    assert!(before.rows().eq(after.rows()));
    assert_eq!(seal("other").anew(&sealed, Bytes::new(), None), None, "its key is not there any more");
}
