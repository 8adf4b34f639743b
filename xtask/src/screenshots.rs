//! `cargo xtask screenshots`: the comparator's pages as a browser shows them, for the documentation.

use crate::{Done, cargo, tools};

/// The test that goes through all pages.
const TEST: &str = "every_page_is_shown_without_a_complaint_on_every_screen";

pub(crate) fn run() -> Done {
    if tools::on_path("chromium").is_none() {
        tools::apt_install(&["chromium"])?;
    }
    let chromium = tools::on_path("chromium").ok_or_else(|| tools::please_install(&["chromium"]))?;
    let folder = cargo::root().join("docs/img");
    let test = ["test", "--package", "counterfoil-tests", "--test", "dashboard_pages", "--", TEST];
    cargo::run_with(&test, |command| {
        command.env("COUNTERFOIL_TEST_CHROMIUM", chromium).env("COUNTERFOIL_SCREENSHOTS", folder);
    })
}
