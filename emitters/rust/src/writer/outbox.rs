//! Frames on their way: in order, each kept until the sidecar has acknowledged it.
//!
//! A frame covers a range of sequence numbers. A heartbeat without losses covers none: it goes once and is forgotten,
//! and a newer one takes its place while it waits. After a lost connection everything kept is sent again, byte for byte;
//! what a frame says stays true, as it comes after all that came before it.
//!
//! Frames beyond the bound are not refused; the writer thread asks [`Outbox::is_full`] before it makes one.

use crate::losses::Reason;
use crate::writer::frame::encode;
use counterfoil_judge::{Interval, Time};
use counterfoil_proto::wire::emit::{self, frame::Body};
use counterfoil_proto::{BucketSet, Loss, nanoseconds, time};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Memory that a frame takes besides its bytes, about.
const ENTRY_BYTES: usize = 96;

pub(crate) struct Outbox {
    entries: VecDeque<Entry>,
    /// Entries at the front that were written whole.
    written: usize,
    /// Bytes of the next entry that were written.
    offset: usize,
    bytes: usize,
    bytes_max: usize,
    sent_through: u64,
}

struct Entry {
    first_seq: u64,
    end_seq: u64,
    bytes: Vec<u8>,
    /// When its events happened; `None` for a heartbeat or a farewell.
    events: Option<Interval>,
    /// The watermark that was promised before it.
    watermark: Time,
}

impl Entry {
    fn is_kept(&self) -> bool {
        self.end_seq > self.first_seq
    }

    fn size(&self) -> usize {
        self.bytes.len() + ENTRY_BYTES
    }
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), written: 0, offset: 0, bytes: 0, bytes_max, sent_through: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max
    }

    /// Whether everything was written and acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.written < self.entries.len()
    }

    /// Every sequence number below this was written at least once.
    pub(crate) fn sent_through(&self) -> u64 {
        self.sent_through
    }

    /// A frame of events with the sequence numbers from `first_seq` to before `end_seq`.
    pub(crate) fn push_events(
        &mut self,
        (first_seq, end_seq): (u64, u64),
        bytes: Vec<u8>,
        during: Interval,
        watermark: Time,
    ) {
        self.push(Entry { first_seq, end_seq, bytes, events: Some(during), watermark });
    }

    /// A heartbeat, whose losses have the sequence numbers from `first_seq` to before `next_seq`.
    pub(crate) fn push_heartbeat(&mut self, first_seq: u64, heartbeat: emit::Heartbeat) {
        let waiting = self.entries.len().saturating_sub(1);
        let untouched = self.written < waiting || (self.written == waiting && self.offset == 0);
        if untouched && self.entries.back().is_some_and(|last| !last.is_kept()) {
            self.remove(waiting);
        }
        let watermark = time(heartbeat.watermark_ns);
        let end_seq = heartbeat.next_seq;
        self.push(Entry {
            first_seq,
            end_seq,
            bytes: encode(Body::Heartbeat(heartbeat)),
            events: None,
            watermark,
        });
    }

    /// The last frame of all.
    pub(crate) fn push_bye(&mut self, next_seq: u64) {
        let bytes = encode(Body::Bye(emit::Bye {}));
        self.push(Entry { first_seq: next_seq, end_seq: next_seq, bytes, events: None, watermark: Time(0) });
    }

    /// Up to `pieces` pieces and `bytes` bytes of what is to be written next.
    pub(crate) fn unsent(&self, pieces: usize, mut bytes: usize) -> Vec<IoSlice<'_>> {
        let mut offset = self.offset;
        let mut slices = Vec::new();
        for entry in self.entries.iter().skip(self.written).take(pieces) {
            let rest = entry.bytes.get(offset..).unwrap_or_default();
            let piece = rest.get(..bytes).unwrap_or(rest);
            slices.push(IoSlice::new(piece));
            bytes -= piece.len();
            offset = 0;
            if bytes == 0 {
                break;
            }
        }
        slices
    }

    /// So many bytes were written.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.offset += bytes;
        while let Some(entry) = self.entries.get(self.written)
            && self.offset >= entry.bytes.len()
        {
            self.offset -= entry.bytes.len();
            self.sent_through = self.sent_through.max(entry.end_seq);
            if entry.is_kept() {
                self.written += 1;
            } else {
                self.remove(self.written);
            }
        }
    }

    /// Everything below `through` is safe: it need not be kept, nor be sent again if that was not begun. A heartbeat
    /// that waits at the front stays.
    pub(crate) fn acknowledge(&mut self, through: u64) {
        let safe = |entry: &Entry| entry.is_kept() && entry.end_seq <= through;
        while (self.written > 0 || self.offset == 0) && self.entries.front().is_some_and(safe) {
            self.remove(0);
            self.written = self.written.saturating_sub(1);
        }
    }

    /// A new connection: everything kept is written again.
    pub(crate) fn rewind(&mut self) {
        (self.written, self.offset) = (0, 0);
        self.entries.retain(Entry::is_kept);
        self.bytes = self.entries.iter().map(Entry::size).sum();
    }

    /// Gives up the first frame of events that the sidecar, which waits for `next_seq`, has not taken: a loss takes its
    /// place. Returns how many events that are.
    pub(crate) fn condemn(&mut self, next_seq: u64) -> u64 {
        let refused = |entry: &&mut Entry| entry.events.is_some() && entry.end_seq > next_seq;
        let Some(entry) = self.entries.iter_mut().find(refused) else { return 0 };
        let Some(during) = entry.events.take() else { return 0 };
        let first_seq = entry.first_seq.max(next_seq);
        let count = entry.end_seq - first_seq;
        let reason = Reason::Abandoned.wire();
        let loss = Loss { first_seq, count, reason, during, buckets: BucketSet::All };
        let heartbeat = emit::Heartbeat {
            next_seq: entry.end_seq,
            watermark_ns: nanoseconds(entry.watermark),
            losses: vec![loss.into()],
            ..emit::Heartbeat::default()
        };
        entry.bytes = encode(Body::Heartbeat(heartbeat));
        self.bytes = self.entries.iter().map(Entry::size).sum();
        count
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.size();
        self.entries.push_back(entry);
    }

    fn remove(&mut self, at: usize) {
        if let Some(entry) = self.entries.remove(at) {
            self.bytes -= entry.size();
        }
    }
}

#[cfg(test)]
mod tests;
