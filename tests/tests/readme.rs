//! The scripts in the README and in the pages for beginners run, as they stand there.

use counterfoil_tests::stores::postgres_url;
use counterfoil_tests::{counterfoil, free_port, unique};
use std::path::Path;
use std::process::Command;

/// Seconds after which a script is ended; it takes a few.
const SCRIPT_SECONDS_MAX: &str = "120";

fn page(path: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// Runs what a text says to type, with some words put in place of others; gives what it printed.
fn typed(text: &str, replaced: &[(&str, &str)]) -> String {
    let script =
        text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect::<String>();
    // Other tests run at the same time, so the ports are others than those that are printed.
    let ports = ["7411", "7413"].map(|port| (port, free_port().to_string()));
    let ports = ports.iter().map(|(port, free)| (*port, free.as_str()));
    // The ports come first: a database may be at a port with the same digits.
    let script =
        ports.chain(replaced.iter().copied()).fold(script, |text, (old, new)| text.replace(old, new));

    let folder = tempfile::tempdir().expect("a folder");
    let programs = counterfoil().parent().expect("a program is in a folder").display();
    let mut command = Command::new("timeout");
    command.args([SCRIPT_SECONDS_MAX, "bash", "-euo", "pipefail", "-c"]);
    command.arg(format!("PATH={programs}:$PATH\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"));
    let output = command.current_dir(folder.path()).output().expect("bash runs");
    let (shown, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ended with {}:\n{shown}\n{log}", output.status);
    shown.into_owned()
}

fn has(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "{part} in:\n{shown}");
    }
}

#[test]
fn what_the_readme_says_to_type_shows_a_verdict() {
    let readme = page("README.md");
    let section = readme.split("\n## ").find(|it| it.starts_with("Watch something")).expect("the section");
    has(&typed(section, &[]), &["\"key\":\"user-8\"", "\"kind\":\"missing\"", "\"confirmed\":1"]);
}

#[test]
fn what_the_page_about_postgres_says_to_type_shows_a_divergence_and_its_end() {
    let (database, role) = (unique("shop"), unique("reader"));
    let server = postgres_url();
    let mut owner = postgres::Client::connect(&server, postgres::NoTls).expect("Postgres answers");
    owner.batch_execute(&format!("CREATE DATABASE {database}")).expect("a new database");
    let (place, _) = server.rsplit_once('/').expect("a URL names a database");
    let (_, address) = place.split_once('@').expect("a URL names a user");
    let place = format!("{address}/{database}");
    let text = page("docs/first-check-postgres.md");
    let shown = typed(&text, &[("127.0.0.1:5432/shop", &place), ("counterfoil_reader", &role)]);
    has(&shown, &["an index serves the lookup", "read only", "0 warnings, 0 errors"]);
    has(&shown, &["\"key\":\"user-7\"", "\"kind\":\"stale\"", "\"confirmed\":1", "\"state\":\"resolved\""]);
}
