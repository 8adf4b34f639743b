//! `cargo xtask ci`: what `.ci/run` does.

use crate::{Done, cargo, test};

pub(crate) fn run() -> Done {
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    test::run(&[], None)
}
