//! The scripts in the README and in the pages for beginners run, as they stand there.

use counterfoil_tests::script::{has, typed};
use counterfoil_tests::stores::postgres_url;
use counterfoil_tests::{free_port, text_of, unique};

/// Runs what a text says to type in a folder of its own, with some words put in place of others; gives what it printed.
fn typed_alone(text: &str, replaced: &[(&str, &str)]) -> String {
    // Other tests run at the same time, so the ports are others than those that are printed.
    let ports = ["7411", "7413"].map(|port| (port, free_port().to_string()));
    let ports = ports.iter().map(|(port, free)| (*port, free.as_str()));
    // The ports come first: a database may be at a port with the same digits.
    let replaced: Vec<_> = ports.chain(replaced.iter().copied()).collect();
    typed(text, &replaced, tempfile::tempdir().expect("a folder").path())
}

#[test]
fn what_the_readme_says_to_type_shows_a_verdict() {
    let readme = text_of("README.md");
    let section = readme.split("\n## ").find(|it| it.starts_with("Watch something")).expect("the section");
    has(&typed_alone(section, &[]), &["\"key\":\"user-8\"", "\"kind\":\"missing\"", "\"confirmed\":1"]);
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
    let text = text_of("docs/first-check-postgres.md");
    let shown = typed_alone(&text, &[("127.0.0.1:5432/shop", &place), ("counterfoil_reader", &role)]);
    has(&shown, &["an index serves the lookup", "read only", "0 warnings, 0 errors"]);
    has(&shown, &["\"key\":\"user-7\"", "\"kind\":\"stale\"", "\"confirmed\":1", "\"state\":\"resolved\""]);
}
