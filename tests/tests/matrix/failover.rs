//! The store's address leads to another server that holds the same: no false alarm, and checks resume by themselves.

use crate::outage::{EVENTS, back, confirmed, undetermined};
use crate::stores::{Kind, Store, To};
use crate::system::{System, store};

/// Runs the row for one kind of store.
pub(crate) fn row(kind: Kind) {
    let mut system = System::start(Store::with_standby(kind));
    system.write_until("the first writes are confirmed", |summary| confirmed(summary) >= EVENTS);
    system.store.door.shut();
    system.write_until("the store is down", |it| store(it) == ("down", Some("connect")));
    if system.store.tells_standby() {
        system.store.door.open(To::Standby);
        system.write_until("the standby is refused", |it| store(it) == ("down", Some("standby")));
        system.store.door.shut();
    }
    system.write_until("events end undetermined", |it| undetermined(it) >= EVENTS);
    system.store.server.promote();
    system.store.door.open(To::Standby);
    back(system, &[]);
}
