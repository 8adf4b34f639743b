//! A store that cannot be reached for a while, while writes go on: nobody can tell, nothing is invented, and checks resume
//! by themselves.

use crate::stores::{Kind, Store, To};
use crate::system::{SHARED, System, store};
use counterfoil_emitter::StoreOutcome;
use counterfoil_tests::summary::Summary;

/// Events that are to end one way before the next step.
pub(crate) const EVENTS: u64 = 10;

/// Runs the row for one kind of store.
pub(crate) fn row(kind: Kind) {
    let mut system = System::start(Store::alone(kind));
    system.write_until("the first writes are confirmed", |summary| confirmed(summary) >= EVENTS);
    system.store.door.shut();
    system.write_until("the store is down", |it| store(it) == ("down", Some("connect")));
    system.put_without_store("lost meanwhile", StoreOutcome::Ok);
    system.write_until("events end undetermined", |it| undetermined(it) >= EVENTS);
    if system.store.door.silence() {
        system.write_until("the store says nothing", |it| store(it) == ("down", Some("timeout")));
    }
    system.store.door.open(To::Primary);
    back(system, &[("lost meanwhile", "missing")]);
}

/// The store can be reached again: fresh writes are confirmed, what was `lost` is found, and nothing else is.
pub(crate) fn back(mut system: System, lost: &[(&str, &str)]) {
    resumed(&mut system, "checks resume");
    let lost_ones = lost.iter().map(|(key, kind)| ((*key).to_owned(), (*kind).to_owned())).collect();
    assert_eq!(system.found(lost.len()), lost_ones, "found beside lost");
    let summary = system.settled();
    let outcomes = summary.outcomes(SHARED);
    assert_eq!((outcomes.superseded, outcomes.shed), (0, 0), "{summary:#?}");
    assert!(outcomes.divergent <= lost.len() as u64, "{summary:#?}");
    // A store that comes back is read gently at first, which may leave no time for what waited.
    let reasons = summary.maps.get(SHARED).map(|map| &map.undetermined).into_iter().flatten();
    let reasons = reasons.filter(|(reason, _)| ["store", "budget"].contains(&reason.as_str()));
    let for_the_store: u64 = reasons.map(|(_, count)| count).sum();
    assert_eq!(for_the_store, outcomes.undetermined, "for want of the store alone: {summary:#?}");
    system.finish();
}

/// Writes until the store answers, and some more writes are confirmed.
pub(crate) fn resumed(system: &mut System, what: &str) -> Summary {
    let summary = system.write_until(what, |it| !["down", "refusing"].contains(&store(it).0));
    let before = confirmed(&summary);
    system.write_until(what, |summary| confirmed(summary) >= before + EVENTS)
}

pub(crate) fn confirmed(summary: &Summary) -> u64 {
    summary.outcomes(SHARED).confirmed
}

pub(crate) fn undetermined(summary: &Summary) -> u64 {
    summary.outcomes(SHARED).undetermined
}
