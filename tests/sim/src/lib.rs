//! The deterministic simulation.

pub mod arena;
pub mod delivery;
pub mod faults;
pub mod oracle;
pub mod plan;
pub mod queue;
pub mod run;
pub mod transcript;
pub mod values;
pub mod watch;
pub mod world;
