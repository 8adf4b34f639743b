//! The sweep: looks again at what nobody wrote to, so that a store which changed under its map is found. Pure: the time is
//! handed in.
//!
//! # Design
//!
//! Keys of the table that are at rest are gone through in the order in which they stand there, evenly over a round
//! ([`keys`]). Each is put among the keys that wait for a read in class [`Idle`](crate::table::Class::Idle): it is read and
//! judged as any other, and no event ends by it.
//!
//! Rows of the store are gone through in key order, page by page ([`rows`]), for those that no map knows. One that the table does
//! not know is put among the keys that wait for a read, as above. A row of a key at rest that agrees stands for the next look at
//! that key; where it does not, the key is looked up at once. So of a store whose rows are gone through only those keys are
//! looked up that a scan did not show: a row costs a fraction of a lookup. Nothing is concluded from a page but that.
//!
//! # Invariants
//!
//! - The sweep takes no more than the share of a store's rate that is left to idle keys, and nothing while the store does not
//!   answer or while keys of that class wait; but where rows are gone through, a page follows each time that such keys were read.
//! - What it was kept from doing for longer than a moment it does not make up for: a round takes longer then.

pub mod keys;
pub mod rows;

use crate::contract::MapId;

/// What is swept, and how fast.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long a round over the keys takes at least, in nanoseconds; `None` for no rounds.
    pub keys_every: Option<i64>,
    /// How many rows of a store are gone through a second, at most; `None` for none.
    pub rows_per_s: Option<u32>,
}

/// How far the sweep has come in one store.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Progress {
    /// Over the keys of the table; `None` if they are not swept.
    pub keys: Option<keys::Progress>,
    /// Over the rows of the store, for each check whose rows are gone through.
    pub rows: Vec<(MapId, rows::Progress)>,
}
