//! The same comparison by reladiff: the store's table with the map's, one as good as the other.

use super::tables::{Differences, Tables};
use counterfoil_clock::now;
use counterfoil_tests::environment;
use counterfoil_tests::stores::postgres_url;
use std::collections::BTreeSet;
use std::process::Command;

/// Its two ways.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// It bisects both tables by checksums, as it must where they are not in one database.
    Hashdiff,
    /// It lets the server join them.
    Joindiff,
}

/// One for each processor.
const THREADS: &str = "2";

/// How long it takes in seconds.
pub(crate) fn took_s(tables: &Tables, way: Way) -> f64 {
    let way = match way {
        Way::Hashdiff => "hashdiff",
        Way::Joindiff => "joindiff",
    };
    let program = environment("COUNTERFOIL_BENCH_RELADIFF").expect("`cargo xtask bench` installs reladiff");
    let mut command = Command::new(program);
    command.arg(url()).args([&tables.store, &tables.map]);
    command.args(["--key-columns", "id", "--columns", "v", "--json", "--assume-unique-key"]);
    command.args(["--algorithm", way, "--threads", THREADS]);
    // It breaks lines at the width of a terminal.
    command.env("COLUMNS", "1000");
    let begun = now();
    let output = command.output().expect("reladiff runs");
    let took_s = now().since(begun) as f64 / 1e9;
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(differences(&told), *tables.planted(), "{way} finds what was planted");
    took_s
}

/// It knows the scheme by another name.
fn url() -> String {
    postgres_url().replacen("postgres://", "postgresql://", 1)
}

/// Its lines are `["-", ["17", …]]` for a row that only the first table has, with `+` for the second.
fn differences(lines: &str) -> Differences {
    let (mut store, mut map) = (BTreeSet::new(), BTreeSet::new());
    for line in lines.lines() {
        let (sign, row): (String, Vec<String>) = serde_json::from_str(line).expect("a sign and a row");
        let key = row.first().and_then(|key| key.parse::<u64>().ok()).expect("a number");
        if sign == "-" {
            store.insert(key)
        } else {
            map.insert(key)
        };
    }
    Differences { changed: &store & &map, missing: &map - &store, extra: &store - &map }
}
