//! Puts and removes that agree, and a divergence of every kind: each is found under its name, and nothing else is.

use crate::stores::{Kind, Row, Store};
use crate::system::{Lands, SHARED, System};
use counterfoil_emitter::StoreOutcome;
use counterfoil_tests::wait;

/// Keys on which nothing goes wrong.
const KEYS: u64 = 20;

/// A bug on a key of its own, which has the name of the kind that it is to be found as.
struct Bug {
    kind: &'static str,
    /// What happens to the key while all is well.
    before: fn(&mut System, &str),
    plant: fn(&mut System, &str),
    mend: fn(&mut System, &str),
}

const BUGS: [Bug; 9] = [
    bug("missing", |_, _| {}, |system, key| system.put_without_store(key, StoreOutcome::Ok)),
    bug("stale", System::put, |system, key| system.put_without_store(key, StoreOutcome::Ok)),
    bug("resurrected", System::put, System::remove_without_store),
    bug("inverted", System::put, |system, key| system.put_twice(key, Lands::Inverted)),
    bug("foreign", System::put, |system, key| system.put_while(key, |_| Some(strange(None)))),
    bug("corrupt", System::put, |system, key| system.put_while(key, |row| Some(strange(row.version)))),
    bug("partial", System::put, |system, key| system.put_without_store(key, StoreOutcome::Failed)),
    bug("reverted", |system, key| system.put_twice(key, Lands::InOrder), revert),
    Bug {
        kind: "map_behind",
        before: System::put_own_copy,
        plant: System::put_other_copy,
        mend: System::follow,
    },
];

/// A bug that is mended by giving the store what the map holds.
const fn bug(kind: &'static str, before: fn(&mut System, &str), plant: fn(&mut System, &str)) -> Bug {
    Bug { kind, before, plant, mend: System::mend }
}

fn strange(version: Option<u32>) -> Row {
    Row { value: "somebody else's value".to_owned(), version }
}

/// The store goes back to the row before.
fn revert(system: &mut System, key: &str) {
    system.store.server.set(key, system.before.get(key));
}

/// What a bug is found as. Without versions other bytes are a value that nobody reported.
fn kind_of(bug: &Bug, system: &System) -> &'static str {
    match bug.kind {
        "corrupt" if !system.store.keeps_versions() => "foreign",
        kind => kind,
    }
}

/// Runs the row for one kind of store.
pub(crate) fn row(kind: Kind) {
    let mut system = System::start(Store::alone(kind));
    agree(&mut system);
    BUGS.iter().for_each(|bug| (bug.before)(&mut system, bug.kind));
    let summary = system.settled();
    assert_eq!(summary.divergences.opened, 0, "{:#?}", system.harness.divergences());
    BUGS.iter().for_each(|bug| (bug.plant)(&mut system, bug.kind));
    let planted = BUGS.iter().map(|bug| (bug.kind.to_owned(), kind_of(bug, &system).to_owned())).collect();
    assert_eq!(system.found(BUGS.len()), planted, "found beside planted");
    let summary = system.settled();
    let outcomes = summary.outcomes(SHARED);
    assert_eq!((outcomes.undetermined, outcomes.shed), (0, 0), "{summary:#?}");
    BUGS.iter().for_each(|bug| (bug.mend)(&mut system, bug.kind));
    let summary = wait::until("every divergence to resolve", || {
        let summary = system.harness.summary();
        (summary.divergences.resolved >= BUGS.len() as u64).then_some(summary)
    });
    assert_eq!(summary.divergences.opened, BUGS.len() as u64, "{:#?}", system.harness.divergences());
    system.finish();
}

/// Puts, puts over them and removes, all of which are confirmed.
fn agree(system: &mut System) {
    let writes: [fn(&mut System, &str); 3] = [System::put, System::put, System::remove];
    for write in writes {
        (0..KEYS).for_each(|number| write(system, &format!("key {number}")));
        let summary = system.settled();
        assert_eq!(summary.outcomes(SHARED).confirmed, system.events, "{summary:#?}");
    }
    let copied = "a copy that follows";
    let writes: [fn(&mut System, &str); 3] = [System::put_own_copy, System::put_other_copy, System::follow];
    writes.iter().for_each(|write| write(system, copied));
    system.settled();
}
