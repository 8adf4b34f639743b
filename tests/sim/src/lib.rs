//! The deterministic simulation: the real batcher of the sidecar, the real engine and the real scheduler of the comparator,
//! in virtual time. Applications, clocks, networks and the store are simulated, and an oracle knows the truth.
//!
//! ```text
//! plan ─▶ world (application, map, store, clocks, planted faults) ─▶ delivery (emitter, batcher, network, engine) ─▶ oracle
//! ```
//!
//! Modules are read in that order. A run draws its [`plan`] from a seed, lets a [`world`] happen, and whoever
//! [`watch`]es it acts in the same time; [`delivery`] is Counterfoil watching, [`oracle`] checks each of its words.
//!
//! # Invariants
//!
//! - The same seed gives the same bytes: no clock is read, no thread runs, and nothing that is iterated over has an order
//!   of its own. The [`transcript`] proves it.
//! - The world is the same whoever watches: it has its own source of chance, and nobody can change it.
//! - What the comparator assumes (see ARCHITECTURE.md) is kept by the plan in one place, so that whatever the oracle
//!   finds is a fault of the comparator, or of an assumption that nobody wrote down.

pub mod arena;
pub mod delivery;
pub mod faults;
pub mod oracle;
pub mod plan;
pub mod queue;
pub mod report;
pub mod rivals;
pub mod run;
pub mod transcript;
pub mod values;
pub mod watch;
pub mod world;
