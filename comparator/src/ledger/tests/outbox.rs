//! What is to be told to people: counted once, told once, and kept until it was.

use super::*;
use crate::ledger::outbox::{DEAD_KEPT_MAX, EXAMPLES_MAX, Group, Message, Sealed, Settling, Waiting};

/// To `ops`, of what is confirmed and resolved in the map of odd numbers, at once.
pub(super) fn route() -> Route {
    Route {
        receiver: "ops".into(),
        maps: BTreeSet::from(["odd".to_owned()]),
        on: BTreeSet::from([State::Confirmed, State::Resolved]),
        group_wait_ns: 0,
        repeat_ns: None,
        groups_max: 1,
        include_key: false,
    }
}

each_database! {
    a_group_is_told_once_with_exact_counts_and_some_examples
    a_message_is_the_same_until_it_is_settled_whoever_asks_and_whatever_comes
    what_is_over_before_it_was_told_and_what_nobody_asked_for_tell_nothing
    the_end_is_told_once_nothing_is_open_and_what_opens_again_is_told_again
    what_somebody_acknowledged_or_ignores_is_silent_and_ends_what_was_told
    what_is_ignored_for_a_time_is_told_when_that_is_over
    a_group_waits_for_more_and_is_told_again_while_it_is_open
    what_comes_when_the_group_is_due_already_is_counted_as_folded
    dead_letters_are_counted_and_the_latest_are_kept
    who_is_not_told_any_more_leaves_nothing_and_a_map_that_is_not_told_any_more_ends
    what_was_open_when_the_comparator_ended_tells_nothing_again
}

fn open(home: &Home, route: &Route) -> Ledger {
    home.open_with(vec![route.clone()])
}

async fn sealed(ledger: &Ledger) -> Option<Message> {
    ledger.seal("ops".into()).await.unwrap().message
}

async fn settle(ledger: &Ledger, message: &Message, dead: Option<&str>) {
    let dead = dead.map(str::to_owned);
    let settling = Settling { receiver: "ops".into(), number: message.number, at_unix_ns: 7_000, dead };
    ledger.settle(settling).await.unwrap();
}

/// The only group of the next message, which is delivered.
async fn told(ledger: &Ledger) -> Option<Group> {
    let message = sealed(ledger).await?;
    settle(ledger, &message, None).await;
    assert_eq!(message.groups.len(), 1, "{message:?}");
    message.groups.into_iter().next()
}

async fn waits(ledger: &Ledger) -> Waiting {
    ledger.waiting().await.unwrap().remove(0)
}

fn turns(group: &Group) -> Vec<(&'static str, &str, u64)> {
    group.turns.iter().map(|turns| (turns.turn.as_str(), turns.kind.as_str(), turns.count)).collect()
}

async fn act(ledger: &Ledger, number: u32, act: Act) {
    let revision = row(ledger, number).await.revision;
    let at_unix_ns = wall_unix_ns();
    let acting =
        Acting { id: id(number), act, by: "alice".into(), why: "known".into(), revision, at_unix_ns };
    assert_eq!(ledger.act(acting).await.unwrap(), Answer::Done);
}

async fn a_group_is_told_once_with_exact_counts_and_some_examples(home: Home) {
    let ledger = open(&home, &Route { groups_max: 10, include_key: true, ..route() });
    let numbers = (0..60).flat_map(|number| [opened(number).into(), confirmed(number)]);
    record(&ledger, numbers.chain([resolved(1), resolved(3), confirmed(5)])).await;
    assert_eq!(waits(&ledger).await.turns, 32);
    let message = sealed(&ledger).await.unwrap();
    let [first, second] = &message.groups[..] else { panic!("{message:?}") };
    assert_eq!((first.map.as_str(), first.store.as_deref(), first.open), ("odd", Some("first"), 9));
    assert_eq!(turns(first), [("confirmed", "missing", 10), ("resolved", "missing", 1)]);
    assert_eq!((second.store.as_deref(), second.open), (Some("second"), 19));
    assert_eq!(turns(second), [("confirmed", "stale", 20), ("resolved", "stale", 1)]);
    let ids: BTreeSet<_> = second.examples.iter().map(|example| &example.id).collect();
    assert_eq!(ids.len(), usize::from(EXAMPLES_MAX), "each is there once");
    let example = second.examples.iter().find(|example| example.id == id(1).to_string()).unwrap();
    assert_eq!((example.state, example.key.as_deref()), (State::Resolved, Some("key 1")));
    assert_eq!((example.opened_at_unix_ns, example.confirmed_at_unix_ns), (1_001, Some(2_000)));
    settle(&ledger, &message, None).await;
    assert_eq!(sealed(&ledger).await, None, "everything is told");
    let waiting = waits(&ledger).await;
    assert_eq!((waiting.turns, waiting.since_unix_ns), (0, None));
    assert_eq!(waiting.delivered_at_unix_ns, Some(7_000));
}

async fn a_message_is_the_same_until_it_is_settled_whoever_asks_and_whatever_comes(home: Home) {
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    let message = sealed(&ledger).await.unwrap();
    assert_eq!(message.groups[0].examples[0].key, None, "keys are told to who is to have them alone");
    record(&ledger, [opened(5).into(), confirmed(5)]).await;
    assert_eq!(sealed(&ledger).await.as_ref(), Some(&message));
    assert_eq!(waits(&ledger).await.turns, 2, "one in the message, one behind it");
    drop(ledger);
    let ledger = open(&home, &route());
    assert_eq!(sealed(&ledger).await.as_ref(), Some(&message), "after a restart too");
    settle(&ledger, &message, None).await;
    settle(&ledger, &message, Some("twice")).await;
    assert_eq!(waits(&ledger).await.dead, 0, "what is settled stays so");
    let next = sealed(&ledger).await.unwrap();
    assert_ne!(next.id, message.id);
    assert_eq!((turns(&next.groups[0]), next.groups[0].open), (vec![("confirmed", "stale", 1)], 2));
}

async fn what_is_over_before_it_was_told_and_what_nobody_asked_for_tell_nothing(home: Home) {
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), resolved(1), opened(2).into(), confirmed(2)]).await;
    assert_eq!(ledger.seal("ops".into()).await.unwrap(), Sealed::default());
    assert_eq!(ledger.seal("nobody".into()).await.unwrap().message, None);
    let home = home.another();
    let ledger = open(&home, &Route { on: BTreeSet::from([State::Opened]), ..route() });
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    let group = told(&ledger).await.unwrap();
    assert_eq!((turns(&group), group.open), (vec![("opened", "stale", 1)], 1));
    record(&ledger, [resolved(1)]).await;
    assert_eq!(told(&ledger).await, None, "the end is not asked for");
    record(&ledger, [Opened { opened_at_unix_ns: 4_000, ..opened(1) }.into()]).await;
    assert_eq!(turns(&told(&ledger).await.unwrap()), [("opened", "stale", 1)]);
}

async fn the_end_is_told_once_nothing_is_open_and_what_opens_again_is_told_again(home: Home) {
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), confirmed(1), opened(5).into(), confirmed(5)]).await;
    let first = told(&ledger).await.unwrap();
    record(&ledger, [resolved(1)]).await;
    assert_eq!(told(&ledger).await.unwrap().open, 1);
    record(&ledger, [resolved(5)]).await;
    let end = told(&ledger).await.unwrap();
    assert_eq!((end.open, end.since_unix_ns), (0, first.since_unix_ns));
    record(&ledger, [opened(5).into(), confirmed(5)]).await;
    let again = told(&ledger).await.unwrap();
    assert_eq!((again.open, again.since_unix_ns > first.since_unix_ns), (1, true));
}

async fn what_somebody_acknowledged_or_ignores_is_silent_and_ends_what_was_told(home: Home) {
    for muting in [Act::Acknowledge, Act::Ignore { until_unix_ns: None }] {
        let home = home.another();
        let ledger = open(&home, &route());
        record(&ledger, [opened(1).into()]).await;
        act(&ledger, 1, muting).await;
        record(&ledger, [confirmed(1)]).await;
        assert_eq!(told(&ledger).await, None, "{muting:?}");
        act(&ledger, 1, Act::Reopen).await;
        assert_eq!(told(&ledger).await.unwrap().open, 1, "nobody has it in hand any more");
        act(&ledger, 1, muting).await;
        let end = told(&ledger).await.unwrap();
        assert_eq!((end.open, end.turns.len()), (0, 0), "{muting:?}");
        record(&ledger, [resolved(1)]).await;
        assert_eq!(told(&ledger).await, None, "{muting:?}");
    }
}

async fn what_is_ignored_for_a_time_is_told_when_that_is_over(home: Home) {
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    assert_eq!(told(&ledger).await.unwrap().open, 1);
    let until_unix_ns = Some(wall_unix_ns() + 200_000_000);
    act(&ledger, 1, Act::Ignore { until_unix_ns }).await;
    assert_eq!(told(&ledger).await.unwrap().open, 0);
    let group = loop {
        ledger.forget(0).await.unwrap();
        if let Some(group) = told(&ledger).await {
            break group;
        }
    };
    assert_eq!((group.open, group.turns.len()), (1, 0));
    assert!(Some(wall_unix_ns()) >= until_unix_ns);
}

async fn a_group_waits_for_more_and_is_told_again_while_it_is_open(home: Home) {
    let ledger = open(&home, &Route { group_wait_ns: i64::MAX / 4, ..route() });
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    let sealed = ledger.seal("ops".into()).await.unwrap();
    assert_eq!(sealed.message, None);
    let since = waits(&ledger).await.since_unix_ns.unwrap();
    assert_eq!(sealed.next_due_unix_ns, Some(since + i64::MAX / 4));
    drop(ledger);
    let ledger = open(&home, &Route { repeat_ns: Some(1), ..route() });
    assert_eq!(turns(&told(&ledger).await.unwrap()).len(), 1);
    let again = told(&ledger).await.unwrap();
    assert_eq!((again.open, again.turns.len(), again.examples.len()), (1, 0, 1));
    record(&ledger, [resolved(1)]).await;
    assert_eq!(told(&ledger).await.unwrap().open, 0);
    assert_eq!(told(&ledger).await, None, "what is over is not told again");
}

async fn what_comes_when_the_group_is_due_already_is_counted_as_folded(home: Home) {
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    record(&ledger, [opened(5).into(), confirmed(5), opened(7).into(), confirmed(7)]).await;
    let group = told(&ledger).await.unwrap();
    assert_eq!((group.count(State::Confirmed), group.folded), (3, 2));
    record(&ledger, [resolved(1)]).await;
    assert_eq!(told(&ledger).await.unwrap().folded, 0);
}

async fn dead_letters_are_counted_and_the_latest_are_kept(home: Home) {
    let ledger = open(&home, &Route { repeat_ns: Some(1), ..route() });
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    let mut last = None;
    for number in 0..DEAD_KEPT_MAX + 3 {
        let message = sealed(&ledger).await.unwrap();
        settle(&ledger, &message, Some(&format!("status {number}"))).await;
        last = Some(message.id);
    }
    let waiting = waits(&ledger).await;
    assert_eq!((waiting.dead, waiting.delivered_at_unix_ns), (u64::from(DEAD_KEPT_MAX) + 3, None));
    assert_eq!((Some(&waiting.latest_dead[0].id), waiting.latest_dead.len()), (last.as_ref(), 5));
    assert_eq!(waiting.latest_dead[0].why, format!("status {}", DEAD_KEPT_MAX + 2));
    assert_eq!(home.count("SELECT count(*) FROM outbox_dead"), i64::from(DEAD_KEPT_MAX));
}

async fn who_is_not_told_any_more_leaves_nothing_and_a_map_that_is_not_told_any_more_ends(home: Home) {
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    told(&ledger).await.unwrap();
    drop(ledger);
    let ledger = open(&home, &Route { maps: BTreeSet::new(), ..route() });
    assert_eq!(told(&ledger).await.unwrap().open, 0);
    assert_eq!(ledger.waiting().await.unwrap().len(), 1);
    drop(ledger);
    let ledger = open(&home, &Route { receiver: "others".into(), ..route() });
    assert_eq!(ledger.waiting().await.unwrap(), []);
}

async fn what_was_open_when_the_comparator_ended_tells_nothing_again(home: Home) {
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    told(&ledger).await.unwrap();
    drop(ledger);
    let ledger = open(&home, &route());
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    assert_eq!(told(&ledger).await, None);
}
