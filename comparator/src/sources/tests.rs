#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_judge::Interval;
use counterfoil_proto::{BucketSet, Loss, LossReason, Snapshot};

const SILENCE: Silence = Silence { timeout: 100, expiry: 1_000 };

fn here() -> Domain {
    Domain { boot_id: "here".into(), offset_ns: 0 }
}

fn sources(sources_max: usize) -> Sources {
    Sources::new(sources_max, SILENCE)
}

fn header(first_seq: u64, watermark: i64) -> Header {
    Header {
        service: "cart".into(),
        instance: "a".into(),
        epoch: 1,
        clock: here(),
        first_seq,
        watermark: Time(watermark),
        losses: Vec::new(),
        snapshots: Vec::new(),
        bye: false,
        previous_mac: Bytes::new(),
        issued: 0,
    }
}

fn loss(first_seq: u64, count: u64) -> Loss {
    let during = Interval::new(Time(0), Time(1));
    Loss { first_seq, count, reason: LossReason::RingFull, during, buckets: BucketSet::All }
}

fn balanced(source: &Source) {
    let report = source.report();
    let lost: u64 = report.lost.iter().sum();
    assert_eq!(report.next_seq, report.accepted + lost + report.undeclared, "{report:?}");
}

#[test]
fn each_number_is_taken_once() {
    let sources = sources(10);
    let (source, resumed) = sources.enter(&TenantName::default(), &header(0, 0), Time(0)).unwrap();
    assert!(!resumed);
    assert_eq!(source.take(&header(0, 0), 10, Time(0)).first_new, 0);
    assert_eq!(source.take(&header(5, 0), 10, Time(0)).first_new, 10, "0..10 are known");
    assert_eq!(source.take(&header(0, 0), 10, Time(0)).first_new, 15, "nothing is new");
    assert_eq!((source.report().accepted, source.report().duplicates), (15, 15));
    balanced(&source);
}

#[test]
fn a_declared_loss_is_counted_once_and_an_undeclared_one_is_noticed() {
    let sources = sources(10);
    let (source, _) = sources.enter(&TenantName::default(), &header(0, 0), Time(0)).unwrap();
    assert_eq!(source.take(&header(0, 0), 10, Time(0)).undeclared, 0);
    let declaring = Header { losses: vec![loss(10, 5)], ..header(15, 0) };
    let taken = source.take(&declaring, 5, Time(0));
    assert_eq!((taken.undeclared, taken.losses), (0, vec![loss(10, 5)]));
    assert_eq!(
        source.take(&declaring, 5, Time(0)),
        Taken { first_new: 20, ..Taken::default() },
        "sent again"
    );
    let taken = source.take(&header(23, 0), 0, Time(0));
    assert_eq!(taken.undeclared, 3, "a heartbeat tells the next number");
    balanced(&source);
}

#[test]
fn a_source_that_reported_before_is_known_as_resumed() {
    let sources = sources(10);
    let (source, resumed) = sources.enter(&TenantName::default(), &header(1000, 0), Time(0)).unwrap();
    assert!(resumed);
    assert_eq!(source.take(&header(1000, 0), 5, Time(0)).undeclared, 0, "what came before is not a gap");
}

#[test]
fn verdicts_wait_for_every_live_source_and_for_no_other() {
    let (sources, clocks) = (sources(10), Clocks::new(here()));
    assert_eq!(
        sources.horizons(&[TenantName::default()], &clocks, Time(0))[0],
        Time::MAX,
        "nobody to wait for"
    );
    let second = |watermark| Header { instance: "b".into(), ..header(0, watermark) };
    let (one, _) = sources.enter(&TenantName::default(), &header(0, 0), Time(0)).unwrap();
    let (two, _) = sources.enter(&TenantName::default(), &second(0), Time(0)).unwrap();
    assert_eq!(
        sources.horizons(&[TenantName::default()], &clocks, Time(0))[0],
        Time::MIN,
        "nothing was promised yet"
    );
    one.promise(&header(0, 50), true);
    two.promise(&second(30), true);
    assert_eq!(sources.horizons(&[TenantName::default()], &clocks, Time(0))[0], Time(30));
    two.promise(&Header { bye: true, ..second(30) }, true);
    assert_eq!(
        sources.horizons(&[TenantName::default()], &clocks, Time(0))[0],
        Time(50),
        "the second one ended"
    );
}

#[test]
fn a_source_whose_clock_is_not_bounded_holds_verdicts_up() {
    let (sources, clocks) = (sources(10), Clocks::new(here()));
    let far = Header { clock: Domain { boot_id: "far".into(), offset_ns: 0 }, ..header(0, 50) };
    let (source, _) = sources.enter(&TenantName::default(), &far, Time(0)).unwrap();
    source.promise(&far, true);
    assert_eq!(sources.horizons(&[TenantName::default()], &clocks, Time(0))[0], Time::MIN);
}

#[test]
fn there_are_never_more_sources_than_allowed() {
    let sources = sources(1);
    let (first, _) = sources.enter(&TenantName::default(), &header(0, 0), Time(0)).unwrap();
    let second = Header { instance: "b".into(), ..header(0, 0) };
    assert!(sources.enter(&TenantName::default(), &second, Time(0)).is_none());
    first.promise(&Header { bye: true, ..header(0, 0) }, true);
    assert!(sources.enter(&TenantName::default(), &second, Time(0)).is_some(), "one that ended makes room");
    assert_eq!(sources.all().len(), 1);
}

#[test]
fn a_lost_source_does_not_make_room() {
    let sources = sources(1);
    assert!(sources.enter(&TenantName::default(), &header(0, 0), Time(0)).is_some());
    assert_eq!(names(&sources.give_up_silent(Time(101)).lost), ["cart/a/1"]);
    let second = Header { instance: "b".into(), ..header(0, 0) };
    assert!(
        sources.enter(&TenantName::default(), &second, Time(102)).is_none(),
        "the doubt it leaves must be remembered"
    );
    assert_eq!(names(&sources.give_up_silent(Time(1_101)).expired), ["cart/a/1"]);
    assert!(
        sources.enter(&TenantName::default(), &second, Time(1_102)).is_some(),
        "one that expired makes room"
    );
}

/// A source that told everything before instant 50 and was last heard of at 0.
fn silent() -> (Sources, Arc<Source>) {
    let sources = sources(10);
    let (source, _) = sources.enter(&TenantName::default(), &header(0, 50), Time(0)).unwrap();
    source.promise(&header(0, 50), true);
    (sources, source)
}

fn names(sources: &[Arc<Source>]) -> Vec<String> {
    sources.iter().map(|source| source.name.to_string()).collect()
}

fn horizon(sources: &Sources) -> Time {
    sources.horizons(&[TenantName::default()], &Clocks::new(here()), Time(0))[0]
}

fn is(sources: &Sources, source: &Source, phase: Phase) {
    assert_eq!(source.report().phase, phase);
    assert_eq!(sources.has_lost(), phase == Phase::Lost);
    let counted = sources.count().into_iter().find(|(of, _)| *of == phase);
    let expected = sources.all().iter().filter(|other| other.report().phase == phase).count();
    assert_eq!(counted, Some((phase, expected)));
}

#[test]
fn a_silent_source_is_lost_after_the_timeout_and_expires_after_the_expiry() {
    let (sources, source) = silent();
    let quiet = sources.give_up_silent(Time(100));
    assert!(quiet.lost.is_empty() && quiet.expired.is_empty(), "it may be silent for so long");
    is(&sources, &source, Phase::Live);
    let lost = sources.give_up_silent(Time(101));
    assert_eq!((names(&lost.lost), lost.expired.len()), (vec!["cart/a/1".to_owned()], 0));
    is(&sources, &source, Phase::Lost);
    assert_eq!(horizon(&sources), Time::MAX, "verdicts no longer wait for it");
    let still = sources.give_up_silent(Time(1_100));
    assert!(still.lost.is_empty() && still.expired.is_empty(), "told once, and not expired yet");
    let gone = sources.give_up_silent(Time(1_101));
    assert_eq!((gone.lost.len(), names(&gone.expired)), (0, vec!["cart/a/1".to_owned()]));
    is(&sources, &source, Phase::Expired);
    assert!(sources.give_up_silent(Time(9_000)).expired.is_empty(), "told once");
}

#[test]
fn a_lost_source_that_is_heard_of_again_is_live_and_has_returned() {
    let (sources, source) = silent();
    _ = sources.give_up_silent(Time(101));
    assert!(source.take(&header(0, 60), 0, Time(200)).returned);
    is(&sources, &source, Phase::Live);
    assert_eq!(horizon(&sources), Time(50), "verdicts wait for it again");
    assert!(!source.take(&header(0, 60), 0, Time(201)).returned, "told once");
}

#[test]
fn an_expired_source_that_is_heard_of_again_is_live_and_has_returned() {
    let (sources, source) = silent();
    let both = sources.give_up_silent(Time(5_000));
    assert_eq!((both.lost.len(), both.expired.len()), (1, 1), "nobody looked for long");
    is(&sources, &source, Phase::Expired);
    assert!(source.take(&header(0, 60), 0, Time(5_001)).returned);
    is(&sources, &source, Phase::Live);
}

#[test]
fn a_lost_source_expires_at_once_when_its_process_is_heard_of_with_a_later_epoch() {
    let (sources, source) = silent();
    _ = sources.give_up_silent(Time(101));
    let restarted = |epoch| Header { epoch, ..header(0, 0) };
    for other in [Header { instance: "b".into(), ..restarted(2) }, restarted(0)] {
        assert!(sources.enter(&TenantName::default(), &other, Time(102)).is_some());
        assert!(sources.give_up_silent(Time(102)).expired.is_empty(), "it may still run");
    }
    assert!(sources.enter(&TenantName::default(), &restarted(2), Time(103)).is_some());
    assert_eq!(names(&sources.give_up_silent(Time(103)).expired), ["cart/a/1"]);
    is(&sources, &source, Phase::Expired);
}

#[test]
fn verdicts_wait_for_a_source_that_was_started_over_until_the_timeout_and_no_longer() {
    let (sources, source) = silent();
    assert!(sources.enter(&TenantName::default(), &Header { epoch: 2, ..header(0, 0) }, Time(90)).is_some());
    assert!(sources.give_up_silent(Time(100)).lost.is_empty(), "its last batches may be on their way");
    is(&sources, &source, Phase::Live);
    let given_up = sources.give_up_silent(Time(101));
    assert_eq!(names(&given_up.lost), ["cart/a/1"]);
    assert_eq!(names(&given_up.expired), ["cart/a/1"]);
}

#[test]
fn a_batch_that_comes_again_after_a_bye_does_not_take_the_bye_back() {
    let (sources, source) = silent();
    _ = source.take(&header(0, 60), 5, Time(10));
    source.promise(&Header { bye: true, ..header(5, 60) }, true);
    _ = source.take(&header(0, 60), 5, Time(20));
    is(&sources, &source, Phase::Ended);
    _ = source.take(&header(5, 60), 1, Time(30));
    is(&sources, &source, Phase::Live);
}

#[test]
fn a_map_is_whole_since_every_source_of_it_has_told_all_that_it_holds() {
    let (sources, clocks) = (sources(10), Clocks::new(here()));
    let of = |instance: &str, first_seq| Header { instance: instance.into(), ..header(first_seq, 0) };
    let enter = |header: &Header| sources.enter(&TenantName::default(), header, Time(0)).unwrap().0;
    let since = || sources.whole_since(&TenantName::default(), "cart", &clocks, Time(1_000));
    let snapshot = |begin| Snapshot { map: "cart".into(), begin: Time(begin), first_seq: 0, end_seq: 0 };
    let told = |header: Header, begin| Header { snapshots: vec![snapshot(begin)], ..header };
    let (one, two, other) = (enter(&of("a", 0)), enter(&of("b", 0)), enter(&of("c", 0)));
    one.reported(["cart"].into_iter());
    other.reported(["notes"].into_iter());
    assert_eq!(since(), None, "nobody has told all");
    one.promise(&told(of("a", 0), 100), true);
    assert_eq!(since(), Some(Interval::new(Time(100), Time(100))));
    two.reported(["cart"].into_iter());
    assert_eq!(since(), None, "another one has a part of it");
    two.promise(&told(of("b", 0), 300), true);
    assert_eq!(since(), Some(Interval::new(Time(100), Time(300))));
    two.promise(&told(of("b", 0), 2_000), true);
    assert_eq!(since(), None, "that has not come yet");
    two.promise(&Header { bye: true, ..of("b", 0) }, true);
    assert_eq!(since(), Some(Interval::new(Time(100), Time(100))), "one that ended holds nothing");
    let resumed = enter(&of("d", 50));
    assert_eq!(since(), None, "what it told before is not known");
    resumed.promise(&Header { bye: true, ..of("d", 50) }, true);
    assert_eq!(since(), Some(Interval::new(Time(100), Time(100))), "it ended before");
    sources.forget_promises(&here());
    assert_eq!(since(), None, "the clock jumped");
}
