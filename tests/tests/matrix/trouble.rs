//! A store that answers, but not what it is asked: each trouble is told as what it is, nothing is invented, and checks resume
//! by themselves.

use crate::outage::{EVENTS, back, confirmed, resumed, undetermined};
use crate::stores::{Kind, Store};
use crate::system::{System, store};

/// Runs the row for one kind of store.
pub(crate) fn row(kind: Kind) {
    let mut system = System::start(Store::alone(kind));
    let first = |summary: &_| confirmed(summary) >= EVENTS;
    let mut summary = system.write_until("the first writes are confirmed", first);
    for trouble in system.store.server.troubles() {
        let before = undetermined(&summary);
        let (state, reason) = trouble.told;
        system.store.server.execute(trouble.begin);
        system.write_until(trouble.what, |it| {
            store(it) == (state, Some(reason)) && undetermined(it) >= before + EVENTS
        });
        system.store.server.execute(trouble.end);
        summary = resumed(&mut system, trouble.what);
    }
    back(system, &[]);
}
