//! What an application links: it reports the writes of the application's maps to the Counterfoil sidecar of the pod,
//! and never hurts the application.
//!
//! # In five lines
//!
//! ```
//! use counterfoil_emitter::{Emitter, Identity};
//! # use std::{cell::RefCell, collections::HashMap};
//! # let (map, store) = (RefCell::new(HashMap::new()), RefCell::new(HashMap::new()));
//! let emitter = Emitter::connect("/run/counterfoil/emit.sock", Identity::new("cart"))?;
//! let carts = emitter.map("cart");
//! let stored: Result<(), std::io::Error> = carts.dual_write_put(
//!     "user-7", "2 apples",
//!     || { map.borrow_mut().insert("user-7", "2 apples"); },
//!     || { store.borrow_mut().insert("user-7", "2 apples"); Ok(()) },
//! );
//! # stored?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`MapEmitter::dual_write_put`] runs both closures, one after the other, and gives back what the second one
//! returned; the event that it emits carries the interval of each and the outcome of the store call. Asynchronous
//! code takes the same thing apart: [`MapEmitter::begin_put`] and [`DualWrite`]. Who only changes a map, and leaves the
//! store to somebody else, calls [`MapEmitter::put`]; the map's contract then says when the store may follow.
//! [`WatchedMap`] is a map that reports itself. A process that keeps a copy of what the store holds, as caches do, tells
//! by [`MapEmitter::fill`] and [`MapEmitter::evict`] that its copy changed and the store was not written to.
//!
//! What a map held before anybody watched it is told by a snapshot: [`WatchedMap::watch`] with [`WatchedMap::snapshot`], or
//! [`MapEmitter::snapshot`] for a map of another kind.
//!
//! # What it promises
//!
//! - **No call blocks, panics or changes a result.** An event goes into a bounded ring or is counted as lost. One
//!   background thread does everything else. Only [`Emitter::flush`], [`Emitter::close`] and a snapshot's own calls wait,
//!   for as long as they are told to.
//! - **No loss is silent.** Each event takes exactly one sequence number: either in a frame, or in a declared loss that
//!   travels with the next heartbeat and says how many, why, when, and which keys may be concerned.
//! - **The watermark is true**: when a heartbeat says that everything begun before an instant was reported, it was. The
//!   module doc of `open` has the protocol and why it holds.
//! - **Everything is bounded**: [`Options`] has the bounds that an application may want to move, `limits` the others.
//!
//! # How it goes
//!
//! ```text
//! put ─▶ open slot ─▶ ring ─▶ writer thread: number, pack into frames ─▶ outbox ─▶ socket
//!            │          └ full: loss ledger ──▶ declared in a heartbeat ──▶┘   └ kept until acknowledged
//!            └─────────── scanned for the watermark of each heartbeat
//! ```
//!
//! After a lost connection the outbox is sent again from the first frame that the sidecar has not seen; the sidecar
//! drops what it has already, by sequence number. While the sidecar is away the ring fills, and then events are lost
//! and counted: the application goes on.
//!
//! # Order
//!
//! The emitter's sequence numbers say nothing about the order in which the map changed, so `Hello` always declares
//! interval order. An event that has a [map order](DualWrite::order) is ordered by it: the comparator takes a map order
//! that is present as exact within its source. Numbers are exact only if they are taken under the lock that guards the
//! change, which is what [`WatchedMap`] does.

mod emitter;
mod event;
mod flush;
mod identity;
mod limits;
mod losses;
mod map;
mod open;
mod ring;
mod room;
mod shared;
mod snapshot;
mod stats;
mod trace;
mod waker;
mod watched;
mod write;
mod writer;

pub use counterfoil_judge::{Interval, Reported, StoreOutcome, Time};
pub use emitter::{ConnectError, Emitter};
pub use event::{Change, Report};
pub use identity::{Identity, IdentityError};
pub use limits::{AckLevel, Options};
pub use map::{MapEmitter, OpenWrite};
pub use snapshot::{Chunk, Snapshot};
pub use stats::{LostCounts, Stats};
pub use watched::WatchedMap;
pub use write::DualWrite;
