//! `bench-spool DIRECTORY durable|buffered`: opens a spool, in a process that does nothing else, and prints how long that took
//! and how much memory. The program `bench` runs it.

use counterfoil_clock::now;
use counterfoil_spool::{Directory, Log, Options};
use counterfoil_tests::memory::peak_bytes;
use serde_json::json;
use std::io::Write;
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, how] = &arguments[..] else { panic!("a directory, and durable or buffered") };
    let is_durable = match how.as_str() {
        "durable" => true,
        "buffered" => false,
        other => panic!("durable or buffered, not {other}"),
    };
    let begun = now();
    let files = Directory::open(Path::new(directory)).expect("the directory is there");
    let (log, recovered) = Log::open(files, Options { is_durable, ..Options::default() }).expect("a spool");
    let seconds = now().since(begun) as f64 / 1e9;
    assert!(
        recovered.gaps.is_empty() && recovered.next > recovered.first,
        "the spool is whole and not empty"
    );
    drop(log);
    let opening = json!({ "seconds": seconds, "peak_bytes": peak_bytes(Some(std::process::id())) });
    writeln!(std::io::stdout(), "{opening}").expect("the reader reads");
}
