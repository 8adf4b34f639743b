//! A history and the history of its image cannot be told apart; and an image that is of none is refused.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_judge::{
    Digest, Fingerprint, Group, History, HistoryImage, ImageError, Interval, LIVE_WRITES_MAX, LastRead,
    Observation, Past, Reason, Scope, Still, StoreLeg, Terms, Time, Write, WriteId, judge, settle,
};
use proptest::prelude::*;

/// What happens to a key.
#[derive(Clone, Debug)]
enum Step {
    Write(Box<Write>),
    Read(Observation),
    Prune(i64),
    Blind(i64),
}

fn terms() -> impl Strategy<Value = Terms> {
    (1i64..40, any::<bool>(), any::<bool>()).prop_map(|(deadline, expires, copies)| Terms {
        deadline,
        lead: 0,
        give_up: None,
        patience: 20,
        expires,
        scope: if copies { Scope::Process } else { Scope::Shared },
    })
}

fn digest() -> impl Strategy<Value = Digest> {
    (0u8..6).prop_map(|value| Digest([value; 16]))
}

fn interval() -> impl Strategy<Value = Interval> {
    (-20i64..200, 0i64..40)
        .prop_map(|(begin, length)| Interval { begin: Time(begin), end: Time(begin + length) })
}

fn leg() -> impl Strategy<Value = Option<StoreLeg>> {
    let open = |leg: Interval| Interval { end: Time::MAX, ..leg };
    (interval(), 0u8..10).prop_map(move |(interval, how)| match how {
        0 => None,
        1 => Some(StoreLeg { interval: open(interval), acknowledged: false }),
        2 => Some(StoreLeg { interval, acknowledged: false }),
        _ => Some(StoreLeg { interval, acknowledged: true }),
    })
}

fn write() -> impl Strategy<Value = Write> {
    let names = (0u32..3, 0u64..1_000, proptest::option::weighted(0.3, 0u64..9));
    let map = proptest::option::weighted(0.9, interval());
    let facts =
        (proptest::option::weighted(0.2, 0u64..9), 0i64..60, any::<bool>(), proptest::bool::weighted(0.1));
    (names, digest(), map, leg(), facts).prop_map(|(names, digest, map, store, facts)| {
        let ((source, seq, order), (version, late, pending, held)) = (names, facts);
        let id = WriteId { source, seq };
        let mut write = Write { id, digest, map, order, store, version, deadline: Time::MIN, pending, held };
        let end = write.ended_wholly();
        write.deadline = if end == Time::MAX { write.begun() } else { end }.plus(late);
        write
    })
}

fn read() -> impl Strategy<Value = Observation> {
    (interval(), digest(), proptest::option::weighted(0.2, 0u64..9))
        .prop_map(|(at, digest, version)| Observation { at, digest, version })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => write().prop_map(|write| Step::Write(Box::new(write))),
        3 => read().prop_map(Step::Read),
        2 => (0i64..250).prop_map(Step::Prune),
        1 => (0i64..100).prop_map(Step::Blind),
    ]
}

/// Does one step, and gives all that can be seen of it.
fn take(history: &mut History, step: &Step, terms: &Terms) -> String {
    let mut ended = Vec::new();
    let mut seen = String::new();
    match step {
        Step::Write(write) => seen = history.insert((**write).clone(), &mut ended).to_string(),
        Step::Read(read) => {
            let judgement = judge(history, read, terms);
            settle(history, read, &judgement, terms, &mut ended);
            seen = format!("{judgement:?}");
        }
        Step::Prune(now) => history.prune(Time(*now), None, &mut ended),
        Step::Blind(until) => history.blind_until(Time(*until), Reason::Gap),
    }
    format!("{seen} {ended:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_history_and_that_of_its_image_judge_alike_then_and_after_whatever_comes(
        terms in terms(),
        before in proptest::collection::vec(step(), 0..120),
        reads in proptest::collection::vec(read(), 8),
        after in proptest::collection::vec(step(), 0..120),
    ) {
        let mut history = History::watched_since(Time::MIN);
        before.iter().for_each(|step| _ = take(&mut history, step, &terms));
        let image = history.image();
        let mut again = History::of_image(image.clone()).unwrap();
        prop_assert_eq!(&again.image(), &image);
        for read in &reads {
            prop_assert_eq!(judge(&history, read, &terms), judge(&again, read, &terms));
        }
        for step in &after {
            prop_assert_eq!(take(&mut history, step, &terms), take(&mut again, step, &terms), "{:?}", step);
        }
        prop_assert_eq!(history.image(), again.image());
    }

    #[test]
    fn an_image_that_is_taken_can_be_judged_and_gone_on_with_whatever_it_says(
        image in hostile(),
        terms in terms(),
        after in proptest::collection::vec(step(), 0..40),
    ) {
        if let Ok(mut history) = History::of_image(image) {
            after.iter().for_each(|step| _ = take(&mut history, step, &terms));
        }
    }
}

/// Any instant, those at the ends of time more often than by chance.
fn instant() -> impl Strategy<Value = Time> {
    prop_oneof![Just(Time::MIN), Just(Time::MAX), any::<i64>().prop_map(Time), (-50i64..200).prop_map(Time)]
}

fn anywhen() -> impl Strategy<Value = Interval> {
    (instant(), instant()).prop_map(|(one, other)| Interval::new(one, other))
}

fn past() -> impl Strategy<Value = Past> {
    (0u64..5, anywhen(), instant(), any::<bool>()).prop_map(|(digest, store, latest, acknowledged)| Past {
        digest: Fingerprint(digest),
        store,
        latest,
        acknowledged,
    })
}

fn group() -> impl Strategy<Value = Group> {
    let legs = (proptest::option::of(anywhen()), proptest::option::of(anywhen()));
    let digests = proptest::collection::btree_set(any::<u64>(), 1..5);
    (digests, legs, instant(), instant(), any::<u32>()).prop_map(
        |(digests, legs, latest, deadline, acknowledged)| {
            let digests = digests.into_iter().map(Fingerprint).collect();
            Group {
                digests,
                store: legs.0,
                map: legs.1,
                latest,
                deadline,
                newest: None,
                acknowledged,
                first_end: latest,
            }
        },
    )
}

/// Images whose lists are in order, and whose times make no sense.
fn hostile() -> impl Strategy<Value = HistoryImage> {
    let write = (write(), anywhen(), anywhen(), instant()).prop_map(|(write, map, interval, deadline)| {
        let store = write.store.map(|leg| StoreLeg { interval, ..leg });
        Write { map: write.map.map(|_| map), store, deadline, ..write }
    });
    let lists = (
        proptest::collection::vec(write, 0..=LIVE_WRITES_MAX),
        proptest::collection::vec(group(), 0..=8),
        proptest::collection::vec(past(), 0..20),
    );
    let seen =
        (proptest::option::of((digest(), instant(), past())), proptest::option::of((digest(), anywhen())));
    (lists, seen, (instant(), instant(), instant()), any::<bool>()).prop_map(
        |(lists, seen, times, is_bounded)| {
            let (writes, groups, mut dropped) = lists;
            dropped.sort_by_key(|past| past.store.end);
            HistoryImage {
                writes,
                groups,
                dropped,
                forgotten_until: times.0,
                due: times.1,
                due_next: vec![(Time::MIN, Time::MIN), (times.2, Time::MAX)],
                blind_until: times.2,
                blind_for: Reason::Gap,
                still: seen.0.map(|(digest, at, past)| Still {
                    digest,
                    since: at,
                    again_until: at,
                    past: Some(past),
                }),
                last_read: seen.1.map(|(digest, at)| LastRead { digest, at }),
                is_bounded,
            }
        },
    )
}

#[test]
fn an_image_that_is_of_no_history_is_refused_with_what_is_wrong_in_it() {
    let of = |seq| Write {
        id: WriteId { source: 0, seq },
        digest: Digest([1; 16]),
        map: Some(Interval { begin: Time(1), end: Time(2) }),
        order: None,
        store: None,
        version: None,
        deadline: Time(9),
        pending: true,
        held: false,
    };
    let (back, forth) =
        (Interval { begin: Time(2), end: Time(1) }, Interval { begin: Time(1), end: Time(2) });
    let past = |store| Past { digest: Fingerprint(1), store, latest: Time(9), acknowledged: true };
    let group = |digests: &[u64], store| Group {
        digests: digests.iter().copied().map(Fingerprint).collect(),
        store: Some(store),
        map: None,
        latest: Time(9),
        deadline: Time(9),
        newest: None,
        acknowledged: 1,
        first_end: Time(2),
    };
    let late = past(Interval { begin: Time(1), end: Time(7) });
    type Spoil<'a> = Box<dyn Fn(&mut HistoryImage) + 'a>;
    let rows: [(&str, Spoil<'_>); 13] = [
        ("writes has 65 entries; at most 64", Box::new(|it| it.writes = (0..65).map(of).collect())),
        ("groups has 9 entries; at most 8", Box::new(|it| it.groups = vec![group(&[1], forth); 9])),
        (
            "groups.digests has 4097 entries; at most 4096",
            Box::new(|it| {
                it.groups = vec![group(&(0..4_097).collect::<Vec<_>>(), forth)];
            }),
        ),
        ("dropped has 4097 entries; at most 4096", Box::new(|it| it.dropped = vec![past(forth); 4_097])),
        ("due_next has 18 entries; at most 17", Box::new(|it| it.due_next = vec![(Time(1), Time(1)); 18])),
        ("an interval of writes ends", Box::new(|it| it.writes = vec![Write { map: Some(back), ..of(1) }])),
        ("an interval of groups ends", Box::new(|it| it.groups = vec![group(&[1], back)])),
        ("an interval of dropped ends", Box::new(|it| it.dropped = vec![past(back)])),
        (
            "an interval of last_read ends",
            Box::new(|it| {
                it.last_read = Some(LastRead { digest: Digest::ABSENT, at: back });
            }),
        ),
        ("dropped is not in its order", Box::new(|it| it.dropped = vec![late, past(forth)])),
        ("groups.digests is not in its order", Box::new(|it| it.groups = vec![group(&[2, 2], forth)])),
        (
            "due_next is not in its order",
            Box::new(|it| {
                it.due_next = vec![(Time(2), Time(1)), (Time(1), Time(2))];
            }),
        ),
        ("a group has no digest", Box::new(|it| it.groups = vec![group(&[], forth)])),
    ];
    for (what, spoil) in rows {
        let mut image = History::watched_since(Time(5)).image();
        spoil(&mut image);
        let refused = History::of_image(image).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains(what), "{refused} should say {what}");
    }
    let mut unbounded = History::unbounded().image();
    unbounded.writes = (0..65).map(of).collect();
    assert_eq!(History::of_image(unbounded).map(|history| history.live()), Ok::<_, ImageError>(65));
}
