//! One record and one header as bytes. The module documentation of the crate is their specification.

use crate::bounds::{BODY_BYTES_MAX, STAMP_BYTES_MAX, SUBJECT_BYTES_MAX, bytes_in_file};
use crate::entry::{Entry, Numbered};
use bytes::Bytes;

/// The length of a segment's header.
pub(crate) const HEADER_BYTES: u64 = 32;

/// The length of a record without subject, stamp and body.
pub(crate) const HEAD_BYTES: usize = 25;

/// How much of the head the record's length does not count: itself and the crc.
const UNCOUNTED_BYTES: usize = 8;

const MAGIC: [u8; 8] = *b"CFSPOOL\0";
const VERSION: u32 = 1;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The stamp of a subject as of before the segment.
    Summary = 1,
    /// An entry.
    Entry = 2,
    /// An entry that may use the reserve.
    Reserved = 3,
}

/// Where a record begins: its segment's first number, and its place in the file in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) first: u64,
    pub(crate) at: u64,
}

impl Place {
    fn seed(self) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.first.to_le_bytes()), &self.at.to_le_bytes())
    }
}

/// The fixed part of a record, plausible but not proved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    crc: u32,
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    subject_bytes: usize,
    stamp_bytes: usize,
    body_bytes: usize,
}

impl Head {
    /// Reads the head at the beginning of `bytes`, if there is one whose lengths agree and are within their bounds.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Head> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (kind, rest) = rest.split_first()?;
        let (subject, rest) = rest.split_first_chunk::<2>()?;
        let (stamp, rest) = rest.split_first_chunk::<2>()?;
        let (body, _) = rest.split_first_chunk::<4>()?;
        let kind = [Kind::Summary, Kind::Entry, Kind::Reserved].into_iter().find(|k| *k as u8 == *kind)?;
        let head = Head {
            crc: u32::from_le_bytes(*crc),
            number: u64::from_le_bytes(*number),
            kind,
            subject_bytes: u16::from_le_bytes(*subject).into(),
            stamp_bytes: u16::from_le_bytes(*stamp).into(),
            body_bytes: usize::try_from(u32::from_le_bytes(*body)).ok()?,
        };
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        (head.is_bounded() && head.size() == length + UNCOUNTED_BYTES).then_some(head)
    }

    fn is_bounded(&self) -> bool {
        self.subject_bytes <= SUBJECT_BYTES_MAX
            && self.stamp_bytes <= STAMP_BYTES_MAX
            && self.body_bytes <= BODY_BYTES_MAX
    }

    /// The length of the whole record.
    pub(crate) fn size(&self) -> usize {
        HEAD_BYTES + self.subject_bytes + self.stamp_bytes + self.body_bytes
    }

    /// Whether `bytes`, a whole record, are what was written at `place`.
    pub(crate) fn proves(&self, bytes: &[u8], place: Place) -> bool {
        bytes
            .get(UNCOUNTED_BYTES..)
            .is_some_and(|counted| self.crc == crc32c::crc32c_append(place.seed(), counted))
    }

    /// The record in `bytes`, which begin with this head.
    pub(crate) fn record<'a>(&self, bytes: &'a [u8]) -> Option<Record<'a>> {
        let (_, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let (subject, rest) = rest.split_at_checked(self.subject_bytes)?;
        let (stamp, rest) = rest.split_at_checked(self.stamp_bytes)?;
        let (body, _) = rest.split_at_checked(self.body_bytes)?;
        Some(Record { number: self.number, kind: self.kind, subject, stamp, body })
    }
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) subject: &'a [u8],
    pub(crate) stamp: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record that keeps `entry`.
    pub(crate) fn of(number: u64, entry: &'a Entry) -> Record<'a> {
        let kind = if entry.reserved { Kind::Reserved } else { Kind::Entry };
        Record { number, kind, subject: &entry.subject, stamp: &entry.stamp, body: &entry.body }
    }

    /// The entry that is kept, copied.
    pub(crate) fn entry(&self) -> Numbered {
        let entry = Entry {
            subject: Bytes::copy_from_slice(self.subject),
            stamp: Bytes::copy_from_slice(self.stamp),
            body: Bytes::copy_from_slice(self.body),
            reserved: self.kind == Kind::Reserved,
        };
        Numbered { number: self.number, entry }
    }

    /// Its length in a file.
    pub(crate) fn size(&self) -> usize {
        HEAD_BYTES + self.subject.len() + self.stamp.len() + self.body.len()
    }

    /// Appends the record to `buffer`, which will be written so that the record stands at `place`.
    pub(crate) fn encode(&self, place: Place, buffer: &mut Vec<u8>) {
        let begin = buffer.len();
        buffer.extend_from_slice(&length_u32(self.size() - UNCOUNTED_BYTES).to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&self.number.to_le_bytes());
        buffer.push(self.kind as u8);
        buffer.extend_from_slice(&length_u16(self.subject.len()).to_le_bytes());
        buffer.extend_from_slice(&length_u16(self.stamp.len()).to_le_bytes());
        buffer.extend_from_slice(&length_u32(self.body.len()).to_le_bytes());
        for part in [self.subject, self.stamp, self.body] {
            buffer.extend_from_slice(part);
        }
        let counted = buffer.get(begin + UNCOUNTED_BYTES..).unwrap_or_default();
        let crc = crc32c::crc32c_append(place.seed(), counted);
        if let Some(slot) = buffer.get_mut(begin + 4..begin + UNCOUNTED_BYTES) {
            slot.copy_from_slice(&crc.to_le_bytes());
        }
    }
}

fn length_u16(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("an entry's lengths are checked before it is taken")
}

fn length_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an entry's lengths are checked before it is taken")
}

/// The header of a segment whose entries begin at `entries_at`.
pub(crate) fn header(first: u64, entries_at: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&entries_at.to_le_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Where the entries of the segment `first` begin, if `bytes` are an intact header of it.
pub(crate) fn entries_at(bytes: &[u8], first: u64) -> Option<u64> {
    let (_, rest) = bytes.split_at_checked(20)?;
    let at = u64::from_le_bytes(*rest.first_chunk::<8>()?);
    (at >= HEADER_BYTES && header(first, at) == bytes).then_some(at)
}

/// The length of the record that keeps `entry`.
pub(crate) fn entry_bytes(entry: &Entry) -> u64 {
    bytes_in_file(Record::of(0, entry).size())
}
