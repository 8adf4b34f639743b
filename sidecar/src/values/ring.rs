//! The frames whose values are kept, oldest first, and where the value of a write stands. Pure.

use crate::batcher::SourceId;
use counterfoil_judge::Time;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a frame costs besides its values and their entries: its place in the ring and in the index.
const FRAME_BYTES: usize = 256;

/// Sources of which it is remembered how far their values were let go of though none is kept.
const SOURCES_MAX: usize = 1_024;

/// The values of one frame, end to end.
pub(super) struct Frame {
    /// When they came.
    pub(super) at: Time,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// In the order of their numbers; at least one.
    pub(super) entries: Vec<Entry>,
}

/// One value of a frame.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// The write's number in its source.
    pub(super) seq: u64,
    /// The place of its map in the configuration.
    pub(super) place: usize,
    /// Where the value ends; it begins where the one before ends.
    pub(super) end: usize,
    pub(super) is_masked: bool,
}

impl Frame {
    /// How many values it has.
    pub(super) fn values(&self) -> usize {
        self.entries.len()
    }

    fn size(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>() + FRAME_BYTES
    }

    /// The first number that it has a value of.
    fn first_seq(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.seq)
    }

    fn find(&self, seq: u64) -> Option<Found<'_>> {
        let at = self.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        let begin =
            at.checked_sub(1).and_then(|before| self.entries.get(before)).map_or(0, |entry| entry.end);
        let entry = self.entries.get(at)?;
        let value = self.bytes.get(begin..entry.end)?;
        Some(Found::Value { value, place: entry.place, is_masked: entry.is_masked })
    }
}

/// What is known of a write's value.
#[derive(PartialEq, Eq)]
pub(super) enum Found<'a> {
    Value {
        value: &'a [u8],
        /// The place of its map in the configuration.
        place: usize,
        is_masked: bool,
    },
    /// It may have been kept, and was let go of.
    Expired,
    /// It was not kept.
    Unknown,
}

/// The frames of one source.
#[derive(Default)]
struct Kept {
    /// By their first number, the number of the frame in the ring.
    frames: BTreeMap<u64, u64>,
    /// Of numbers below, values were let go of.
    let_go_below: u64,
}

/// All frames.
#[derive(Default)]
pub(super) struct Ring {
    frames: VecDeque<(Arc<SourceId>, Frame)>,
    /// The number of the oldest frame.
    first: u64,
    sources: HashMap<Arc<SourceId>, Kept>,
    bytes: usize,
    values: usize,
}

impl Ring {
    /// Keeps a frame of `source`.
    pub(super) fn keep(&mut self, source: &SourceId, frame: Frame) {
        let source = match self.sources.get_key_value(source) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(source.clone()),
        };
        let number = self.first + self.frames.len() as u64;
        self.sources.entry(Arc::clone(&source)).or_default().frames.insert(frame.first_seq(), number);
        self.bytes += frame.size();
        self.values += frame.values();
        self.frames.push_back((source, frame));
    }

    /// The value of a write; one that came before `oldest` counts as let go of.
    pub(super) fn find(&self, source: &SourceId, seq: u64, oldest: Time) -> Found<'_> {
        let Some(kept) = self.sources.get(source) else { return Found::Unknown };
        let number = kept.frames.range(..=seq).next_back().map(|(_, number)| *number);
        let place = number.and_then(|number| usize::try_from(number - self.first).ok());
        match place.and_then(|place| self.frames.get(place)) {
            Some((_, frame)) => match frame.find(seq) {
                Some(_) if frame.at < oldest => Found::Expired,
                Some(found) => found,
                None => Found::Unknown,
            },
            None if seq < kept.let_go_below => Found::Expired,
            None => Found::Unknown,
        }
    }

    /// Lets go of what came before `oldest`; gives it.
    pub(super) fn let_go_older(&mut self, oldest: Time) -> Vec<Frame> {
        let mut gone = Vec::new();
        while self.frames.front().is_some_and(|(_, frame)| frame.at < oldest) {
            gone.extend(self.let_go_of_oldest());
        }
        gone
    }

    /// Lets go of the oldest until about `bytes_max` bytes are left; gives it.
    pub(super) fn let_go_beyond(&mut self, bytes_max: usize) -> Vec<Frame> {
        let mut gone = Vec::new();
        while self.bytes > bytes_max && !self.frames.is_empty() {
            gone.extend(self.let_go_of_oldest());
        }
        gone
    }

    fn let_go_of_oldest(&mut self) -> Option<Frame> {
        let (source, frame) = self.frames.pop_front()?;
        let number = self.first;
        self.first += 1;
        self.bytes -= frame.size();
        self.values -= frame.values();
        if let Some(kept) = self.sources.get_mut(&source) {
            // The same numbers may have come again in a later frame.
            if kept.frames.get(&frame.first_seq()) == Some(&number) {
                kept.frames.remove(&frame.first_seq());
            }
            let last = frame.entries.last().map_or(0, |entry| entry.seq);
            kept.let_go_below = kept.let_go_below.max(last.saturating_add(1));
            if kept.frames.is_empty() && self.sources.len() > SOURCES_MAX {
                self.sources.remove(&source);
            }
        }
        Some(frame)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many values there are.
    pub(super) fn values(&self) -> usize {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(instance: u8) -> SourceId {
        SourceId { service: "s".to_owned(), instance: instance.to_string(), epoch: 1 }
    }

    /// A frame of values that name their source and number.
    fn frame(instance: u8, at: i64, seqs: impl IntoIterator<Item = u64>) -> Frame {
        let mut frame = Frame { at: Time(at), bytes: Zeroizing::default(), entries: Vec::new() };
        for seq in seqs {
            frame.bytes.extend_from_slice(format!("{instance}/{seq}").as_bytes());
            frame.entries.push(Entry { seq, place: 0, end: frame.bytes.len(), is_masked: false });
        }
        frame
    }

    fn found(ring: &Ring, instance: u8, seq: u64) -> String {
        match ring.find(&source(instance), seq, Time(0)) {
            Found::Value { value, .. } => String::from_utf8_lossy(value).into_owned(),
            Found::Expired => "expired".to_owned(),
            Found::Unknown => "unknown".to_owned(),
        }
    }

    #[test]
    fn a_value_is_found_by_its_source_and_number_until_it_is_let_go_of() {
        let mut ring = Ring::default();
        ring.keep(&source(1), frame(1, 10, [0, 2, 3]));
        ring.keep(&source(2), frame(2, 20, [2]));
        ring.keep(&source(1), frame(1, 30, [7]));
        for (instance, seq, expected) in [
            (1, 0, "1/0"),
            (1, 1, "unknown"),
            (1, 3, "1/3"),
            (1, 4, "unknown"),
            (1, 7, "1/7"),
            (2, 2, "2/2"),
            (3, 0, "unknown"),
        ] {
            assert_eq!(found(&ring, instance, seq), expected, "{instance}/{seq}");
        }
        assert!(
            ring.find(&source(1), 2, Time(11)) == Found::Expired,
            "older than is kept, though not tended yet"
        );
        assert_eq!(ring.let_go_older(Time(30)).len(), 2);
        for (instance, seq, expected) in [
            (1, 0, "expired"),
            (1, 3, "expired"),
            (1, 4, "unknown"),
            (1, 7, "1/7"),
            (2, 2, "expired"),
            (2, 3, "unknown"),
        ] {
            assert_eq!(found(&ring, instance, seq), expected, "{instance}/{seq}");
        }
    }

    #[test]
    fn the_oldest_go_first_where_there_is_no_room() {
        let mut ring = Ring::default();
        for seq in 0..10 {
            ring.keep(&source(1), frame(1, 0, [seq]));
        }
        let (before, values) = (ring.bytes(), ring.values());
        assert_eq!(values, 10);
        let gone = ring.let_go_beyond(before / 2);
        assert_eq!((gone.len(), ring.values()), (5, 5));
        assert_eq!((found(&ring, 1, 4), found(&ring, 1, 5)), ("expired".to_owned(), "1/5".to_owned()));
        ring.let_go_beyond(0);
        assert_eq!((ring.bytes(), ring.values()), (0, 0));
    }

    #[test]
    fn sources_without_values_are_forgotten_once_there_are_many() {
        let mut ring = Ring::default();
        for instance in 0..=u8::MAX {
            for epoch in 0..8 {
                ring.keep(&SourceId { epoch, ..source(instance) }, frame(instance, 0, [0]));
            }
        }
        ring.let_go_beyond(0);
        assert_eq!(ring.sources.len(), SOURCES_MAX);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_a_list_of_the_latest_frames_holds(
            frames in prop::collection::vec((0..3_u8, 0..4_i64, 1..4_u64), 1..40),
            bytes_max in 0..6_000_usize,
        ) {
            let (mut ring, mut model, mut next, mut now) = (Ring::default(), VecDeque::new(), [0_u64; 3], 0);
            for (instance, later, count) in frames {
                now += later;
                let seq = &mut next[usize::from(instance)];
                let kept = frame(instance, now, *seq..*seq + count);
                model.push_back((instance, now, *seq..*seq + count, kept.size()));
                *seq += count;
                ring.keep(&source(instance), kept);
                ring.let_go_older(Time(now - 5));
                ring.let_go_beyond(bytes_max);
                model.retain(|(_, at, ..)| *at >= now - 5);
                while model.iter().map(|(.., size)| size).sum::<usize>() > bytes_max {
                    model.pop_front();
                }
                prop_assert_eq!(ring.bytes(), model.iter().map(|(.., size)| size).sum::<usize>());
            }
            for instance in 0..3_u8 {
                for seq in 0..next[usize::from(instance)] {
                    let is_kept = model.iter().any(|(of, _, seqs, _)| *of == instance && seqs.contains(&seq));
                    let expected = if is_kept { format!("{instance}/{seq}") } else { "expired".to_owned() };
                    prop_assert_eq!(found(&ring, instance, seq), expected);
                }
            }
        }
    }
}
