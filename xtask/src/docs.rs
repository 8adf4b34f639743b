//! `cargo xtask docs`: pages that are generated, so that they cannot differ from the code. What writes them links the
//! product, so it is a binary of the package `counterfoil-tests`.

use crate::{Done, cargo};

pub(crate) fn run() -> Done {
    cargo::run(&["run", "--quiet", "--package", "counterfoil-tests", "--bin", "docs"])
}
