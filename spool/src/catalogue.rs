//! Which segments there are: the one thing that writer and readers share.

use crate::files::Files;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// The number in its name.
    pub(crate) first: u64,
    /// The number after its last.
    pub(crate) end: u64,
    /// How much of the file is written.
    pub(crate) bytes: u64,
    /// Whether its stamps are whole and as safe as they get: in a durable log, on disk, and its name too.
    pub(crate) is_anchored: bool,
    /// Tells it from another segment that has had the same name.
    pub(crate) generation: u64,
}

/// A segment as a reader sees it at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) first: u64,
    /// The number after the last that is read here: a later segment overrides this one.
    pub(crate) end: u64,
    /// The number with which another segment, or what is not written yet, begins.
    pub(crate) until: u64,
    pub(crate) bytes: u64,
    pub(crate) generation: u64,
}

/// The segments in the order of their numbers.
#[derive(Default, Debug)]
pub(crate) struct Catalogue {
    segments: Vec<Segment>,
    generations: u64,
}

impl Catalogue {
    /// Adds a segment that begins with `first`. One that begins there or later is gone: it was replaced.
    pub(crate) fn add(&mut self, first: u64, end: u64, bytes: u64, is_anchored: bool) {
        self.segments.retain(|segment| segment.first < first);
        self.generations += 1;
        self.segments.push(Segment { first, end, bytes, is_anchored, generation: self.generations });
    }

    /// Notes how far the last segment is written.
    pub(crate) fn grow(&mut self, end: u64, bytes: u64) {
        if let Some(last) = self.segments.last_mut() {
            (last.end, last.bytes) = (end, bytes);
        }
    }

    /// Notes that the last segment's beginning is on disk.
    pub(crate) fn anchor(&mut self) {
        if let Some(last) = self.segments.last_mut() {
            last.is_anchored = true;
        }
    }

    /// Whether there is no segment.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The first number that is kept, and 1 when there never was one.
    pub(crate) fn first(&self) -> u64 {
        self.segments.first().map_or(1, |segment| segment.first)
    }

    /// How many bytes the segments have.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The last segment.
    pub(crate) fn last(&self) -> Option<Segment> {
        self.segments.last().copied()
    }

    /// The first segment if it lies wholly below `below`, with the gap that may end it; and whether all that it alone may tell of
    /// stamps is told by a later one that stays or lies there too.
    pub(crate) fn trimmable(&self, below: u64) -> Option<(Segment, bool)> {
        let (first, later) = self.segments.split_first()?;
        let is_below = |segment: &&Segment| segment.first <= below;
        later.first().filter(is_below)?;
        Some((*first, later.iter().take_while(is_below).any(|segment| segment.is_anchored)))
    }

    /// Takes the first segment off the list.
    pub(crate) fn remove_first(&mut self) {
        if !self.segments.is_empty() {
            self.segments.remove(0);
        }
    }

    /// The segment in which `number` is, or was lost; the first one for a number before it.
    pub(crate) fn find(&self, number: u64) -> Option<View> {
        let index = self.segments.partition_point(|segment| segment.first <= number).saturating_sub(1);
        let segment = self.segments.get(index)?;
        let until = self.segments.get(index + 1).map_or(segment.end, |next| next.first);
        let Segment { first, end, bytes, generation, .. } = *segment;
        Some(View { first, end: end.min(until), until, bytes, generation })
    }
}

/// What writer and readers share.
pub(crate) struct Shared<F> {
    pub(crate) files: F,
    catalogue: Mutex<Catalogue>,
}

impl<F: Files> Shared<F> {
    pub(crate) fn new(files: F, catalogue: Catalogue) -> Shared<F> {
        Shared { files, catalogue: Mutex::new(catalogue) }
    }

    /// The catalogue, locked. Only names are changed under this lock, so that a segment listed is a file that is there.
    pub(crate) fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
