//! The bytes of version 1. When these fail, the format has changed: give it a new version and go on reading this one.

mod support;

use counterfoil_spool::faulty::Faulty;
use counterfoil_spool::{Entry, Options};
use std::path::Path;
use support::{entry, open, options, read_all};

const FILES: [&str; 3] = ["0000000000000001.seg", "0000000000000004.seg", "cursor"];

fn entries() -> Vec<Entry> {
    vec![
        entry("source a", "next 7", "first"),
        entry("source b", "next 2", ""),
        Entry { reserved: true, ..entry("source a", "next 9", "lost: 7 and 8") },
        entry("source b", "", "forgotten"),
        entry("", "", "about nobody"),
    ]
}

fn small() -> Options {
    Options { segment_bytes: 150, ..options() }
}

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(name);
    std::fs::read(path).unwrap_or_default()
}

#[test]
fn what_is_written_are_the_bytes_of_version_1() {
    let files = Faulty::default();
    let (mut log, _) = open(&files, &small());
    log.append(&entries()).unwrap();
    log.set_cursor(b"up to 3", true).unwrap();
    drop(log);
    open(&files, &Options { is_durable: false, ..small() });
    let written = Path::new(env!("CARGO_TARGET_TMPDIR"));
    FILES.iter().for_each(|name| std::fs::write(written.join(name), files.content(name)).unwrap());
    for name in FILES {
        assert!(files.content(name) == golden(name), "{name} differs: see {}", written.display());
    }
}

#[test]
fn the_bytes_of_version_1_are_read() {
    let files = Faulty::default();
    FILES.iter().for_each(|name| files.put(name, Some(golden(name))));
    let (log, recovered) = open(&files, &small());
    assert_eq!((recovered.first, recovered.next, recovered.torn_bytes), (1, 6, 0));
    assert_eq!(recovered.gaps, []);
    assert_eq!(recovered.cursor.as_deref(), Some(&b"up to 3"[..]));
    assert!(recovered.are_stamps_complete);
    let stamps: Vec<_> = recovered.stamps.iter().map(|(subject, stamp)| (&subject[..], &stamp[..])).collect();
    assert_eq!(stamps, [(&b"source a"[..], &b"next 9"[..])]);
    let (read, gaps) = read_all(&mut log.reader(), 0, usize::MAX);
    assert_eq!(gaps, []);
    assert_eq!(read.into_iter().map(|numbered| numbered.entry).collect::<Vec<_>>(), entries());
}
