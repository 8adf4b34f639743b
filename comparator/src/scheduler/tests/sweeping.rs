//! What is read though nothing waits for it.

use super::budgets::{names, pass, write};
use super::*;
use crate::sweep::Settings;
use crate::table::Seen;

const S: i64 = 1_000;

/// Reads of the cart's store up to so many keys a second, and of every key at rest within `every_s`.
fn sweeping(trial: &Trial, keys_per_s: f64, every_s: i64) -> Scheduler {
    let unbounded = trial.engine.contracts().readers()[0].bounds();
    Scheduler::new(trial.engine.clone(), vec![Bounds { keys_per_s, ..unbounded }])
        .sweeping(&Settings { keys_every: Some(every_s * 1_000_000_000), rows_per_s: None })
}

fn with(keys: usize) -> Trial {
    let trial = Trial::new();
    write(&trial, "a", &names("k", keys), 0);
    trial
}

#[test]
fn without_a_sweep_a_key_at_rest_is_not_read_again() {
    let trial = with(100);
    let mut scheduler = scheduler(&trial, 4, 100);
    assert_eq!(pass(&mut scheduler, (20, 100), |_| Ok(A)).confirmed(), 100);
    assert!(pass(&mut scheduler, (100, 100 * S), |_| Ok(B)).read.is_empty());
    assert!(scheduler.swept().all(|swept| swept.keys.is_none()));
}

#[test]
fn each_key_at_rest_is_read_once_in_a_round_evenly_over_its_time() {
    let trial = with(1_000);
    let mut scheduler = sweeping(&trial, f64::INFINITY, 100);
    assert_eq!(pass(&mut scheduler, (20, 99 * S), |_| Ok(A)).read.len(), 1_000, "each has just been written");
    pass(&mut scheduler, (99 * S, 101 * S), |_| Ok(A));
    let mut seconds = Vec::new();
    let mut read = Vec::new();
    for second in 101..201 {
        let past = pass(&mut scheduler, (second * S, (second + 1) * S), |_| Ok(A));
        assert!(past.ended.is_empty() && past.turns.is_empty(), "no event waits, and nothing is wrong");
        seconds.push(past.read.len());
        read.extend(past.read);
    }
    read.sort_unstable();
    read.dedup();
    assert!(read.len() >= 990 && seconds.iter().sum::<usize>() <= 1_020, "{} {seconds:?}", read.len());
    assert!(seconds.iter().all(|keys| (1..=30).contains(keys)), "evenly: {seconds:?}");
    let swept = scheduler.swept().next().unwrap().keys.unwrap();
    assert_eq!(swept.rounds, 2, "{swept:?}");
    assert!((100.0..101.0).contains(&(swept.last_round.unwrap() as f64 / 1e9)), "{swept:?}");
}

#[test]
fn a_store_that_changed_under_a_key_at_rest_is_told_as_divergent_once_and_resolves_when_it_is_mended() {
    let trial = with(10);
    let mut scheduler = sweeping(&trial, f64::INFINITY, 10);
    pass(&mut scheduler, (20, 10 * S), |_| Ok(A));
    let found = pass(&mut scheduler, (10 * S, 31 * S), |key| Ok(if key == "k3" { B } else { A }));
    assert_eq!((&found.turns[..], found.ended.len()), (&[Turn::Opened, Turn::Confirmed][..], 0));
    let mended = pass(&mut scheduler, (31 * S, 51 * S), |_| Ok(A));
    assert_eq!(mended.turns, [Turn::Resolved("agreed")]);
}

#[test]
fn a_sweep_takes_no_more_than_the_idle_share_of_the_budget_and_its_round_takes_longer() {
    let trial = with(2_000);
    let mut scheduler = sweeping(&trial, 1_000.0, 10);
    pass(&mut scheduler, (20, 10 * S), |_| Ok(A));
    let past = pass(&mut scheduler, (10 * S, 30 * S), |_| Ok(A));
    let most = 100 * 20 + 10;
    assert!((1_800..=most).contains(&past.read.len()), "a tenth of 1,000 a second: {}", past.read.len());
    pass(&mut scheduler, (30 * S, 60 * S), |_| Ok(A));
    let swept = scheduler.swept().next().unwrap().keys.unwrap();
    assert!(swept.last_round.unwrap() > 15_000_000_000, "{swept:?}");
}

#[test]
fn a_store_that_does_not_answer_is_not_swept_and_nothing_is_made_up_for() {
    let trial = with(1_000);
    let mut scheduler = sweeping(&trial, f64::INFINITY, 100);
    pass(&mut scheduler, (20, 110 * S), |_| Ok(A));
    let down = pass(&mut scheduler, (110 * S, 170 * S), |_| Err(Reason::Store));
    assert!(down.read.len() < 40, "a key at a time: {}", down.read.len());
    assert!(down.ended.is_empty() && down.turns.is_empty());
    let back = pass(&mut scheduler, (180 * S, 190 * S), |_| Ok(A));
    assert!((80..=130).contains(&back.read.len()), "ten a second, as before: {}", back.read.len());
}

#[test]
fn fresh_writes_go_before_the_sweep_and_end_as_they_would_without_it() {
    let trial = with(2_000);
    let mut scheduler = sweeping(&trial, 200.0, 10);
    pass(&mut scheduler, (20, 20 * S), |_| Ok(A));
    for second in 20..30 {
        write(&trial, &second.to_string(), &names(&format!("{second}-"), 150), second * S);
    }
    let past = pass(&mut scheduler, (20 * S, 33 * S), |_| Ok(A));
    assert_eq!(past.confirmed(), 1_500, "{:?}", past.ended);
    assert!(past.read.len() > 1_600, "and some of the sweep: {}", past.read.len());
}

/// The same, and goes through the rows of the store.
fn scanning(trial: &Trial, every_s: i64) -> Scheduler {
    let unbounded = trial.engine.contracts().readers()[0].bounds();
    let settings = Settings { keys_every: Some(every_s * 1_000_000_000), rows_per_s: Some(1_000_000) };
    Scheduler::new(trial.engine.clone(), vec![Bounds { concurrency: 2, ..unbounded }]).sweeping(&settings)
}

/// Lets the next page come back at once, with these rows of the cart, each of which holds `A`; of other maps there are none. Gives
/// whether it was one of the cart.
fn turn_page(scheduler: &mut Scheduler, now: i64, rows: &[String], next: Option<&[u8]>) -> bool {
    let Some(PageRequest { store, wanted }) = scheduler.next_pages(at(now)).pop() else { return false };
    let is_cart = wanted.map == CART;
    let scanned = |key: &String| Scanned { key: key.clone().into_bytes(), seen: Ok(Seen::new(A, None)) };
    let rows: Vec<_> = rows.iter().filter(|_| is_cart).map(scanned).collect();
    let (at_now, next) = (Interval::new(at(now), at(now)), next.filter(|_| is_cart).map(<[u8]>::to_vec));
    let page =
        PageBack { store, map: wanted.map, at: at_now, ending: Ending::Answered, rows: rows.len(), next };
    let follows = scheduler.turn_page(&page, at(now));
    assert_eq!(
        follows.is_some(),
        page.next.is_some(),
        "the next one is asked for before this one is compared"
    );
    scheduler.compare_page(&page, &rows, at(now));
    is_cart
}

#[test]
fn after_a_round_over_the_rows_only_those_keys_are_looked_up_that_no_row_showed() {
    let trial = with(100);
    let mut scheduler = scanning(&trial, 10);
    pass(&mut scheduler, (20, 11 * S), |_| Ok(A));
    let shown = names("k", 97);
    assert!(pass(&mut scheduler, (11 * S, 12 * S), |_| Ok(A)).read.is_empty(), "the rows come first");
    let carts = (0..8).filter(|_| turn_page(&mut scheduler, 12 * S, &shown, None)).count();
    assert!(carts >= 1, "each map has its turn");
    let past = pass(&mut scheduler, (12 * S, 23 * S), |_| Ok(A));
    assert_eq!(past.read.len(), 3, "{:?}", past.read);
}

#[test]
fn where_a_round_over_the_rows_takes_too_long_the_keys_are_looked_up_all_the_same() {
    let trial = with(100);
    let mut scheduler = scanning(&trial, 10);
    pass(&mut scheduler, (20, 11 * S), |_| Ok(A));
    assert!(pass(&mut scheduler, (11 * S, 20 * S), |_| Ok(A)).read.is_empty());
    turn_page(&mut scheduler, 20 * S, &names("k", 10), Some(b"k10"));
    let past = pass(&mut scheduler, (20 * S, 31 * S), |_| Ok(A));
    assert!((90..=100).contains(&past.read.len()), "evenly over its time: {}", past.read.len());
}
