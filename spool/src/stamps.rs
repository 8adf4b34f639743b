//! The latest stamp of each subject.

use crate::record::{Kind, Record};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A stamp, and the number of the entry that brought it.
#[derive(Clone, Debug)]
struct Stamp {
    number: u64,
    bytes: Bytes,
}

/// The latest stamps. Beyond `subjects_max` the subject stamped longest ago is forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Stamps {
    by_subject: BTreeMap<Bytes, Stamp>,
    subjects_max: usize,
}

impl Stamps {
    /// No stamps, and room for `subjects_max`.
    pub(crate) fn new(subjects_max: usize) -> Stamps {
        Stamps { by_subject: BTreeMap::new(), subjects_max }
    }

    /// Sets the stamp that entry `number` brings. The bytes are copied: they may be part of something large.
    pub(crate) fn set(&mut self, subject: &[u8], stamp: &[u8], number: u64) {
        if stamp.is_empty() {
            self.by_subject.remove(subject);
        } else if let Some(known) = self.by_subject.get_mut(subject) {
            known.number = number;
            if known.bytes != stamp {
                known.bytes = Bytes::copy_from_slice(stamp);
            }
        } else {
            let stamp = Stamp { number, bytes: Bytes::copy_from_slice(stamp) };
            self.by_subject.insert(Bytes::copy_from_slice(subject), stamp);
            self.forget_oldest();
        }
    }

    /// Sets what a record brings, whichever kind it is.
    pub(crate) fn apply(&mut self, record: &Record<'_>) {
        self.set(record.subject, record.stamp, record.number);
    }

    /// Sets all that `other` has.
    pub(crate) fn merge(&mut self, other: &Stamps) {
        for record in other.records() {
            self.apply(&record);
        }
    }

    /// Looks at every subject, as this happens only when a new one comes and there are too many.
    fn forget_oldest(&mut self) {
        while self.by_subject.len() > self.subjects_max {
            let oldest = self.by_subject.iter().min_by_key(|(_, stamp)| stamp.number);
            let Some(subject) = oldest.map(|(subject, _)| subject.clone()) else { return };
            self.by_subject.remove(&subject);
        }
    }

    /// The records of a summary.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.by_subject.iter().map(|(subject, stamp)| Record {
            number: stamp.number,
            kind: Kind::Summary,
            subject,
            stamp: &stamp.bytes,
            body: &[],
        })
    }

    /// Subjects and stamps alone.
    pub(crate) fn latest(&self) -> BTreeMap<Bytes, Bytes> {
        self.by_subject.iter().map(|(subject, stamp)| (subject.clone(), stamp.bytes.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(stamps: &Stamps) -> Vec<Bytes> {
        stamps.latest().into_keys().collect()
    }

    #[test]
    fn the_subject_stamped_longest_ago_is_forgotten_first() {
        let mut stamps = Stamps::new(2);
        stamps.set(b"a", b"1", 1);
        stamps.set(b"b", b"1", 2);
        stamps.set(b"a", b"1", 3);
        stamps.set(b"c", b"1", 4);
        assert_eq!(subjects(&stamps), [&b"a"[..], b"c"], "b was stamped before a was stamped again");
    }

    #[test]
    fn an_empty_stamp_forgets_the_subject() {
        let mut stamps = Stamps::new(2);
        stamps.set(b"a", b"1", 1);
        stamps.set(b"a", b"", 2);
        assert!(subjects(&stamps).is_empty());
    }

    #[test]
    fn a_summary_keeps_who_was_stamped_longest_ago() {
        let mut stamps = Stamps::new(2);
        stamps.set(b"z", b"1", 1);
        stamps.set(b"a", b"1", 2);
        let mut read = Stamps::new(2);
        stamps.records().for_each(|record| read.apply(&record));
        read.set(b"m", b"1", 3);
        assert_eq!(subjects(&read), [&b"a"[..], b"m"]);
    }
}
