#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::args::{Cli, Command};
use clap::Parser;
use counterfoil_keys::{Signer, SigningKey};
use tempfile::TempDir;

/// A bundle that is signed under the key of [`seed`].
const BUNDLE: &[u8] = include_bytes!("../../../evidence/tests/golden/stale.dsse.json");

fn seed() -> SigningKey {
    SigningKey::new([7; 32])
}

/// A folder with the bundle, one in which a byte was changed, and two public keys.
fn prepared() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut changed = BUNDLE.to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let key = |key: &SigningKey| format!("{}\n", Hex(key.public())).into_bytes();
    let other = key(&SigningKey::new([8; 32]));
    let files = [("good", BUNDLE.to_vec()), ("changed", changed), ("key", key(&seed())), ("other", other)];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// What `counterfoil verify` answers and prints; names of files and keys are those in the folder.
fn verify_in(folder: &TempDir, line: &str) -> (Result<Answer, Failure>, String) {
    let path = |word: &str| match folder.path().join(word) {
        path if path.exists() || word == "missing" => path.display().to_string(),
        _ => word.to_owned(),
    };
    let words = ["counterfoil", "verify"].into_iter().map(str::to_owned).chain(line.split(' ').map(path));
    let Command::Verify(args) = Cli::try_parse_from(words).unwrap().command else { panic!("{line}") };
    let mut out = Vec::new();
    let answer = run(&args, &mut out);
    (answer, String::from_utf8(out).unwrap())
}

#[test]
fn a_bundle_holds_under_the_key_that_is_given_and_no_other() {
    let folder = prepared();
    let id = counterfoil_evidence::key_id(&seed().public());
    for (line, answer) in [
        ("good --key key", Answer::Yes),
        ("good --key other", Answer::No),
        ("good --key other --key key", Answer::Yes),
        (&*format!("good --keyid {id}"), Answer::Yes),
        ("good --keyid 00000000000000000000000000000000", Answer::No),
        ("good --trust-embedded", Answer::Yes),
        ("changed --trust-embedded", Answer::No),
        ("good changed --key key", Answer::No),
        ("good good --key key", Answer::Yes),
        ("key --key key", Answer::No),
    ] {
        let (found, printed) = verify_in(&folder, line);
        assert_eq!(found.unwrap(), answer, "{line}: {printed}");
    }
}

#[test]
fn without_a_word_on_whom_to_trust_nothing_is_verified() {
    let error = Cli::try_parse_from(["counterfoil", "verify", "good"]).unwrap_err();
    assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument);
    let said = error.to_string();
    assert!(said.contains("--key") && said.contains("--trust-embedded"), "{said}");
    let error =
        Cli::try_parse_from(["counterfoil", "verify", "good", "--keyid", "12"]).unwrap_err().to_string();
    assert!(error.contains("32 hexadecimal digits"), "{error}");
}

#[test]
fn what_cannot_be_read_is_told_with_its_path() {
    let folder = prepared();
    for (line, what) in
        [("missing --key key", "missing: "), ("good --key good", "needs 64 hexadecimal digits")]
    {
        let error = verify_in(&folder, line).0.unwrap_err().to_string();
        assert!(error.contains(what), "{line}: {error}");
    }
}

#[test]
fn the_report_says_the_verdict_both_digests_and_every_write_with_its_intervals() {
    let (_, printed) = verify_in(&prepared(), "good changed --key key");
    for part in [
        "good: holds, signed under key ",
        "user-7 of map cart, held against store main",
        "confirmed stale by 70 writes, the read is illegal; judged again, with the same result",
        "should show  00000000000000460102030405060708 of shop/pod-1/5 #70",
        "store held   00000000000003840102030405060708",
        "those of 1 batches hold; ",
        "by counterfoil-comparator 0.1.0 on judge-0 at 2025-10-09T08:53:20Z",
        "should have shown",
        "changed: DOES NOT HOLD: ",
    ] {
        assert!(printed.contains(part), "{part} in:\n{printed}");
    }
    let named = printed.lines().find(|line| line.ends_with("should have shown")).unwrap();
    let words: Vec<_> = named.split_whitespace().collect();
    let legs = ["-0.000", "to", "-0.000", "-0.000", "to", "-0.000", "ok"];
    assert_eq!(
        (words[..3].join(" "), &words[3..10]),
        ("shop/pod-1/5 #70 000000000000".to_owned(), &legs[..])
    );
}

#[test]
fn json_has_what_the_bundle_says_and_why_another_does_not_hold() {
    let (_, printed) = verify_in(&prepared(), "good changed --key key --output json");
    let rows: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&rows[0]["holds"], &rows[1]["holds"]), (&true.into(), &false.into()));
    assert_eq!(rows[0]["evidence"]["verdict"]["kind"], "stale");
    assert!(rows[1]["error"].as_str().is_some() && rows[1]["evidence"].is_null(), "{printed}");
}
