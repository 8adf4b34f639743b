//! A ledger that several comparators share.

use super::acts::acting;
use super::outbox::route;
use super::*;
use crate::ledger::outbox::Settling;
use std::time::Duration;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, so).await.expect("it comes to be so");
}

/// Ends every session of this home but the one that asks.
fn cut_off(home: &Home) {
    home.count(&format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
         AND application_name = '{}'",
        home.name()
    ));
}

#[tokio::test]
async fn transitions_of_both_stand_and_acts_on_one_are_seen_by_the_other() {
    let home = Home::server();
    let (one, two) = (home.open(), home.open());
    let (of_one, of_two) =
        ((0..500).map(|n| opened(2 * n).into()), (0..500).map(|n| opened(2 * n + 1).into()));
    tokio::join!(record(&one, of_one), record(&two, of_two));
    let count =
        async |ledger: &Ledger| ledger.counts().await.unwrap().iter().map(|count| count.count).sum::<u64>();
    assert_eq!((count(&one).await, count(&two).await), (1_000, 1_000));
    assert_eq!(two.act(acting(4, Act::Acknowledge, 1)).await.unwrap(), Answer::Done);
    assert_eq!(row(&one, 4).await.acted.map(|acted| acted.what), Some(Mark::Acknowledged));
    record(&one, [confirmed(4)]).await;
    let late = two.act(acting(4, Act::Reopen, 2)).await.unwrap();
    assert_eq!((late, row(&two, 4).await.revision), (Answer::Stale, 3));
    record(&two, [confirmed(4), resolved(4)]).await;
    assert_eq!(row(&one, 4).await.state, State::Resolved);
    assert_eq!((one.stats().orphans, two.stats().orphans), (0, 0));
}

#[tokio::test]
async fn of_two_who_act_at_once_through_different_comparators_one_came_too_late() {
    let home = Home::server();
    let (one, two) = (home.open(), home.open());
    record(&one, (0..20).map(|number| opened(number).into())).await;
    for number in 0..20 {
        let bob = Acting { by: "bob".into(), ..acting(number, Act::Acknowledge, 1) };
        let (alice, bob) = tokio::join!(one.act(acting(number, Act::Acknowledge, 1)), two.act(bob));
        let mut answers = [alice.unwrap(), bob.unwrap()];
        answers.sort_by_key(|answer| *answer != Answer::Done);
        assert_eq!(answers, [Answer::Done, Answer::Stale]);
    }
}

#[tokio::test]
async fn connections_that_are_killed_in_the_middle_of_batches_lose_nothing_and_double_nothing() {
    let home = Home::server();
    let ledger = home.open_with(vec![route()]);
    let count = 3_000_u32;
    let all = (0..count).flat_map(|number| [opened(number).into(), confirmed(number)]).collect();
    let recording = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.record(all).await }
    });
    let mut cuts = 0;
    while ledger.stats().written < 2 * u64::from(count) {
        let before = ledger.stats().written;
        until(|| ledger.stats().written > before).await;
        if cuts < 3 {
            cut_off(&home);
            cuts += 1;
        }
    }
    recording.await.unwrap().unwrap();
    ledger.flush().await.unwrap();
    assert!(cuts > 1, "{cuts}");
    assert_eq!((ledger.stats().written, ledger.stats().orphans), (2 * u64::from(count), 0));
    let counts = ledger.counts().await.unwrap();
    assert!(counts.iter().all(|of| of.state == State::Confirmed), "{counts:?}");
    assert_eq!(counts.iter().map(|of| of.count).sum::<u64>(), u64::from(count));
    assert_eq!(home.count("SELECT count(*) FROM history"), i64::from(2 * count));
    let message = ledger.seal("ops".into()).await.unwrap().message.unwrap();
    let told: u64 = message.groups.iter().chain(&more(&ledger, message.number).await).map(told).sum();
    assert_eq!(told, u64::from(count / 2), "each of the odd ones once");
}

fn told(group: &crate::ledger::outbox::Group) -> u64 {
    group.count(State::Confirmed)
}

/// The groups of the message after this one.
async fn more(ledger: &Ledger, number: i64) -> Vec<crate::ledger::outbox::Group> {
    settle(ledger, number).await;
    ledger.seal("ops".into()).await.unwrap().message.map_or_else(Vec::new, |message| message.groups)
}

async fn settle(ledger: &Ledger, number: i64) {
    let settling = Settling { receiver: "ops".into(), number, at_unix_ns: 7_000, dead: None };
    ledger.settle(settling).await.unwrap();
}

#[tokio::test]
async fn one_leads_and_when_its_connection_is_lost_another_does() {
    let home = Home::server();
    let one = home.open();
    until(|| one.leads()).await;
    let two = home.open();
    record(&two, [opened(1).into()]).await;
    assert!(one.leads() && !two.leads(), "the lead is one comparator's");
    drop(one);
    until(|| two.leads()).await;
    let three = home.open();
    cut_off(&home);
    until(|| !two.leads()).await;
    until(|| two.leads() != three.leads()).await;
}

#[tokio::test]
async fn a_message_is_the_same_whichever_comparator_asks_for_it() {
    let home = Home::server();
    let (one, two) = (home.open_with(vec![route()]), home.open_with(vec![route()]));
    record(&one, [opened(1).into(), confirmed(1)]).await;
    record(&two, [opened(5).into(), confirmed(5)]).await;
    let sealed = async |ledger: &Ledger| ledger.seal("ops".into()).await.unwrap().message;
    let message = sealed(&one).await.unwrap();
    assert_eq!(message.groups[0].count(State::Confirmed), 2);
    assert_eq!(sealed(&two).await.as_ref(), Some(&message));
    settle(&two, message.number).await;
    assert_eq!(sealed(&one).await, None);
}

#[tokio::test]
async fn several_that_start_at_once_make_the_tables_once() {
    let home = Home::server();
    let opening = (0..6).map(|_| {
        let place = home.place();
        tokio::task::spawn_blocking(move || Ledger::open(place, |_| ()).map(drop))
    });
    for opened in opening.collect::<Vec<_>>() {
        opened.await.unwrap().unwrap();
    }
    assert_eq!(home.count("SELECT version FROM ledger_version"), 7);
}

#[test]
fn a_server_that_is_away_a_schema_that_is_missing_or_foreign_and_a_newer_one_are_refused() {
    let refused = |home: &Home| Ledger::open(home.place(), |_| ()).unwrap_err();
    let home = Home::server();
    drop(home.open());
    home.run("UPDATE ledger_version SET version = 99");
    assert!(matches!(refused(&home), LedgerError::Newer { found: 99, known: 7, .. }));
    let foreign = Home::server();
    foreign.on_server(&format!("CREATE TABLE {}.t (x int)", foreign.name()));
    assert!(matches!(refused(&foreign), LedgerError::NotALedger { .. }));
    assert!(refused(&foreign).to_string().starts_with("ledger.postgres: postgres://"));
    foreign.on_server(&format!("DROP SCHEMA {} CASCADE", foreign.name()));
    let missing = refused(&foreign).to_string();
    assert!(missing.starts_with("ledger.postgres: ") && missing.contains("CREATE SCHEMA"), "{missing}");
    let away = Ledger::open(Home::at("postgres://nobody:secret@127.0.0.1:1/none", "none"), |_| ());
    let away = away.unwrap_err().to_string();
    assert!(away.starts_with("ledger.postgres: ") && away.contains("refused"), "{away}");
    assert!(!away.contains("secret"), "{away}");
}

#[tokio::test]
async fn text_and_keys_of_any_bytes_and_any_length_are_kept() {
    let home = Home::server();
    let ledger = home.open();
    let key: Vec<u8> = (0..60_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let source = "p".repeat(5_000);
    record(&ledger, [Opened { key: key.clone(), source: source.clone(), ..opened(1) }.into()]).await;
    let why = "nul \0 and \u{1f600}".to_owned();
    let acting = Acting { why, ..acting(1, Act::Acknowledge, 1) };
    assert_eq!(ledger.act(acting).await.unwrap(), Answer::Done);
    let found = ledger.list(Filter { key: Some(key), ..Filter::default() }).await.unwrap().rows;
    assert_eq!((found.len(), found[0].source == source), (1, true));
    let acted = found[0].acted.as_ref().map(|acted| acted.why.as_str());
    assert_eq!(acted, Some("nul \u{fffd} and \u{1f600}"), "the server cannot hold a NUL");
}
