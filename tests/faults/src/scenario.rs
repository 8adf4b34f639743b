//! A fault, how it is injected, and what is expected of the system.

use crate::machine::Need;
use crate::plan::Plan;
use crate::promise::{Level, Takes};
use crate::round::Round;
use crate::tools::{Image, Netns};
use tempfile::TempDir;

/// Things of the system that a round is made with; they outlive its processes.
#[derive(Default)]
pub(crate) struct Props {
    pub(crate) disk: Option<Image>,
    pub(crate) network: Option<Netns>,
    pub(crate) scratch: Option<TempDir>,
}

/// How many rounds are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rounds {
    pub(crate) full: u32,
    /// In CI; with 0 the scenario is left out there.
    pub(crate) ci: u32,
}

impl Rounds {
    /// The faults that everything is built for: a process is killed at a random instant.
    pub(crate) const MANY: Self = Self { full: 50, ci: 5 };
    /// The same where there is less to see.
    pub(crate) const MANY_BUT_IN_CI: Self = Self { full: 50, ci: 2 };
    /// Quick and telling.
    pub(crate) const SOME: Self = Self { full: 10, ci: 1 };
    /// Slow, or much like another one.
    pub(crate) const NOT_IN_CI: Self = Self { full: 10, ci: 0 };
}

/// A fault to inject.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// What is done.
    pub(crate) what: &'static str,
    /// What must come of it, besides what every round is held to.
    pub(crate) expected: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) takes: Takes,
    /// The ack levels at which it is felt; all of them if there are none.
    pub(crate) levels: &'static [Level],
    pub(crate) rounds: Rounds,
    /// What `inject` does it to, where one function serves several scenarios.
    pub(crate) subject: &'static str,
    /// Sets up what processes are started with.
    pub(crate) prepare: fn(&mut Plan) -> Result<Props, String>,
    /// Lets the application work, injects the fault and sees the system recover.
    pub(crate) inject: fn(&mut Round<'_>) -> Result<(), String>,
}

/// For scenarios that need nothing prepared.
pub(crate) fn as_it_is(_plan: &mut Plan) -> Result<Props, String> {
    Ok(Props::default())
}
