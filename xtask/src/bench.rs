//! `cargo xtask bench`: builds what ships, as it ships, and measures it. The bench itself is a binary of the package
//! `counterfoil-tests`; it runs another one that counts memory, and writes `docs/benchmarks.md`.

use crate::{Done, cargo};

pub(crate) fn run() -> Done {
    cargo::run(&["build", "--release", "--package", "counterfoil"])?;
    cargo::run(&["build", "--release", "--package", "counterfoil-tests", "--bin", "bench-memory"])?;
    cargo::run(&["run", "--release", "--package", "counterfoil-tests", "--bin", "bench"])
}
