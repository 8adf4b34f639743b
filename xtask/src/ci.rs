//! `cargo xtask ci`: what `.ci/run` does.

use crate::{Done, cargo, fuzz, supply, test};

/// How long each fuzz target runs: enough to try what is kept, and a little more.
const FUZZ_SECONDS: u32 = 20;

pub(crate) fn run() -> Done {
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    supply::deny()?;
    test::run(&[], None)?;
    fuzz::run(FUZZ_SECONDS, None)
}
