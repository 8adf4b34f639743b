//! What a source says of a map that it has told whole.

use crate::time::{nanoseconds, time};
use crate::wire::emit;
use counterfoil_judge::Time;

/// A source has told everything that one of its maps held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The map's name.
    pub map: String,
    /// Every key that had a value in the map at this instant or later was told, in the source's clock.
    pub begin: Time,
    /// None of that has a number below this one.
    pub first_seq: u64,
    /// All of it has a number below this one, but for changes that the watermark does not cover yet.
    pub end_seq: u64,
}

impl From<emit::Snapshot> for Snapshot {
    fn from(wire: emit::Snapshot) -> Self {
        let emit::Snapshot { map, begin_ns, first_seq, end_seq } = wire;
        Self { map, begin: time(begin_ns), first_seq, end_seq }
    }
}

impl From<Snapshot> for emit::Snapshot {
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot { map, begin, first_seq, end_seq } = snapshot;
        Self { map, begin_ns: nanoseconds(begin), first_seq, end_seq }
    }
}
