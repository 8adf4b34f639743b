#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::ledger::tests::{Home, confirmed, each_database, id, opened, record, resolved};
use crate::ledger::{Ledger, Opened};
use crate::repair::audit::verify;
use crate::repair::plan::Action;

each_database! {
    what_is_approved_turns_once_and_each_turn_is_in_the_log
    what_is_seen_of_divergences_since_turns_their_repairs
    a_breaker_opens_and_closes_once_and_counts_begin_anew_then
}

/// A repair of the divergence of this number, as it stands once it is confirmed.
fn repair(number: u32) -> Repair {
    let Opened { map, key, kind, source, seq, .. } = opened(number);
    Repair {
        id: format!("{}-1", id(number)),
        divergence: id(number),
        times: 1,
        revision: 2,
        map,
        store: "second".into(),
        key: String::from_utf8(key.clone()).unwrap(),
        key_bytes: key,
        kind: kind.into(),
        action: Action::Put,
        observed_digest: "absent".into(),
        wanted_digest: "01".repeat(16),
        source,
        seq,
        state: State::Approved,
        why: None,
        by: "alice".into(),
        approved_at_unix_ns: 4_000,
        changed_at_unix_ns: 4_000,
        undo_until_unix_ns: None,
        former: None,
    }
}

fn book(ledger: &Ledger) -> Book {
    Book::new(ledger.database(), Some(SigningKey::new([3; 32])))
}

/// Brings a repair, as it is in the book, to another state.
async fn turn(book: &Book, number: u32, to: State) -> bool {
    let repair = book.get(&repair(number).id).await.unwrap().unwrap();
    book.turn(&repair, Turn::new(repair.state, to, None)).await.unwrap()
}

async fn what_is_approved_turns_once_and_each_turn_is_in_the_log(home: Home) {
    let ledger = home.open();
    let (one, two) = (book(&ledger), book(&ledger));
    assert_eq!(one.approve(repair(1)).await.unwrap(), Approved::Now);
    assert_eq!(two.approve(repair(1)).await.unwrap(), Approved::Before(State::Approved));
    assert_eq!(two.approve(repair(2)).await.unwrap(), Approved::Now);
    assert_eq!(two.get(&repair(1).id).await.unwrap(), Some(repair(1)));
    let begin = || Turn::new(State::Approved, State::Applying, None);
    let (of_one, of_two) = (repair(1), repair(1));
    let turned = tokio::join!(one.turn(&of_one, begin()), two.turn(&of_two, begin()));
    assert_ne!(turned.0.unwrap(), turned.1.unwrap(), "one of two who turn it at once does");
    one.put_off(&repair(1).id, "later".into()).await.unwrap();
    one.keep(&repair(1).id, vec![1, 2], wall_unix_ns().saturating_add(WATCHED_NS)).await.unwrap();
    one.forget_former().await.unwrap();
    let kept = two.get(&repair(1).id).await.unwrap().unwrap();
    assert_eq!((kept.why.as_deref(), kept.former), (Some("later"), Some(vec![1, 2])));
    let waiting = two.waiting(10).await.unwrap();
    assert_eq!(waiting.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2]);
    let odd = two.list(Some("odd".into()), Some(State::Applying), None, 1).await.unwrap();
    assert_eq!((odd.repairs.len(), odd.next.is_some()), (1, true));
    assert_eq!(two.list(None, None, odd.next, 10).await.unwrap().repairs, []);
    let log = two.audit(0, 10).await.unwrap();
    let told: Vec<_> = log.iter().map(|entry| (entry.number, entry.what.as_str())).collect();
    assert_eq!(told, [(1, "approved"), (2, "approved"), (3, "applying")]);
    assert_eq!(verify(&log, log.first().and_then(|entry| entry.signer.as_deref())), Ok(()));
}

async fn what_is_seen_of_divergences_since_turns_their_repairs(home: Home) {
    let ledger = home.open();
    let book = book(&ledger);
    record(&ledger, (1..6).flat_map(|number| [opened(number).into(), confirmed(number)])).await;
    for number in 1..6 {
        book.approve(repair(number)).await.unwrap();
    }
    for (number, to) in [(1, State::Applied), (2, State::Applied), (3, State::Handed)] {
        assert!(turn(&book, number, to).await);
    }
    record(&ledger, [resolved(1), resolved(2), opened(2).into(), resolved(5)]).await;
    home.run("UPDATE repair SET changed_at_unix_ns = 0 WHERE state IN ('approved', 'handed')");
    let turns = book.follow().await.unwrap().into_iter().map(|(repair, to)| (repair.seq, to));
    let mut turns: Vec<_> = turns.collect();
    turns.sort_by_key(|(seq, _)| *seq);
    let mut expected = vec![(1, State::Confirmed), (2, State::Recurred), (3, State::Failed)];
    if ledger.database().is_shared() {
        // Nobody carries it out, as the comparator that watched it is gone.
        expected.push((5, State::Overtaken));
    }
    assert_eq!(turns, expected);
    assert_eq!(book.follow().await.unwrap(), [], "each turn is told once");
}

async fn a_breaker_opens_and_closes_once_and_counts_begin_anew_then(home: Home) {
    let ledger = home.open();
    let book = book(&ledger);
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    book.approve(repair(1)).await.unwrap();
    assert!(turn(&book, 1, State::Failed).await);
    let counts = book.counts("odd").await.unwrap();
    assert_eq!((counts.recurred, counts.tried, counts.nothing, counts.open), (0, 1, 1, 1));
    let why = || Some("too many".to_owned());
    assert!(!book.set_breaker("odd", None, "alice").await.unwrap(), "it was never open");
    assert!(book.set_breaker("odd", why(), COMPARATOR).await.unwrap());
    assert!(!book.set_breaker("odd", why(), COMPARATOR).await.unwrap());
    assert_eq!(book.breaker("odd").await.unwrap(), why());
    assert!(book.set_breaker("odd", None, "alice").await.unwrap());
    assert_eq!(book.breaker("odd").await.unwrap(), None);
    assert_eq!(book.counts("odd").await.unwrap().tried, 0);
}
