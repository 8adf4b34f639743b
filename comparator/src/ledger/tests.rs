#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use counterfoil_digest::Differing;
use counterfoil_judge::Digest;
pub(crate) use home::Home;
pub(crate) use home::each_database;
use std::collections::BTreeSet;
use std::path::Path;

mod acts;
mod histories;
mod home;
mod outbox;
mod reads;
mod shared;
mod trouble;

pub(crate) fn opened(number: u32) -> Opened {
    Opened {
        id: id(number),
        map: if number.is_multiple_of(2) { "even".into() } else { "odd".into() },
        store: Some(if number.is_multiple_of(3) { "first".into() } else { "second".into() }),
        key: format!("key {number}").into_bytes(),
        kind: if number.is_multiple_of(3) { "missing" } else { "stale" },
        source: "shop/pod-1/7".into(),
        seq: number.into(),
        opened_at_unix_ns: 1_000 + i64::from(number),
        store_digest: Digest::ABSENT,
        map_digest: Digest([number.to_le_bytes()[0] | 1; 16]),
        stale_versions: Some(3),
        stale_at_least_ns: Some(5_000),
        write_ended_ns: Some(-7),
        seen_after_ns: None,
        trace_id: Some([0xab; 16]),
        fields: Some(fields(["price"], 0)),
    }
}

fn fields<const N: usize>(names: [&str; N], only_there: usize) -> Box<Differing> {
    Box::new(Differing { names: names.map(Into::into).to_vec(), only_there })
}

pub(crate) fn id(number: u32) -> DivergenceId {
    let mut id = [0xff; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    DivergenceId(id)
}

pub(crate) fn confirmed(number: u32) -> Transition {
    Transition::Confirmed { id: id(number), at_unix_ns: 2_000, fields: None }
}

pub(crate) fn resolved(number: u32) -> Transition {
    Transition::Resolved { id: id(number), at_unix_ns: 3_000, how: "agreed" }
}

pub(crate) async fn record(ledger: &Ledger, transitions: impl IntoIterator<Item = Transition>) {
    ledger.record(transitions.into_iter().collect()).await.unwrap();
    ledger.flush().await.unwrap();
}

async fn row(ledger: &Ledger, number: u32) -> Row {
    ledger.get(id(number)).await.unwrap().unwrap()
}

/// All pages of `limit` rows, with what `between` does after each.
async fn seqs(ledger: &Ledger, mut filter: Filter, mut between: impl AsyncFnMut()) -> Vec<u64> {
    let mut seqs = Vec::new();
    loop {
        let page = ledger.list(filter.clone()).await.unwrap();
        seqs.extend(page.rows.iter().map(|row| row.seq));
        between().await;
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return seqs,
        }
    }
}

each_database! {
    a_divergence_is_opened_confirmed_and_resolved
    a_repeated_transition_changes_nothing
    what_was_resolved_and_opens_again_is_counted
    the_fields_are_those_of_the_latest_turn_that_knows_them
    a_transition_of_an_unknown_divergence_is_counted
    pages_stay_in_place_while_divergences_are_opened
    a_filter_lets_through_what_it_names
    the_size_of_a_page_is_brought_into_its_bounds
    counts_are_told_per_map_kind_and_state
    ten_thousand_transitions_from_several_tasks_all_land_and_outlive_the_handle
    a_write_that_does_not_succeed_is_kept_and_tried_again
    a_ledger_that_cannot_be_written_closes_all_the_same
    the_place_that_a_scan_has_come_to_is_kept_until_its_round_is_over
}

async fn a_divergence_is_opened_confirmed_and_resolved(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into()]).await;
    let seen = row(&ledger, 1).await;
    let expected = Row {
        id: id(1),
        map: "odd".into(),
        store: Some("second".into()),
        key: "key 1".into(),
        key_bytes: b"key 1".to_vec(),
        kind: "stale".into(),
        state: State::Opened,
        times: 1,
        source: "shop/pod-1/7".into(),
        seq: 1,
        opened_at_unix_ns: 1_001,
        confirmed_at_unix_ns: None,
        resolved_at_unix_ns: None,
        resolved_how: None,
        store_digest: "absent".into(),
        map_digest: "01".repeat(16),
        stale_versions: Some(3),
        stale_at_least_ns: Some(5_000),
        write_ended_ns: Some(-7),
        seen_after_ns: None,
        trace_id: Some("ab".repeat(16)),
        fields: Some(vec!["price".into()]),
        fields_missing: Some(0),
        revision: 1,
        acted: None,
    };
    assert_eq!(seen, expected);
    record(&ledger, [confirmed(1)]).await;
    let seen = row(&ledger, 1).await;
    assert_eq!(
        seen,
        Row { state: State::Confirmed, confirmed_at_unix_ns: Some(2_000), revision: 2, ..expected }
    );
    record(&ledger, [resolved(1)]).await;
    let resolved_how = Some("agreed".to_owned());
    let state = State::Resolved;
    let expected = Row { state, resolved_at_unix_ns: Some(3_000), resolved_how, revision: 3, ..seen };
    assert_eq!(row(&ledger, 1).await, expected);
    assert_eq!(ledger.get(id(2)).await.unwrap(), None);
    assert_eq!((ledger.stats().written, ledger.stats().orphans), (3, 0));
}

async fn a_repeated_transition_changes_nothing(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into(), confirmed(1)]).await;
    let before = row(&ledger, 1).await;
    let later = Transition::Confirmed { id: id(1), at_unix_ns: 9_000, fields: Some(fields(["later"], 1)) };
    record(&ledger, [Opened { seq: 99, ..opened(1) }.into(), later]).await;
    assert_eq!(row(&ledger, 1).await, before);
    record(&ledger, [resolved(1)]).await;
    let before = row(&ledger, 1).await;
    record(&ledger, [Transition::Resolved { id: id(1), at_unix_ns: 9_000, how: "again" }, confirmed(1)])
        .await;
    assert_eq!(row(&ledger, 1).await, before);
    assert_eq!(ledger.stats().orphans, 0);
}

async fn what_was_resolved_and_opens_again_is_counted(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into(), confirmed(1), resolved(1)]).await;
    record(&ledger, [Opened { opened_at_unix_ns: 4_000, seq: u64::MAX, ..opened(1) }.into()]).await;
    let seen = row(&ledger, 1).await;
    assert_eq!(
        (seen.times, seen.state, seen.opened_at_unix_ns, seen.seq),
        (2, State::Opened, 4_000, u64::MAX)
    );
    assert_eq!((seen.confirmed_at_unix_ns, seen.resolved_at_unix_ns, seen.resolved_how), (None, None, None));
}

async fn the_fields_are_those_of_the_latest_turn_that_knows_them(home: Home) {
    let ledger = home.open();
    let told = async |transition| {
        record(&ledger, [transition]).await;
        let Row { fields, fields_missing, .. } = row(&ledger, 1).await;
        fields.map(|names| names.join(" ")).zip(fields_missing)
    };
    let confirmed = |fields| Transition::Confirmed { id: id(1), at_unix_ns: 2_000, fields };
    let known = |names: &str, missing| Some((names.to_owned(), missing));
    assert_eq!(told(opened(1).into()).await, known("price", 0));
    assert_eq!(told(confirmed(Some(fields(["a", "b\"c"], 2)))).await, known("a b\"c", 2));
    assert_eq!(told(resolved(1)).await, known("a b\"c", 2));
    assert_eq!(told(Opened { fields: None, ..opened(1) }.into()).await, None, "opened anew, of another read");
    assert_eq!(told(confirmed(Some(fields([], 1)))).await, known("", 1));
    assert_eq!(told(resolved(1)).await, known("", 1));
    assert_eq!(told(opened(1).into()).await, known("price", 0));
    assert_eq!(told(confirmed(None)).await, known("price", 0), "what was known when it was opened");
}

async fn a_transition_of_an_unknown_divergence_is_counted(home: Home) {
    let ledger = home.open();
    record(&ledger, [confirmed(1), resolved(2)]).await;
    assert_eq!((ledger.stats().written, ledger.stats().orphans), (2, 2));
}

async fn pages_stay_in_place_while_divergences_are_opened(home: Home) {
    let ledger = home.open();
    record(&ledger, (0..10).map(|number| opened(number).into())).await;
    let filter = Filter { limit: 3, ..Filter::default() };
    let mut next = 10;
    let seen = seqs(&ledger, filter, async || {
        record(&ledger, [opened(next).into()]).await;
        next += 1;
    });
    assert_eq!(seen.await, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
}

async fn a_filter_lets_through_what_it_names(home: Home) {
    let ledger = home.open();
    record(&ledger, (0..12).map(|number| opened(number).into())).await;
    record(&ledger, (0..6).map(confirmed)).await;
    let (map, kind) = (Some("even".to_owned()), Some("missing".to_owned()));
    let none = || Filter { limit: 1, ..Filter::default() };
    for (filter, expected) in [
        (Filter { map: map.clone(), ..none() }, &[10, 8, 6, 4, 2, 0][..]),
        (Filter { kind: kind.clone(), ..none() }, &[9, 6, 3, 0]),
        (Filter { state: Some(State::Confirmed), ..none() }, &[5, 4, 3, 2, 1, 0]),
        (Filter { map, kind, state: Some(State::Confirmed), ..none() }, &[0]),
        (Filter { map: Some("no such".into()), ..none() }, &[]),
        (Filter { maps: Some(vec!["no such".into(), "even".into()]), ..none() }, &[10, 8, 6, 4, 2, 0]),
        (Filter { maps: Some(Vec::new()), ..none() }, &[]),
    ] {
        assert_eq!(seqs(&ledger, filter.clone(), async || ()).await, expected, "{filter:?}");
    }
}

async fn the_size_of_a_page_is_brought_into_its_bounds(home: Home) {
    let ledger = home.open();
    record(&ledger, (0..1_100).map(|number| opened(number).into())).await;
    let sizes = [(0, 1), (7, 7), (u32::MAX, 1_000)];
    for (limit, rows) in sizes {
        let page = ledger.list(Filter { limit, ..Filter::default() }).await.unwrap();
        assert_eq!((page.rows.len(), page.next.is_some()), (rows, true), "{limit}");
    }
}

async fn counts_are_told_per_map_kind_and_state(home: Home) {
    let ledger = home.open();
    record(&ledger, (0..6).map(|number| opened(number).into()).chain([confirmed(1), resolved(5)])).await;
    let seen: Vec<_> = ledger.counts().await.unwrap().into_iter().collect();
    let seen: Vec<_> = seen.iter().map(|c| (c.map.as_str(), c.kind.as_str(), c.state, c.count)).collect();
    let expected = [
        ("even", "missing", State::Opened, 1),
        ("even", "stale", State::Opened, 2),
        ("odd", "missing", State::Opened, 1),
        ("odd", "stale", State::Confirmed, 1),
        ("odd", "stale", State::Resolved, 1),
    ];
    assert_eq!(seen, expected);
}

async fn ten_thousand_transitions_from_several_tasks_all_land_and_outlive_the_handle(home: Home) {
    let ledger = home.open();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let numbers = (task * 1_250)..((task + 1) * 1_250);
            let transitions = numbers.flat_map(|number| [opened(number).into(), confirmed(number)]);
            ledger.record(transitions.collect()).await.unwrap();
        });
    }
    tasks.join_all().await;
    drop(ledger);
    let ledger = home.open();
    let counts = ledger.counts().await.unwrap();
    assert!(counts.iter().all(|count| count.state == State::Confirmed), "{counts:?}");
    assert_eq!(counts.iter().map(|count| count.count).sum::<u64>(), 5_000);
}

async fn a_write_that_does_not_succeed_is_kept_and_tried_again(home: Home) {
    let ledger = home.open();
    home.leave_no_room("divergence");
    ledger.record(vec![opened(1).into(), confirmed(1)]).await.unwrap();
    while ledger.stats().retries == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ledger.get(id(1)).await.unwrap(), None);
    home.make_room("divergence");
    ledger.flush().await.unwrap();
    assert_eq!(row(&ledger, 1).await.state, State::Confirmed);
}

async fn a_ledger_that_cannot_be_written_closes_all_the_same(home: Home) {
    let ledger = home.open();
    home.leave_no_room("divergence");
    ledger.record(vec![opened(1).into()]).await.unwrap();
    drop(ledger);
    assert_eq!(home.count("SELECT count(*) FROM divergence"), 0);
}

#[test]
fn a_newer_ledger_and_another_database_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer");
    drop(Ledger::open(&newer, |_| ()).unwrap());
    let set = |path: &Path, sql: &str| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    set(&newer, "PRAGMA user_version = 99");
    let other = folder.path().join("other");
    set(&other, "CREATE TABLE t (x)");
    let text = folder.path().join("text");
    std::fs::write(&text, "hello, I am not a database at all, but long enough to look like one").unwrap();
    let before = [&other, &text].map(|path| std::fs::read(path).unwrap());
    let refused = |path: &Path| Ledger::open(path, |_| ()).unwrap_err();
    assert!(matches!(refused(&newer), LedgerError::Newer { found: 99, known: 7, .. }));
    assert!(matches!(refused(&other), LedgerError::NotALedger { .. }));
    assert!(matches!(refused(&text), LedgerError::Open { .. }));
    assert!(matches!(refused(&folder.path().join("no/such/folder")), LedgerError::Open { .. }));
    assert_eq!([&other, &text].map(|path| std::fs::read(path).unwrap()), before);
}

#[tokio::test]
async fn a_ledger_of_the_first_version_is_brought_up_and_its_rows_name_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let first = rusqlite::Connection::open(&path).unwrap();
    first.execute_batch(schema::STEPS[0]).unwrap();
    let insert = "INSERT INTO divergence (id, map, key, kind, state, times, source, seq, opened_at_unix_ns, store_digest,
        map_digest) VALUES (?1, 'odd', x'00', 'stale', 'opened', 1, 'shop/pod-1/7', 1, 5, 'absent', 'absent')";
    first.execute(insert, [id(1).0]).unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    drop(first);
    let (told, announced) = std::sync::mpsc::sync_channel(8);
    let ledger = Ledger::open(&path, move |turned| told.send(turned.clone()).unwrap()).unwrap();
    let before = row(&ledger, 1).await;
    assert_eq!((before.store, before.fields, before.fields_missing), (None, None, None));
    assert_eq!((before.revision, before.acted), (0, None));
    record(&ledger, [resolved(1), opened(1).into()]).await;
    let after = row(&ledger, 1).await;
    assert_eq!((after.store.as_deref(), after.fields), (Some("second"), Some(vec!["price".to_owned()])));
    let life = ledger.life(id(1)).await.unwrap().unwrap();
    let told: Vec<_> = life.history.iter().map(|entry| (entry.revision, entry.what.as_str())).collect();
    assert_eq!((told, life.dropped), (vec![(1, "resolved"), (2, "opened")], 0));
    let told: Vec<_> =
        announced.try_iter().map(|turned| (turned.turn, turned.store, turned.trace_id)).collect();
    let second = Some("second".to_owned());
    assert_eq!(told, [("resolved", None, None), ("opened", second, Some([0xab; 16]))]);
}

#[test]
fn a_row_is_told_as_json_without_the_keys_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger"), |_| ()).unwrap();
    let page = runtime.block_on(async {
        record(&ledger, [Opened { key: vec![0xff], ..opened(2) }.into()]).await;
        ledger.list(Filter::default()).await.unwrap()
    });
    let json = serde_json::to_value(&page).unwrap();
    assert_eq!(json["rows"][0]["key"], "base64:/w==");
    assert_eq!(json["rows"][0]["state"], "opened");
    assert_eq!(json["rows"][0]["id"], id(2).to_string());
    assert!(json["rows"][0].get("key_bytes").is_none());
    assert!(json["next"].is_null());
}

async fn the_place_that_a_scan_has_come_to_is_kept_until_its_round_is_over(home: Home) {
    let ledger = home.open();
    let place = |map: &str, after: Option<&[u8]>| ScanPlace {
        map: map.into(),
        store: "main".into(),
        after: after.map(<[u8]>::to_vec),
    };
    for kept in [place("cart", Some(b"k1")), place("notes", Some(b"n")), place("cart", Some(b"k2"))] {
        ledger.keep_place(kept).await.unwrap();
    }
    ledger.flush().await.unwrap();
    let mut places = ledger.scan_places().await.unwrap();
    places.sort_by(|one, other| one.map.cmp(&other.map));
    assert_eq!(places, [place("cart", Some(b"k2")), place("notes", Some(b"n"))]);
    ledger.keep_place(place("cart", None)).await.unwrap();
    ledger.flush().await.unwrap();
    assert_eq!(ledger.scan_places().await.unwrap(), [place("notes", Some(b"n"))]);
}
