//! A history as plain data, for whoever writes it down: all that it knows, and a history again that judges alike.
//!
//! An image may come from anywhere, so [`History::of_image`] takes none that a history could not be: lists within their
//! bounds and in their order, intervals that do not end before they begin. What times and digests it names is its own business.

use super::learn::{LastRead, Still};
use super::rest::{DUE_MARKS_MAX, Rest};
use super::{DROPPED_WRITES_MAX, GROUPS_MAX, History, LIVE_WRITES_MAX, MERGED_DIGESTS_MAX};
use crate::group::Group;
use crate::kept::Kept;
use crate::past::{Mark, Past};
use crate::time::{Interval, Time};
use crate::verdict::Reason;
use crate::write::Write;
use std::fmt;

/// All that a history knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryImage {
    /// The writes that are kept, in the order in which they came.
    pub writes: Vec<Write>,
    /// Merged writes.
    pub groups: Vec<Group>,
    /// Dropped writes that are remembered, by the ends of their store legs.
    pub dropped: Vec<Past>,
    /// A dropped write that is no longer remembered may have been late within its deadline until then.
    pub forgotten_until: Time,
    /// The latest begin of a dropped write that is due.
    pub due: Time,
    /// The next ones' begins, and when they are due: in the order of both.
    pub due_next: Vec<(Time, Time)>,
    /// Writes that nobody reported may have landed until then.
    pub blind_until: Time,
    /// Why.
    pub blind_for: Reason,
    /// The value on which the store stands still, once it was read.
    pub still: Option<Still>,
    /// The last possible read.
    pub last_read: Option<LastRead>,
    /// Whether writes are merged and forgotten to stay within bounds.
    pub is_bounded: bool,
}

/// Why no history is like an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// A list is longer than that of any history.
    TooMany {
        /// The list.
        list: &'static str,
        /// How much is in it.
        count: usize,
        /// How much may be.
        max: usize,
    },
    /// A list is not in its order.
    Unordered {
        /// The list.
        list: &'static str,
    },
    /// An interval ends before it begins.
    Backwards {
        /// Where it stands.
        list: &'static str,
    },
    /// A group of writes has no digest.
    EmptyGroup,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { list, count, max } => {
                write!(f, "{list} has {count} entries; at most {max} are kept")
            }
            Self::Unordered { list } => write!(f, "{list} is not in its order"),
            Self::Backwards { list } => write!(f, "an interval of {list} ends before it begins"),
            Self::EmptyGroup => f.write_str("a group has no digest; merged writes have at least one"),
        }
    }
}

impl std::error::Error for ImageError {}

impl History {
    /// All that it knows.
    #[must_use]
    pub fn image(&self) -> HistoryImage {
        let nothing = Rest::new();
        let rest = self.rest().unwrap_or(&nothing);
        HistoryImage {
            writes: self.writes().collect(),
            groups: rest.groups.clone(),
            dropped: rest.dropped.iter().copied().collect(),
            forgotten_until: rest.forgotten_until,
            due: rest.due,
            due_next: rest.due_next.iter().copied().collect(),
            blind_until: self.blind_until,
            blind_for: rest.blind_for,
            still: rest.still,
            last_read: rest.last,
            is_bounded: rest.is_bounded,
        }
    }

    /// The history of an image: whatever it is asked, and whatever is done to it, it gives what the one gives that the image is
    /// of.
    ///
    /// # Errors
    ///
    /// [`ImageError`] if no history is like it.
    pub fn of_image(image: HistoryImage) -> Result<Self, ImageError> {
        image.check()?;
        let mut writes = image.writes.into_iter().map(Kept::from);
        let first = writes.next();
        let rest = Rest {
            is_bounded: image.is_bounded,
            blind_for: image.blind_for,
            more: writes.collect(),
            groups: image.groups,
            dropped: image.dropped.into(),
            forgotten_until: image.forgotten_until,
            due: image.due,
            due_next: image.due_next.into(),
            still: image.still,
            last: image.last_read,
        };
        Ok(Self { first, blind_until: image.blind_until, rest: Some(Box::new(rest)) })
    }
}

impl HistoryImage {
    fn check(&self) -> Result<(), ImageError> {
        let merged = self.groups.iter().map(|group| group.digests.len()).sum();
        at_most("groups", self.groups.len(), GROUPS_MAX)?;
        at_most("groups.digests", merged, MERGED_DIGESTS_MAX)?;
        at_most("due_next", self.due_next.len(), DUE_MARKS_MAX + 1)?;
        if self.is_bounded {
            at_most("writes", self.writes.len(), LIVE_WRITES_MAX)?;
            at_most("dropped", self.dropped.len(), DROPPED_WRITES_MAX)?;
        }
        self.writes.iter().try_for_each(check_write)?;
        self.groups.iter().try_for_each(check_group)?;
        let remembered = self.dropped.iter().chain(self.still.iter().filter_map(|still| still.past.as_ref()));
        forwards("dropped", remembered.map(|past| past.store))?;
        forwards("last_read", self.last_read.iter().map(|read| read.at))?;
        in_order("dropped", self.dropped.is_sorted_by_key(|past| past.store.end))?;
        let (begins, dues) = (|(begin, _): &_| *begin, |(_, due): &_| *due);
        let are_due_in_order = self.due_next.is_sorted_by_key::<_, Time>(begins)
            && self.due_next.is_sorted_by_key::<_, Time>(dues);
        in_order("due_next", are_due_in_order)
    }
}

fn check_write(write: &Write) -> Result<(), ImageError> {
    forwards("writes", write.map.into_iter().chain(write.store.map(|leg| leg.interval)))
}

fn check_group(group: &Group) -> Result<(), ImageError> {
    let newest = group.newest.map(|Mark { begin, end, .. }| Interval { begin, end });
    forwards("groups", group.store.into_iter().chain(group.map).chain(newest))?;
    let is_each_once = group.digests.is_sorted_by(|one, next| one < next);
    in_order("groups.digests", is_each_once)?;
    if group.digests.is_empty() { Err(ImageError::EmptyGroup) } else { Ok(()) }
}

fn at_most(list: &'static str, count: usize, max: usize) -> Result<(), ImageError> {
    if count <= max { Ok(()) } else { Err(ImageError::TooMany { list, count, max }) }
}

fn forwards(list: &'static str, mut intervals: impl Iterator<Item = Interval>) -> Result<(), ImageError> {
    match intervals.all(|at| at.begin <= at.end) {
        true => Ok(()),
        false => Err(ImageError::Backwards { list }),
    }
}

fn in_order(list: &'static str, is: bool) -> Result<(), ImageError> {
    if is { Ok(()) } else { Err(ImageError::Unordered { list }) }
}
