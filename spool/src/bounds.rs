//! Every bound of this crate that is not an option, with its reason.

/// The longest subject of an entry, in bytes: a source's name and a few ids.
pub const SUBJECT_BYTES_MAX: usize = 1024;

/// The longest stamp of an entry, in bytes: a few counters and times, and short lists.
pub const STAMP_BYTES_MAX: usize = 4096;

/// The longest body of an entry, in bytes: twice the largest batch that is taken from a wire.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// The longest cursor, in bytes.
pub const CURSOR_BYTES_MAX: usize = 64 << 10;

/// How many gaps recovery tells apart. What is lost beyond them is told as one more gap, up to the last loss of all.
pub const GAPS_MAX: usize = 4096;

/// How many bytes of entries the service's thread writes at once. Larger writes gain nothing and delay the first of them.
pub const GROUP_BYTES_MAX: u64 = 1 << 20;

/// How much of a file is read at once.
pub(crate) const WINDOW_BYTES: u64 = 1 << 20;

/// What is read at once where a larger read failed, in bytes: a page, so that no more than that is given up.
pub(crate) const PIECE_BYTES: usize = 4096;

/// The largest number a segment's name may have: what a broken or planted name says must not end all numbers.
pub(crate) const NUMBER_MAX: u64 = u64::MAX >> 8;

/// The first wait before what could not be written is tried again, in milliseconds; each further wait is twice as long.
pub(crate) const RETRY_MS_MIN: u64 = 10;

/// The longest such wait, in milliseconds.
pub(crate) const RETRY_MS_MAX: u64 = 1000;

const _: () = assert!(SUBJECT_BYTES_MAX <= 0xffff && STAMP_BYTES_MAX <= 0xffff, "their lengths have 16 bits");
const _: () = assert!(BODY_BYTES_MAX < 1 << 24, "a record begins with three zero bytes at most");
const _: () = assert!(RETRY_MS_MIN <= RETRY_MS_MAX);

/// A length in memory as a length in a file.
pub(crate) const fn bytes_in_file(bytes: usize) -> u64 {
    bytes as u64
}

/// A length in a file as one in memory; lengths that no memory has become the largest.
pub(crate) fn bytes_in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
