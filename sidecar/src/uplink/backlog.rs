//! The batches that the comparator has not acknowledged, in order, and which of them are in memory. Pure.
//!
//! Each batch has a *number*, that of its upload. One that stands in the spool has the number of its *entry* there too. The two
//! are the same unless the spool could not be written: batches that are in memory alone then have numbers without entries.
//!
//! Memory is bounded: while more than `bytes_max` are held, the latest batches that the spool has and that are not under way
//! are let go. They are read again when their turn comes. Those that wait to be written share their bytes with the spool's
//! queue, which has a bound of its own: a spool that fails with a full queue leaves the room for those in memory alone free.
//!
//! # Invariants
//!
//! - What the spool has not written stays in memory until it is acknowledged.
//! - Every number is sent, or is that of an entry which the spool has lost.

use super::OVERHEAD_BYTES;
use crate::batcher::Sealed;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// The least and the most that is read from the spool at once, in bytes.
const READ_BYTES: (usize, usize) = (262_144, 4_194_304);

/// A batch with its number, ready for the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) sealed: Sealed,
}

/// A batch in memory.
struct Held {
    sealed: Sealed,
    bytes: usize,
    /// Its number in the spool.
    entry: Option<u64>,
}

/// What is to be read from the spool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    /// The first entry.
    pub(crate) entry: u64,
    /// About how many bytes.
    pub(crate) bytes: usize,
}

/// What is not acknowledged.
pub(crate) struct Backlog {
    held: BTreeMap<u64, Held>,
    bytes: usize,
    /// Of these, those that are in memory alone.
    bytes_alone: usize,
    bytes_max: usize,
    /// The first number that is not acknowledged.
    first: u64,
    /// The next one for the present stream.
    next: u64,
    /// The next one to be given.
    end: u64,
    /// Entries up to this number can be read from the spool.
    written: u64,
    /// The numbers without entries, each with how many there are up to it.
    strays: VecDeque<(u64, u64)>,
    /// How many there were before those.
    strays_before: u64,
    /// Numbers whose entries are lost.
    lost: Vec<Range<u64>>,
}

impl Backlog {
    /// With the numbers from `first` to before `end` in the spool, and room for `bytes_max` bytes in memory.
    pub(crate) fn new(bytes_max: usize, first: u64, end: u64) -> Self {
        Self {
            held: BTreeMap::new(),
            bytes: 0,
            bytes_alone: 0,
            bytes_max,
            first,
            next: first,
            end,
            written: end.saturating_sub(1),
            strays: VecDeque::new(),
            strays_before: 0,
            lost: Vec::new(),
        }
    }

    /// Whether there is room for another batch in memory alone.
    pub(crate) fn has_room_for(&self, sealed: &Sealed) -> bool {
        self.bytes_alone == 0 || self.bytes_alone + size(sealed) <= self.bytes_max
    }

    /// Adds a batch, with the number of its entry if it has one; gives its own number.
    pub(crate) fn push(&mut self, sealed: Sealed, entry: Option<u64>) -> u64 {
        let number = self.end;
        self.end += 1;
        debug_assert!(entry.is_none_or(|entry| entry == self.entry_of(number)), "entries have no holes");
        if entry.is_none() {
            let strays = self.strays.back().map_or(self.strays_before, |(_, count)| *count) + 1;
            self.strays.push_back((number, strays));
        }
        self.hold(number, sealed, entry);
        self.let_go();
        number
    }

    /// Notes how far the spool is written.
    pub(crate) fn note_written(&mut self, written: u64) {
        if written > self.written {
            self.written = written;
            self.let_go();
        }
    }

    fn hold(&mut self, number: u64, sealed: Sealed, entry: Option<u64>) {
        let bytes = size(&sealed);
        self.remove(number);
        self.bytes += bytes;
        self.bytes_alone += if entry.is_none() { bytes } else { 0 };
        self.held.insert(number, Held { sealed, bytes, entry });
    }

    /// Lets the latest batches go that can be read again.
    fn let_go(&mut self) {
        while self.bytes > self.bytes_max {
            let is_written = |held: &Held| held.entry.is_some_and(|entry| entry <= self.written);
            let mut unsent = self.held.range(self.next..).rev();
            let Some(number) = unsent.find(|(_, held)| is_written(held)).map(|(number, _)| *number) else {
                return;
            };
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some(held) = self.held.remove(&number) {
            self.bytes -= held.bytes;
            self.bytes_alone -= if held.entry.is_none() { held.bytes } else { 0 };
        }
    }

    /// How many numbers without entries lie before `number`.
    fn strays_before(&self, number: u64) -> u64 {
        let before = self.strays.iter().rev().find(|(stray, _)| *stray < number);
        before.map_or(self.strays_before, |(_, count)| *count)
    }

    /// The entry of a number that has one.
    fn entry_of(&self, number: u64) -> u64 {
        number - self.strays_before(number)
    }

    /// The number of an entry.
    fn number_of(&self, entry: u64) -> u64 {
        let mut number = entry + self.strays_before;
        for (stray, count) in &self.strays {
            if number < *stray {
                break;
            }
            number = entry + count;
        }
        number
    }

    /// Every entry up to this number is acknowledged.
    pub(crate) fn accepted_entry(&self) -> u64 {
        self.entry_of(self.first) - 1
    }

    /// Every upload up to this number is acknowledged.
    pub(crate) fn accepted(&self) -> u64 {
        self.first - 1
    }

    /// Whether everything was acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Whether something was sent that is not acknowledged.
    pub(crate) fn is_under_way(&self) -> bool {
        self.next > self.first
    }

    /// Whether the next upload is in memory.
    pub(crate) fn has_unsent(&self) -> bool {
        self.held.contains_key(&self.next)
    }

    /// Bytes held in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much of the room for batches in memory alone is taken, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a share for thresholds")]
    pub(crate) fn occupancy(&self) -> f64 {
        (self.bytes_alone as f64 / self.bytes_max.max(1) as f64).min(1.0)
    }

    /// How many uploads were not sent on the present stream.
    pub(crate) fn unsent(&self) -> u64 {
        self.end - self.next
    }

    /// The next upload for the present stream, if it is in memory.
    pub(crate) fn next_unsent(&mut self) -> Option<Numbered> {
        let number = self.next;
        let sealed = self.held.get(&number)?.sealed.clone();
        self.next += 1;
        self.pass_lost();
        Some(Numbered { number, sealed })
    }

    /// What has to be read before anything can be sent.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        if self.next == self.end || self.has_unsent() {
            return None;
        }
        let entry = self.entry_of(self.next);
        let (least, most) = READ_BYTES;
        let bytes = self.bytes_max.saturating_sub(self.bytes).clamp(least, most);
        (entry <= self.written).then_some(Wanted { entry, bytes })
    }

    /// Takes what was read: entries in order, and ranges of entries that are lost.
    pub(crate) fn take_read(&mut self, read: impl IntoIterator<Item = (u64, Sealed)>, gaps: &[Range<u64>]) {
        for (entry, sealed) in read {
            let number = self.number_of(entry);
            if number >= self.first && !self.held.contains_key(&number) {
                self.hold(number, sealed, Some(entry));
            }
        }
        for gap in gaps.iter().filter(|gap| gap.start < gap.end) {
            self.lost.push(self.number_of(gap.start)..self.number_of(gap.end - 1) + 1);
        }
        self.pass_lost();
    }

    /// Passes over numbers whose entries are lost.
    fn pass_lost(&mut self) {
        let is_lost = |number: u64| self.lost.iter().any(|lost| lost.contains(&number));
        while self.next < self.end && !self.held.contains_key(&self.next) && is_lost(self.next) {
            self.next += 1;
        }
        while self.first < self.next && !self.held.contains_key(&self.first) && is_lost(self.first) {
            self.first += 1;
        }
        self.lost.retain(|lost| lost.end > self.first);
    }

    /// A new stream: everything is sent again.
    pub(crate) fn rewind(&mut self) {
        self.next = self.first;
        self.pass_lost();
        self.let_go();
    }

    /// Drops the uploads up to number `through`, of those that were sent; tells how many.
    pub(crate) fn acknowledge(&mut self, through: u64) -> u64 {
        let through = through.min(self.next - 1);
        let mut acknowledged = 0;
        while let Some(number) = self.held.keys().next().copied().filter(|number| *number <= through) {
            self.remove(number);
            acknowledged += 1;
        }
        self.first = self.first.max(through + 1);
        self.pass_lost();
        while let Some((_, count)) = self.strays.pop_front_if(|(stray, _)| *stray < self.first) {
            self.strays_before = count;
        }
        acknowledged
    }

    /// How many events would be lost with the process if the spool has entries up to number `kept`.
    pub(crate) fn events_beyond(&self, kept: u64) -> u64 {
        let is_beyond = |held: &&Held| held.entry.is_none_or(|entry| entry > kept);
        self.held.values().filter(is_beyond).map(|held| held.sealed.events).sum()
    }

    /// The first batch that is not acknowledged, if it is in memory.
    pub(crate) fn front(&self) -> Option<(u64, &Sealed)> {
        self.held.first_key_value().map(|(number, held)| (*number, &held.sealed))
    }
}

/// What a batch takes in memory.
fn size(sealed: &Sealed) -> usize {
    sealed.batch.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests;
