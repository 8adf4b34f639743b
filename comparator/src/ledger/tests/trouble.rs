//! When there is more than anybody expects, or no room for it.

use super::outbox::route;
use super::reads::{STEPS_ONCE, STEPS_PER_ROW, cost};
use super::*;

/// As many divergences at once as the ledger keeps rows.
const FLOOD: u32 = ROWS_MAX;

/// Transitions that are handed over at a time.
const HANDED_OVER: u32 = 10_000;

/// Each in the map of its own parity, opened and not resolved.
async fn flood(ledger: &Ledger, numbers: std::ops::Range<u32>) {
    for first in numbers.clone().step_by(HANDED_OVER as usize) {
        let some = first..numbers.end.min(first + HANDED_OVER);
        ledger.record(some.map(|number| opened(number).into()).collect()).await.unwrap();
    }
    ledger.flush().await.unwrap();
}

#[tokio::test]
async fn a_million_divergences_at_once_are_all_counted_and_a_page_costs_no_more_and_a_message_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let told = Route { on: BTreeSet::from([State::Opened]), ..route() };
    let ledger = Ledger::open_with(&path, vec![told], |_| ()).unwrap();
    flood(&ledger, 0..FLOOD).await;
    let counts = ledger.counts().await.unwrap();
    let of = |map: &str| counts.iter().filter(|of| of.map == map).map(|of| of.count).sum::<u64>();
    assert_eq!((of("odd"), of("even")), (u64::from(FLOOD / 2), u64::from(FLOOD / 2)));
    assert_eq!((ledger.stats().written, ledger.stats().orphans), (FLOOD.into(), 0));

    let connection = schema::open_to_read(&path).unwrap();
    let odd = || Some("odd".to_owned());
    for filter in [
        Filter::default(),
        Filter { state: Some(State::Opened), acted: Some(ActedOn::ByNobody), ..Filter::default() },
        Filter { map: odd(), after: Some(Cursor(500_000)), ..Filter::default() },
    ] {
        let (steps, found, plan) = cost(&connection, &Filter { limit: 100, ..filter.clone() });
        assert_eq!(found, 100, "{filter:?}");
        assert!(steps <= STEPS_ONCE + 100 * STEPS_PER_ROW, "{steps} steps: {filter:?}\n{plan}");
    }

    let message = ledger.seal("ops".into()).await.unwrap().message.unwrap();
    let turns: u64 = message.groups.iter().flat_map(|group| &group.turns).map(|turns| turns.count).sum();
    let groups: Vec<_> = message.groups.iter().map(|group| (group.map.as_str(), group.open)).collect();
    assert_eq!((groups.len(), turns), (1, groups[0].1), "{groups:?}");
    assert!(serde_json::to_string(&message.groups).unwrap().len() < 10_000, "as small as of ten");
}

each_database! {
    what_there_is_no_room_for_waits_with_whoever_records_and_lands_in_order_once_there_is_room
}

async fn what_there_is_no_room_for_waits_with_whoever_records_and_lands_in_order_once_there_is_room(
    home: Home,
) {
    let ledger = home.open();
    home.leave_no_room("history");
    let count = u32::try_from(QUEUE_MAX + 2 * BATCH_MAX).unwrap();
    let all = (0..count).flat_map(|number| [opened(number).into(), confirmed(number)]).collect();
    let recording = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.record(all).await }
    });
    while ledger.stats().retries < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!recording.is_finished(), "the queue is bounded");
    assert_eq!((ledger.stats().written, ledger.counts().await.unwrap()), (0, Vec::new()));
    home.make_room("history");
    recording.await.unwrap().unwrap();
    ledger.flush().await.unwrap();
    let Stats { written, retries, orphans, .. } = ledger.stats();
    assert_eq!((written, retries, orphans), (2 * u64::from(count), 0, 0));
    let counts = ledger.counts().await.unwrap();
    assert!(counts.iter().all(|of| of.state == State::Confirmed), "{counts:?}");
    assert_eq!(counts.iter().map(|of| of.count).sum::<u64>(), u64::from(count));
}
