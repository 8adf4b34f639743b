#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn domain(name: &str) -> Domain {
    Domain { boot_id: name.into(), offset_ns: 0 }
}

fn clocks() -> Clocks {
    Clocks::new(domain("here"))
}

/// A sender whose clock is `offset` behind; each way takes `delay`.
fn exchange(offset: i64, delay: i64, at: i64) -> Exchange {
    let (reply_sent, reply_received) = (at, at + delay - offset);
    let sent = reply_received + 10;
    let received = sent + offset + delay;
    Exchange {
        sent: Time(sent),
        received: Time(received),
        echo: Some((Time(reply_sent), Time(reply_received))),
    }
}

#[test]
fn the_own_domain_needs_no_translation_and_an_unknown_one_has_none() {
    let clocks = clocks();
    assert_eq!(clocks.translation(&domain("here"), Time(5)), Some(Translation { shift: 0, error: 0 }));
    let old = clocks.translation_since(&domain("here"), Time(5), Time(60 * SECOND));
    assert_eq!(old, Some(Translation { shift: 0, error: 0 }));
    assert_eq!(clocks.translation(&domain("there"), Time(5)), None);
    assert_eq!(clocks.learn(&domain("here"), exchange(0, 10, 0)), Learned::Nothing);
}

#[test]
fn bounds_grow_with_age_and_shrink_with_a_better_round_trip() {
    let clocks = clocks();
    assert_eq!(clocks.learn(&domain("there"), exchange(0, 1_000, 0)), Learned::Began);
    let error = |now| clocks.translation(&domain("there"), Time(now)).unwrap().error;
    let fresh = error(2_010);
    assert!((1_000..1_020).contains(&fresh), "half a round trip, not {fresh}");
    assert!(error(SECOND) >= fresh + 190_000, "200 us per second");
    assert_eq!(clocks.learn(&domain("there"), exchange(0, 1_000, SECOND)), Learned::Narrowed);
    assert!(error(SECOND + 2_010) <= fresh + 2);
}

#[test]
fn bounds_age_alike_in_small_steps_and_in_a_large_one() {
    let (often, once) = (clocks(), clocks());
    often.learn(&domain("there"), exchange(0, 1_000, 0));
    once.learn(&domain("there"), exchange(0, 1_000, 0));
    for step in 1..10_000 {
        often.learn(&domain("there"), exchange(0, 90_000_000, step * 100_000));
    }
    let error = |clocks: &Clocks| clocks.translation(&domain("there"), Time(2 * SECOND)).unwrap().error;
    assert!(error(&often) >= error(&once), "{} < {}", error(&often), error(&once));
}

#[test]
fn a_reply_that_is_told_of_late_proves_less() {
    let (soon, late) = (clocks(), clocks());
    soon.learn(&domain("there"), exchange(0, 1_000, 10 * SECOND));
    let told_late = Exchange { echo: Some((Time(0), Time(1_000))), ..exchange(0, 1_000, 10 * SECOND) };
    late.learn(&domain("there"), told_late);
    let now = Time(10 * SECOND + 2_010);
    let error = |clocks: &Clocks| clocks.translation(&domain("there"), now).unwrap().error;
    assert!(error(&late) >= error(&soon) + SECOND / 1_000 - 1_000, "2 ms of drift, on one side");
}

#[test]
fn a_clock_that_jumped_begins_a_new_epoch_with_fresh_bounds() {
    let (clocks, there) = (clocks(), domain("there"));
    assert!(!clocks.observe(&there, exchange(0, 1_000, 0)));
    assert!(clocks.observe(&there, exchange(3_600 * SECOND, 5_000, 10_000)));
    let found = clocks.translation(&there, Time(20_010)).unwrap();
    assert!((found.shift - 3_600 * SECOND).abs() <= found.error && found.error < 6_000, "{found:?}");
    assert!(!clocks.observe(&there, exchange(3_600 * SECOND, 1_000, 30_000)), "it stays there");
    let (rows, _) = clocks.rows(Time(40_000), None, 10);
    assert_eq!(rows[0].epochs, 2);
}

#[test]
fn a_jump_within_an_exchange_leaves_the_domain_unbounded_until_the_next_one() {
    let (clocks, there) = (clocks(), domain("there"));
    clocks.learn(&there, exchange(0, 1_000, 0));
    let across = Exchange {
        sent: Time(3_600 * SECOND),
        received: Time(20_000),
        echo: Some((Time(9_000), Time(10_000))),
    };
    assert_eq!(clocks.learn(&there, across), Learned::Jumped);
    assert_eq!(clocks.translation(&there, Time(20_000)), None);
    assert_eq!(clocks.learn(&there, across), Learned::Nothing, "nothing was left to contradict");
    assert_eq!(clocks.learn(&there, exchange(-3_600 * SECOND, 1_000, 30_000)), Learned::Began);
    assert_eq!(clocks.rows(Time(40_000), None, 10).0[0].epochs, 2);
}

#[test]
fn an_exchange_out_of_order_on_either_clock_is_ignored() {
    let (clocks, there) = (clocks(), domain("there"));
    let sound = exchange(0, 1_000, 0);
    clocks.learn(&there, sound);
    let known = clocks.translation(&there, Time(5_000));
    let arrived_after_the_answer = Exchange { echo: Some((Time(0), sound.sent.plus(1))), ..sound };
    let left_in_the_future = Exchange { echo: Some((sound.received.plus(1), Time(1_000))), ..sound };
    for absurd in [arrived_after_the_answer, left_in_the_future, Exchange { echo: None, ..sound }] {
        assert_eq!(clocks.learn(&there, absurd), Learned::Nothing, "{absurd:?}");
        assert_eq!(clocks.translation(&there, Time(5_000)), known, "{absurd:?}");
        assert_eq!(clocks.learn(&domain("elsewhere"), absurd), Learned::Nothing);
    }
    assert_eq!(clocks.translation(&domain("elsewhere"), Time(5_000)), None);
}

#[test]
fn no_more_domains_are_remembered_than_allowed_and_the_longest_silent_one_makes_room() {
    let clocks = clocks();
    for number in 0..=DOMAINS_MAX as i64 {
        let domain = Domain { boot_id: "there".into(), offset_ns: number };
        clocks.learn(&domain, exchange(0, 1_000, number));
    }
    assert_eq!(clocks.known.len(), DOMAINS_MAX);
    let first = Domain { boot_id: "there".into(), offset_ns: 0 };
    assert_eq!(clocks.translation(&first, Time(0)), None);
    clocks.learn(&domain(&"x".repeat(BOOT_ID_BYTES_MAX + 1)), exchange(0, 1_000, 0));
    assert!(clocks.known.iter().all(|entry| entry.key().boot_id == "there"), "a name too long is not kept");
}

#[test]
fn the_figures_are_of_the_domains_heard_of_lately() {
    let clocks = clocks();
    assert_eq!(clocks.figures(Time(0)), figures::Figures::default());
    for (name, delay) in [("a", 1_000), ("b", 2_000), ("c", 9_000)] {
        clocks.learn(&domain(name), exchange(0, delay, 400 * SECOND));
    }
    clocks.learn(&domain("d"), Exchange { echo: None, ..exchange(0, 1_000, 400 * SECOND) });
    clocks.learn(&domain("gone"), exchange(0, 90_000, 0));
    let now = Time(400 * SECOND + 20_000);
    let figures = clocks.figures(now);
    assert_eq!((figures.bounded, figures.unbounded), (3, 1));
    let error = |name| clocks.translation(&domain(name), now).map(|it| it.error);
    assert_eq!((figures.error_median, figures.error_worst), (error("b"), error("c")));
}

#[test]
fn the_domains_are_listed_in_pages_each_once() {
    let clocks = clocks();
    for (name, offset_ns) in [("b", 0), ("a", 7), ("c", 0), ("a", -7)] {
        clocks.learn(&Domain { boot_id: name.into(), offset_ns }, exchange(5, 1_000, 0));
    }
    let names =
        |rows: &[ClockRow]| rows.iter().map(|row| (row.boot_id.clone(), row.offset_ns)).collect::<Vec<_>>();
    let now = Time(1_000_000 + 2_010);
    let (first, more) = clocks.rows(now, None, 3);
    assert_eq!((names(&first), more), (vec![("a".into(), -7), ("a".into(), 7), ("b".into(), 0)], true));
    let (rest, more) = clocks.rows(now, Some(("b", 0)), 3);
    assert_eq!((names(&rest), more), (vec![("c".into(), 0)], false));
    let expected = clocks.translation(&domain("c"), now).unwrap();
    assert_eq!((rest[0].shift_ns, rest[0].error_ns), (Some(expected.shift), Some(expected.error)));
    assert!((rest[0].age_ms - 1.0).abs() < 1e-9, "{} ms", rest[0].age_ms);
}

/// One round trip: how long it comes after the last one, how long the reply, the sender's thinking and the upload take,
/// and how fast the sender's clock runs meanwhile, in parts per million off.
#[derive(Clone, Copy, Debug)]
struct Trip {
    pause: i64,
    reply: i64,
    thinking: i64,
    upload: i64,
    drift_ppm: i64,
}

/// A sender's clock, advanced in the comparator's time.
struct Sender {
    now: i64,
    reading: i64,
    /// What is less than a nanosecond, in millionths of one.
    rest: i64,
}

impl Sender {
    fn advance(&mut self, elapsed: i64, drift_ppm: i64) {
        self.now += elapsed;
        let exact = i128::from(elapsed) * i128::from(1_000_000 + drift_ppm) + i128::from(self.rest);
        self.reading += i64::try_from(exact.div_euclid(1_000_000)).unwrap();
        self.rest = i64::try_from(exact.rem_euclid(1_000_000)).unwrap();
    }

    /// The exchange of one round trip.
    fn travel(&mut self, trip: Trip) -> Exchange {
        self.advance(trip.pause, trip.drift_ppm);
        let reply_sent = Time(self.now);
        self.advance(trip.reply, trip.drift_ppm);
        let reply_received = Time(self.reading);
        self.advance(trip.thinking, trip.drift_ppm);
        let sent = Time(self.reading);
        self.advance(trip.upload, trip.drift_ppm);
        Exchange { sent, received: Time(self.now), echo: Some((reply_sent, reply_received)) }
    }
}

/// From microseconds to minutes, each magnitude alike.
fn span() -> impl Strategy<Value = i64> {
    (0u32..12, 0i64..10).prop_map(|(magnitude, digit)| digit * 10i64.pow(magnitude))
}

fn trip() -> impl Strategy<Value = Trip> {
    (span(), span(), span(), span(), -150i64..=150).prop_map(|(pause, reply, thinking, upload, drift_ppm)| {
        Trip { pause, reply, thinking, upload, drift_ppm }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_true_offset_is_always_within_the_error(
        begin in 0i64..1_000_000 * SECOND,
        trips in proptest::collection::vec(trip(), 1..40),
        idle in span(), idle_ppm in -150i64..=150,
    ) {
        let (clocks, there) = (clocks(), domain("there"));
        let mut sender = Sender { now: 500_000 * SECOND, reading: begin, rest: 0 };
        let mut stamps = Vec::new();
        for trip in trips {
            let learned = clocks.learn(&there, sender.travel(trip));
            prop_assert!(matches!(learned, Learned::Began | Learned::Narrowed), "{learned:?} from {trip:?}");
            stamps.push((sender.reading, sender.now));
            let found = clocks.translation(&there, Time(sender.now)).unwrap();
            let offset = sender.now - sender.reading;
            prop_assert!((found.shift - offset).abs() <= found.error, "{found:?}, but {offset}");
        }
        sender.advance(idle, idle_ppm);
        let found = clocks.translation(&there, Time(sender.now)).unwrap();
        let offset = sender.now - sender.reading;
        prop_assert!((found.shift - offset).abs() <= found.error, "{found:?}, but {offset} after {idle}");
        for (reading, truly) in stamps {
            let found = clocks.translation_since(&there, Time(reading), Time(sender.now)).unwrap();
            prop_assert!((reading + found.shift - truly).abs() <= found.error, "{found:?} for {reading}");
        }
    }
}
