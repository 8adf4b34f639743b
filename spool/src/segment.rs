//! Names of segments, and the one being written.

use crate::bounds::{NUMBER_MAX, bytes_in_file};
use crate::entry::Entry;
use crate::files::Files;
use crate::record::{HEADER_BYTES, Place, Record, header};
use crate::stamps::Stamps;

/// The ending of a segment that is not complete yet.
pub(crate) const ENDING_NEW: &str = ".new";

/// The file name of the segment that begins with `first`.
pub(crate) fn name(first: u64) -> String {
    format!("{first:016x}.seg")
}

/// Its name until it is complete.
pub(crate) fn name_new(first: u64) -> String {
    format!("{first:016x}{ENDING_NEW}")
}

/// The first number that a file's name tells, if it is a segment's.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 16)?;
    let first = u64::from_str_radix(digits, 16).ok()?;
    (self::name(first) == name && (1..=NUMBER_MAX).contains(&first)).then_some(first)
}

/// The segment that is being written.
pub(crate) struct Active<F: Files> {
    pub(crate) file: F::File,
    pub(crate) first: u64,
    /// How much is written.
    pub(crate) bytes: u64,
    /// Where the entries begin.
    pub(crate) entries_at: u64,
}

impl<F: Files> Active<F> {
    /// How many bytes of entries it has.
    pub(crate) fn entries_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.entries_at)
    }
}

/// What a new segment begins with.
pub(crate) struct Beginning {
    /// Header, summary and entries.
    pub(crate) bytes: Vec<u8>,
    /// Where the entries begin.
    pub(crate) entries_at: u64,
}

impl Beginning {
    /// The beginning of a segment from `first` on, before which `stamps` held, with `entries`.
    pub(crate) fn new<'a>(
        first: u64,
        stamps: &Stamps,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Beginning {
        let entries_at = HEADER_BYTES + summary_bytes(stamps);
        let mut bytes = header(first, entries_at);
        for record in stamps.records() {
            encode(&record, first, &mut bytes);
        }
        for (number, entry) in (first..).zip(entries) {
            encode(&Record::of(number, entry), first, &mut bytes);
        }
        Beginning { bytes, entries_at }
    }
}

fn encode(record: &Record<'_>, first: u64, bytes: &mut Vec<u8>) {
    let at = bytes_in_file(bytes.len());
    record.encode(Place { first, at }, bytes);
}

/// The length of a summary.
pub(crate) fn summary_bytes(stamps: &Stamps) -> u64 {
    stamps.records().map(|record| bytes_in_file(record.size())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_segments_tell_a_number() {
        assert_eq!(first_of("0000000000000a0b.seg"), Some(0xa0b));
        for name in ["0000000000000A0B.seg", "a0b.seg", "0000000000000a0b.new", "0000000000000000.seg"] {
            assert_eq!(first_of(name), None, "{name}");
        }
        assert_eq!(first_of("ffffffffffffffff.seg"), None, "numbers would end there");
    }
}
