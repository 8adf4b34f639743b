//! What people do about divergences.

use super::*;

pub(super) fn acting(number: u32, act: Act, revision: u32) -> Acting {
    Acting { id: id(number), act, by: "alice".into(), why: "seen".into(), revision, at_unix_ns: 2_500 }
}

each_database! {
    an_act_stands_beside_what_the_comparator_sees_and_neither_overwrites_the_other
    what_opens_again_is_in_nobodys_hand_and_stays_ignored_until_that_is_over
    an_act_on_an_older_revision_is_refused_and_one_that_is_done_is_done
    of_two_who_act_at_once_one_is_told_that_he_came_too_late
    what_is_ignored_until_a_time_counts_again_after_it
    an_act_that_cannot_be_written_is_kept_and_done_once
}

const FOR_GOOD: Act = Act::Ignore { until_unix_ns: None };

fn until(until_unix_ns: i64) -> Act {
    Act::Ignore { until_unix_ns: Some(until_unix_ns) }
}

/// Nothing is over before that.
const FAR: i64 = i64::MAX;

async fn an_act_stands_beside_what_the_comparator_sees_and_neither_overwrites_the_other(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into()]).await;
    assert_eq!(ledger.act(acting(1, Act::Acknowledge, 1)).await.unwrap(), Answer::Done);
    let acted = Acted {
        what: Mark::Acknowledged,
        by: "alice".into(),
        why: "seen".into(),
        at_unix_ns: 2_500,
        until_unix_ns: None,
    };
    for (transition, state, revision) in [
        (None, State::Opened, 2),
        (Some(confirmed(1)), State::Confirmed, 3),
        (Some(resolved(1)), State::Resolved, 4),
    ] {
        record(&ledger, transition).await;
        let seen = row(&ledger, 1).await;
        assert_eq!((seen.state, seen.revision, seen.acted), (state, revision, Some(acted.clone())));
    }
    assert_eq!(ledger.act(acting(1, Act::Reopen, 4)).await.unwrap(), Answer::Done);
    let seen = row(&ledger, 1).await;
    assert_eq!((seen.state, seen.revision, seen.acted), (State::Resolved, 5, None));
}

async fn what_opens_again_is_in_nobodys_hand_and_stays_ignored_until_that_is_over(home: Home) {
    let ledger = home.open();
    let rows = [
        (Act::Acknowledge, None),
        (FOR_GOOD, Some(Mark::Ignored)),
        (until(FAR), Some(Mark::Ignored)),
        (until(3_999), None),
    ];
    for ((act, expected), number) in rows.into_iter().zip(1..) {
        record(&ledger, [opened(number).into()]).await;
        assert_eq!(ledger.act(acting(number, act, 1)).await.unwrap(), Answer::Done);
        let again = Opened { opened_at_unix_ns: 4_000, ..opened(number) };
        record(&ledger, [resolved(number), again.into()]).await;
        let seen = row(&ledger, number).await;
        assert_eq!((seen.times, seen.acted.map(|acted| acted.what)), (2, expected), "{act:?}");
    }
    assert_eq!(home.count("SELECT count(*) FROM act"), 2, "what is over is not kept");
}

async fn an_act_on_an_older_revision_is_refused_and_one_that_is_done_is_done(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    let by_bob = |acting| Acting { by: "bob".into(), ..acting };
    for (acting, expected, revision) in [
        (acting(1, Act::Acknowledge, 1), Answer::Stale, 2),
        (acting(1, Act::Acknowledge, 3), Answer::Stale, 2),
        (acting(1, Act::Reopen, 1), Answer::Already, 2),
        (acting(1, Act::Acknowledge, 2), Answer::Done, 3),
        (acting(1, Act::Acknowledge, 2), Answer::Already, 3),
        (by_bob(acting(1, Act::Acknowledge, 2)), Answer::Stale, 3),
        (by_bob(acting(1, Act::Acknowledge, 3)), Answer::Done, 4),
        (acting(1, FOR_GOOD, 4), Answer::Done, 5),
        (acting(1, until(FAR), 4), Answer::Stale, 5),
        (acting(1, until(FAR), 5), Answer::Done, 6),
        (acting(1, Act::Reopen, 5), Answer::Stale, 6),
        (acting(1, Act::Reopen, 6), Answer::Done, 7),
        (acting(2, Act::Acknowledge, 1), Answer::Unknown, 7),
    ] {
        assert_eq!(ledger.act(acting.clone()).await.unwrap(), expected, "{acting:?}");
        assert_eq!(row(&ledger, 1).await.revision, revision, "{acting:?}");
    }
}

async fn of_two_who_act_at_once_one_is_told_that_he_came_too_late(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into()]).await;
    let bob = Acting { by: "bob".into(), ..acting(1, FOR_GOOD, 1) };
    let (alice, bob) = tokio::join!(ledger.act(acting(1, Act::Acknowledge, 1)), ledger.act(bob));
    let mut answers = [alice.unwrap(), bob.unwrap()];
    answers.sort_by_key(|answer| *answer != Answer::Done);
    assert_eq!(answers, [Answer::Done, Answer::Stale]);
}

async fn what_is_ignored_until_a_time_counts_again_after_it(home: Home) {
    let ledger = home.open();
    record(&ledger, (1..5).map(|number| opened(number).into())).await;
    for (number, act) in [(1, Act::Acknowledge), (2, until(2_501)), (3, FOR_GOOD)] {
        assert_eq!(ledger.act(acting(number, act, 1)).await.unwrap(), Answer::Done);
    }
    assert_eq!(row(&ledger, 2).await.acted, None, "it was over long ago");
    for (acted, expected) in [
        (ActedOn::ByNobody, &[4, 2][..]),
        (ActedOn::By(Mark::Acknowledged), &[1]),
        (ActedOn::By(Mark::Ignored), &[3]),
    ] {
        let filter = Filter { acted: Some(acted), limit: 1, ..Filter::default() };
        assert_eq!(seqs(&ledger, filter, async || ()).await, expected, "{acted:?}");
    }
    record(&ledger, [opened(5).into()]).await;
    assert_eq!(ledger.act(acting(5, FOR_GOOD, 1)).await.unwrap(), Answer::Done);
    let told: Vec<_> = ledger.ignored().await.unwrap().into_iter().map(|one| (one.map, one.count)).collect();
    assert_eq!(told, [("odd".to_owned(), 1), ("odd".to_owned(), 1)], "of two stores");
    record(&ledger, [resolved(3), resolved(5)]).await;
    assert_eq!(ledger.ignored().await.unwrap(), [], "what is resolved does not count anyway");
    let again = acting(2, until(FAR), 2);
    assert_eq!(ledger.act(again).await.unwrap(), Answer::Done, "it may be ignored again");
}

async fn an_act_that_cannot_be_written_is_kept_and_done_once(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into()]).await;
    home.leave_no_room("history");
    let healed = async {
        while ledger.stats().retries == 0 {
            tokio::task::yield_now().await;
        }
        home.make_room("history");
    };
    let (answer, ()) = tokio::join!(ledger.act(acting(1, Act::Acknowledge, 1)), healed);
    assert_eq!((answer.unwrap(), row(&ledger, 1).await.revision), (Answer::Done, 2));
}
