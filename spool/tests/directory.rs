//! A real file system.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

mod support;

use counterfoil_spool::{Directory, Log, OpenError, Options, Spool, SpoolOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use support::{entries, options};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_appended_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let (mut log, recovered) = Log::open(Directory::open(&path).unwrap(), options()).unwrap();
    assert_eq!((recovered.first, recovered.next), (1, 1));
    assert_eq!(log.append(&entries(20)).unwrap(), 1..21);
    assert_eq!(log.sync().unwrap(), 20);
    log.set_cursor(b"here", true).unwrap();
    log.trim(8);
    drop(log);
    let (log, recovered) = Log::open(Directory::open(&path).unwrap(), options()).unwrap();
    assert_eq!((recovered.first, recovered.next, recovered.gaps.len()), (7, 21, 0));
    assert_eq!(recovered.cursor.as_deref(), Some(&b"here"[..]));
    let read = log.reader().read(1, usize::MAX).unwrap();
    assert!(read.entries.iter().map(|numbered| &numbered.entry).eq(&entries(20)[6..]));
}

#[test]
fn nobody_else_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let (mut log, _) = Log::open(Directory::open(&path).unwrap(), options()).unwrap();
    log.append(&entries(1)).unwrap();
    log.set_cursor(b"here", false).unwrap();
    assert_eq!(mode(&path), 0o700);
    for name in ["0000000000000001.seg", "cursor", "lock"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_segment_is_as_long_on_disk_as_it_will_be_and_then_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 100_000, is_durable: false, ..options() };
    let name = folder.path().join("0000000000000001.seg");
    let (mut log, _) = Log::open(Directory::open(folder.path()).unwrap(), options.clone()).unwrap();
    log.append(&entries(1)).unwrap();
    assert_eq!(std::fs::metadata(&name).unwrap().len(), 32 + 100_000);
    let used = log.used_bytes();
    drop(log);
    Log::open(Directory::open(folder.path()).unwrap(), options).unwrap();
    assert_eq!(std::fs::metadata(&name).unwrap().len(), used);
}

#[test]
fn a_directory_in_use_is_refused_until_its_log_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(Directory::open(folder.path()).unwrap(), options()).unwrap();
    let again = || Log::open(Directory::open(folder.path()).unwrap(), options());
    assert!(matches!(again(), Err(OpenError::Locked)));
    let reader = log.reader();
    drop(log);
    assert!(again().is_ok(), "a reader does not hold the lock");
    drop(reader);
    let error = Spool::start(&folder.path().join("lock/in a file"), SpoolOptions::default()).err();
    assert!(matches!(error, Some(OpenError::Io { .. })));
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::write(&elsewhere, b"not ours").unwrap();
    let path = folder.path().join("made");
    std::fs::create_dir(&path).unwrap();
    symlink(&elsewhere, path.join("0000000000000001.new")).unwrap();
    symlink(&elsewhere, path.join("lock")).unwrap();
    assert!(Log::open(Directory::open(&path).unwrap(), options()).is_err());
    std::fs::remove_file(path.join("lock")).unwrap();
    let (mut log, _) = Log::open(Directory::open(&path).unwrap(), options()).unwrap();
    log.append(&entries(1)).unwrap();
    assert_eq!(std::fs::read(&elsewhere).unwrap(), b"not ours");
}
