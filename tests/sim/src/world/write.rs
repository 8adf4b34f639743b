//! One write of the application: what it was meant to do, when it did it, and what its process knows of it.

use super::{Clock, KeyRef, SourceRef};
use crate::faults::FaultKind;
use crate::plan::MapPlan;
use counterfoil_judge::{Reported, StoreOutcome};

/// A span of true time: begin and end.
pub(super) type Span = (i64, i64);

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    /// Who makes it.
    pub source: SourceRef,
    /// To which key.
    pub key: KeyRef,
    /// The value's number; 0 for a remove.
    pub value: u64,
    /// What is to go wrong with it.
    pub fault: Option<FaultKind>,
    /// When it began to want the key.
    pub wanted: i64,
    /// Its map leg: the map changes within.
    pub map: Span,
    /// Its store leg, if the store call is watched.
    pub store: Option<Span>,
    /// What the application was told about the store call.
    pub outcome: StoreOutcome,
    /// Its place among the map's changes of this key.
    pub version: u64,
    /// Its place among all changes its process made to the map.
    pub map_order: Option<u64>,
    /// When the map changed, or was read.
    pub mapped: Option<i64>,
    /// When the store changed.
    pub applied: Option<i64>,
    /// When its process was done with it.
    pub over: Option<i64>,
    /// Nobody writes: a process only read that the map holds the value.
    pub held: bool,
    /// The value is too large to be told.
    pub is_oversized: bool,
    /// Its process died before it was over.
    pub(super) orphaned: bool,
    /// The store call will never have an effect.
    pub(super) dropped: bool,
    /// The application writes the value again, because this write did not reach the store.
    pub(super) repaired: bool,
    /// Nothing goes wrong with it, and nothing takes long.
    pub(super) plain: bool,
    /// It only follows what the store holds; there is no store call.
    pub(super) follows: bool,
}

impl Write {
    pub(super) fn new(source: SourceRef, key: KeyRef, value: u64, wanted: i64) -> Self {
        Self {
            source,
            key,
            value,
            fault: None,
            wanted,
            map: (wanted, wanted),
            store: None,
            outcome: StoreOutcome::Ok,
            version: 0,
            map_order: None,
            mapped: None,
            applied: None,
            over: None,
            held: false,
            is_oversized: false,
            orphaned: false,
            dropped: false,
            repaired: false,
            plain: false,
            follows: false,
        }
    }

    /// Its legs as its process reports them, in the process's clock.
    #[must_use]
    pub fn reported(&self, clock: &Clock) -> Reported {
        let store = self.store.map(|leg| (clock.interval(leg), self.outcome));
        Reported { map: Some(clock.interval(self.map)), store }
    }

    /// Until when the two sides may differ because of it, by the contract and in true time.
    #[must_use]
    pub fn deadline(&self, map: &MapPlan) -> i64 {
        let end = match (self.store, self.outcome) {
            (None, _) => self.map.1,
            (Some(leg), StoreOutcome::Unknown) => self.map.1.max(leg.0),
            (Some(leg), _) => self.map.1.max(leg.1),
        };
        end + map.deadline
    }
}
