//! What happened to divergences, and when it is forgotten.

use super::acts::acting;
use super::*;

each_database! {
    every_turn_and_act_leaves_an_entry_and_what_changes_nothing_leaves_none
    of_a_long_life_the_first_and_the_latest_entries_are_kept
    what_was_resolved_before_a_time_is_forgotten_with_all_that_belongs_to_it
}

async fn every_turn_and_act_leaves_an_entry_and_what_changes_nothing_leaves_none(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into(), opened(1).into(), confirmed(1), confirmed(1)]).await;
    let ignored = Act::Ignore { until_unix_ns: Some(i64::MAX) };
    for (act, revision) in [(Act::Acknowledge, 2), (Act::Acknowledge, 2), (ignored, 3), (Act::Reopen, 4)] {
        ledger.act(acting(1, act, revision)).await.unwrap();
    }
    record(&ledger, [resolved(1), resolved(1), opened(1).into()]).await;
    let life = ledger.life(id(1)).await.unwrap().unwrap();
    assert_eq!((life.row.revision, life.dropped), (7, 0));
    let by_alice = (Some("alice"), Some("seen"));
    let expected = [
        (1, 1_001, "opened", (None, None)),
        (2, 2_000, "confirmed", (None, None)),
        (3, 2_500, "acknowledged", by_alice),
        (4, 2_500, "ignored", by_alice),
        (5, 2_500, "reopened", by_alice),
        (6, 3_000, "resolved", (None, Some("agreed"))),
        (7, 1_001, "opened", (None, None)),
    ];
    let told = |entry: &'_ Entry| {
        let Entry { revision, at_unix_ns, what, by, why, .. } = entry.clone();
        (revision, at_unix_ns, what, (by, why))
    };
    let expected = expected.map(|(revision, at, what, (by, why))| {
        (revision, at, what.to_owned(), (by.map(str::to_owned), why.map(str::to_owned)))
    });
    assert_eq!(life.history.iter().map(told).collect::<Vec<_>>(), expected);
    for entry in &life.history {
        let has_digests = entry.what == "opened";
        let kind = has_digests.then(|| "stale".to_owned());
        let store = has_digests.then(|| "absent".to_owned());
        assert_eq!((&entry.kind, &entry.store_digest), (&kind, &store), "{entry:?}");
        assert_eq!(entry.map_digest, has_digests.then(|| "01".repeat(16)), "{entry:?}");
        assert_eq!(entry.until_unix_ns, (entry.what == "ignored").then_some(i64::MAX), "{entry:?}");
    }
}

async fn of_a_long_life_the_first_and_the_latest_entries_are_kept(home: Home) {
    let ledger = home.open();
    record(&ledger, (0..75).flat_map(|_| [opened(1).into(), resolved(1)])).await;
    let life = ledger.life(id(1)).await.unwrap().unwrap();
    let kept: Vec<_> = life.history.iter().map(|entry| entry.revision).collect();
    assert_eq!(kept, (1..=20).chain(71..=150).collect::<Vec<_>>());
    assert_eq!((life.row.revision, life.dropped), (150, 50));
}

async fn what_was_resolved_before_a_time_is_forgotten_with_all_that_belongs_to_it(home: Home) {
    let ledger = home.open();
    record(&ledger, (1..4).map(|number| opened(number).into())).await;
    for number in 1..4 {
        ledger.act(acting(number, Act::Acknowledge, 1)).await.unwrap();
    }
    let at = |number, at_unix_ns| Transition::Resolved { id: id(number), at_unix_ns, how: "agreed" };
    record(&ledger, [at(1, 3_000), at(2, 3_001)]).await;
    ledger.forget(3_001).await.unwrap();
    ledger.flush().await.unwrap();
    let count = |sql: &str| home.count(sql);
    assert_eq!(ledger.get(id(1)).await.unwrap(), None);
    assert_eq!(count("SELECT count(*) FROM divergence"), 2, "the other was resolved later, or not at all");
    assert_eq!(count("SELECT count(*) FROM act"), 2);
    assert_eq!(count("SELECT count(*) FROM history"), 5);
}
