//! The reader of recordings: `counterfoil replay` on an arbitrary file.
//!
//! The command has no library, so its modules are compiled in here, as they are.
#![no_main]
#![allow(dead_code, reason = "the modules do more than this target asks of them")]

#[path = "../../cli/src/duration.rs"]
mod duration;
#[path = "../../cli/src/exit.rs"]
mod exit;
#[path = "../../cli/src/output.rs"]
mod output;
#[path = "../../cli/src/replay/mod.rs"]
mod replay;

use clap::Parser;
use libfuzzer_sys::{Corpus, fuzz_target};
use replay::ReplayArgs;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::OnceLock;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    arguments: ReplayArgs,
}

/// The file, and the command with every choice of flags that changes the way through it.
struct Runs {
    file: PathBuf,
    commands: Vec<Command>,
}

const FLAGS: [&[&str]; 4] = [
    &["--output", "json"],
    &["--output", "json", "--map-order", "exact"],
    &["--output", "json", "--lead", "1s", "--clock-error", "292h"],
    &["--output", "table", "--deadline", "0"],
];

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&choice, recording)) = input.split_first() else { return Corpus::Reject };
    let runs = runs();
    let choice = usize::from(choice) % FLAGS.len();
    std::fs::write(&runs.file, recording).expect("the file can be written");
    let mut out = Vec::new();
    match replay::run(&runs.commands[choice].arguments, &mut out) {
        Ok(_) if choice < 3 => is_json(&out),
        Ok(_) => assert!(std::str::from_utf8(&out).is_ok()),
        Err(failure) => assert!(failure.to_string().starts_with("line "), "{failure}"),
    }
    Corpus::Keep
});

/// Each line is an object that tells a verdict.
fn is_json(out: &[u8]) {
    let text = std::str::from_utf8(out).expect("text");
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        assert!(row.get("verdict").is_some_and(Value::is_string), "{row}");
    }
}

fn runs() -> &'static Runs {
    static RUNS: OnceLock<Runs> = OnceLock::new();
    RUNS.get_or_init(|| {
        // libFuzzer ends the process without a word, so that nobody would be left to remove the folder.
        let file = tempfile::tempdir().expect("a folder").keep().join("recording");
        let command = |flags: &&[&str]| {
            let path = file.to_str().expect("a path of text");
            Command::parse_from([&["replay", path], *flags].concat())
        };
        let commands = FLAGS.iter().map(command).collect();
        Runs { file, commands }
    })
}
