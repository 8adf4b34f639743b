//! How others check, over the same worlds: does Counterfoil find more, and say less that is wrong?
//!
//! ```text
//! scene (a world with a hot share and a clock error) ─▶ timer (the rivals) | ours ─▶ findings ─▶ tally ─▶ page
//! ```
//!
//! Modules are read in that order. Every checker watches the same world, is told of the same writes, and is measured by
//! the faults that were in effect when it read the store. `contest` runs them all; `page` writes `docs/accuracy.md`.

mod block;
mod contest;
mod findings;
mod ours;
mod page;
mod scene;
mod tally;
mod timer;
mod words;

#[cfg(test)]
mod tests;

pub use block::{Figures, fill, keep};
pub use contest::{CLOCK_ERRORS, Contest, HOT_SHARES, Named, Ours, RIVALS, Round};
pub use findings::{Alarm, Findings, faults_in_effect};
pub use page::page;
pub use scene::{COLD_KEYS, DEADLINE, FAULTS_PER_KIND, FROZEN, HOT_KEYS, LENGTH, SECOND, SOURCES, Scene};
pub use tally::{OfKind, TAIL, Tally};
pub use timer::{Rival, Timer};
