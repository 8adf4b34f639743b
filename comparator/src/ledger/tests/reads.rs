//! What is asked for, and what it costs.

use super::acts::acting;
use super::*;
use rusqlite::{StatementStatus, params_from_iter};

each_database! {
    a_filter_on_source_key_or_time_lets_through_what_it_names
    a_read_does_not_wait_for_a_writer_that_cannot_write
}

async fn a_filter_on_source_key_or_time_lets_through_what_it_names(home: Home) {
    let ledger = home.open();
    let of_pod = |number: u32| Opened { source: format!("shop/pod-{}/7", number % 2), ..opened(number) };
    record(&ledger, (0..6).map(|number| of_pod(number).into())).await;
    record(&ledger, [Opened { key: b"key 3".to_vec(), ..of_pod(6) }.into(), resolved(3)]).await;
    let (source, key) = (Some("shop/pod-1/7".to_owned()), Some(b"key 3".to_vec()));
    let (since, before) = (Some(1_002), Some(1_004));
    let none = || Filter { limit: 1, ..Filter::default() };
    for (filter, expected) in [
        (Filter { source: source.clone(), ..none() }, &[5, 3, 1][..]),
        (Filter { key: key.clone(), ..none() }, &[6, 3]),
        (Filter { key: key.clone(), state: Some(State::Opened), ..none() }, &[6]),
        (Filter { key: key.clone(), source, acted: Some(ActedOn::ByNobody), ..none() }, &[3]),
        (Filter { key, acted: Some(ActedOn::By(Mark::Ignored)), ..none() }, &[]),
        (Filter { opened_since_unix_ns: since, ..none() }, &[6, 5, 4, 3, 2]),
        (Filter { opened_before_unix_ns: before, ..none() }, &[3, 2, 1, 0]),
        (Filter { opened_since_unix_ns: since, opened_before_unix_ns: before, ..none() }, &[3, 2]),
    ] {
        assert_eq!(seqs(&ledger, filter.clone(), async || ()).await, expected, "{filter:?}");
    }
}

/// Rows of the ledger whose pages are counted.
const ROWS: u32 = 1_000;
/// Of these, how many somebody did something about.
const ACTED: u32 = 20;
/// Steps of SQLite's machine for an entry of an index that is looked at, or a row that is shown, at most.
const STEPS_PER_ENTRY: u32 = 80;
pub(super) const STEPS_PER_ROW: u32 = 200;
/// Steps for everything that is done once.
pub(super) const STEPS_ONCE: u32 = 1_000;

/// What a page costs in steps, how many rows it has, and how it is found.
pub(super) fn cost(connection: &rusqlite::Connection, filter: &Filter) -> (u32, u32, String) {
    let (sql, parameters) = listing::statement(filter, filter.limit, 10_000);
    let mut statement = connection.prepare(&sql).unwrap();
    let mut rows = statement.query(params_from_iter(&parameters)).unwrap();
    let mut found = 0;
    while rows.next().unwrap().is_some() {
        found += 1;
    }
    drop(rows);
    let steps = statement.get_status(StatementStatus::VmStep).unsigned_abs();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let plan = statement.query_map(params_from_iter(&parameters), |row| row.get::<_, String>("detail"));
    let plan = plan.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("\n");
    (steps, found, plan)
}

/// Every combination of what can be filtered by.
fn combinations() -> impl Iterator<Item = Filter> {
    let states = [None].into_iter().chain(State::ALL.map(Some));
    let acted = [None, Some(ActedOn::ByNobody)];
    let acted = acted.into_iter().chain(Mark::ALL.map(|mark| Some(ActedOn::By(mark))));
    let states_and_acts = states.flat_map(move |state| acted.clone().map(move |acted| (state, acted)));
    states_and_acts.flat_map(|(state, acted)| {
        (0..1_u32 << 8).map(move |chosen| {
            let has = |bit: u32| chosen & (1 << bit) != 0;
            Filter {
                state,
                acted,
                map: has(0).then(|| "odd".into()),
                maps: has(1).then(|| vec!["odd".into(), "even".into()]),
                store: has(2).then(|| "first".into()),
                kind: has(3).then(|| "orphan".into()),
                source: has(4).then(|| "nobody".into()),
                key: has(5).then(|| b"key 7".to_vec()),
                opened_since_unix_ns: has(6).then_some(1_100),
                opened_before_unix_ns: has(6).then_some(1_900),
                after: has(7).then_some(Cursor(900)),
                limit: 10,
            }
        })
    })
}

#[tokio::test]
async fn no_filter_costs_more_than_one_pass_over_an_index() {
    let home = Home::file();
    let ledger = home.open();
    record(&ledger, (0..ROWS).map(|number| opened(number).into())).await;
    record(&ledger, (0..ROWS).filter(|number| number % 2 == 0).map(confirmed)).await;
    record(&ledger, (0..ROWS).filter(|number| number % 3 == 0).map(resolved)).await;
    for number in (1..=ACTED).map(|nth| nth * 30 + 1) {
        assert_eq!(ledger.act(acting(number, Act::Acknowledge, 1)).await.unwrap(), Answer::Done);
    }
    let connection = schema::open_to_read(&home.path()).unwrap();
    let mut count = 0;
    for filter in combinations() {
        let (steps, found, plan) = cost(&connection, &filter);
        let entries = match (&filter.key, filter.acted) {
            (Some(_), _) => 1,
            (None, Some(ActedOn::By(Mark::Acknowledged))) => ACTED,
            (None, Some(ActedOn::By(Mark::Ignored))) => 0,
            (None, _) => ROWS,
        };
        let steps_max = STEPS_ONCE + entries * STEPS_PER_ENTRY + found * STEPS_PER_ROW;
        assert!(steps <= steps_max, "{steps} steps, not {steps_max}: {filter:?}\n{plan}");
        assert!(!plan.contains("SCAN divergence") && !plan.contains("SCAN act"), "{filter:?}\n{plan}");
        count += 1;
    }
    assert_eq!(count, 4 * 4 * 256);
}

#[tokio::test]
async fn a_page_costs_the_same_however_many_rows_come_after_it() {
    let home = Home::file();
    let ledger = home.open();
    record(&ledger, (0..ROWS).map(|number| opened(number).into())).await;
    let connection = schema::open_to_read(&home.path()).unwrap();
    for state in [None, Some(State::Opened)] {
        for acted in [None, Some(ActedOn::ByNobody)] {
            let filter = Filter { state, acted, map: Some("odd".into()), limit: 10, ..Filter::default() };
            let (steps, found, plan) = cost(&connection, &filter);
            assert_eq!(found, 10);
            assert!(steps <= STEPS_ONCE + 10 * STEPS_PER_ROW, "{steps} steps: {filter:?}\n{plan}");
        }
    }
}

async fn a_read_does_not_wait_for_a_writer_that_cannot_write(home: Home) {
    let ledger = home.open();
    record(&ledger, [opened(1).into()]).await;
    home.leave_no_room("divergence");
    ledger.record(vec![opened(2).into()]).await.unwrap();
    ledger.catch_up().await.unwrap();
    assert_eq!(seqs(&ledger, Filter::default(), async || ()).await, [1], "what is there is shown");
    home.make_room("divergence");
    ledger.flush().await.unwrap();
}
