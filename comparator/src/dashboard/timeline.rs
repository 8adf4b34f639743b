//! The life of a key as a picture: writes as bars with their legs, looks at the store across them.
//!
//! Knows nothing of where its data comes from: the ledger's row, or all that a bundle of evidence holds. What happened within
//! milliseconds can be seen though the value before it is a day old: a long time in which nothing happened is folded.

mod scale;

use super::options::Traced;
use askama::Template;
use scale::{Fold, Scale};

/// Writes that are drawn; those that come before are counted.
const WRITES_MAX: usize = 40;

/// Looks that are drawn; likewise.
const LOOKS_MAX: usize = 60;

/// The picture's width, and where its time begins and ends, in its own units.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 915.0;

/// Height of a write's row, of what stands above all rows, and of the axis below them.
const ROW_HEIGHT: f64 = 34.0;
const TOP: f64 = 34.0;
const AXIS_HEIGHT: f64 = 30.0;

/// The least width of a bar: an instant can be seen.
const BAR_MIN: f64 = 4.0;

/// Letters of a label.
const LABEL_CHARS_MAX: usize = 30;

/// What happened to a key, in nanoseconds of one timeline.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Timeline {
    /// Oldest first.
    pub(crate) writes: Vec<Bar>,
    /// Oldest first.
    pub(crate) looks: Vec<Tick>,
}

/// A write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bar {
    /// Which one.
    pub(crate) label: String,
    /// When the application changed its map; `None` if that is not known.
    pub(crate) map_leg: Option<Span>,
    /// When it called the store.
    pub(crate) store_leg: Option<Span>,
    /// It is the one that should have shown.
    pub(crate) is_due: bool,
    /// The trace in which it was made.
    pub(super) trace: Option<Traced>,
    /// What else there is to say of it.
    pub(crate) note: Option<String>,
}

/// An interval; an instant begins where it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) begin_ns: i64,
    pub(crate) end_ns: i64,
}

impl Span {
    /// An instant.
    pub(crate) fn at(ns: i64) -> Self {
        Self { begin_ns: ns, end_ns: ns }
    }
}

/// A look at the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tick {
    /// When.
    pub(crate) at: Span,
    /// What it saw.
    pub(crate) saw: String,
    /// Whether some order of the writes explains what it saw.
    pub(crate) explained: Explained,
}

/// Whether the writes explain what a look saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Explained {
    /// A write that was reported does.
    Yes,
    /// None does.
    No,
    /// Only one that nobody reported could.
    Unknown,
}

impl Explained {
    /// As the name of a style.
    fn style(self) -> &'static str {
        match self {
            Self::Yes => "legal",
            Self::No => "illegal",
            Self::Unknown => "unknown",
        }
    }

    /// In words.
    fn words(self) -> &'static str {
        match self {
            Self::Yes => "explained",
            Self::No => "not explained",
            Self::Unknown => "explained by nothing that was reported",
        }
    }
}

/// The picture as a part of a page, and the table that says the same.
#[derive(Template)]
#[template(path = "timeline.html")]
pub(super) struct Picture {
    drawing: Drawing,
    /// When its beginning is.
    begins: String,
    /// Of a look it cannot be told whether the writes explain it.
    has_unknown: bool,
}

/// The picture, in its own units.
#[derive(Clone, PartialEq, Debug)]
struct Drawing {
    width: f64,
    height: f64,
    /// Where the time begins and ends, and the rows end.
    left: f64,
    right: f64,
    bottom: f64,
    rows: Vec<DrawnRow>,
    looks: Vec<DrawnLook>,
    /// Places on the axis, with how long after the beginning they are.
    marks: Vec<(f64, String)>,
    /// Times in which nothing happened, and which are drawn shorter than they were.
    folds: Vec<Fold>,
    /// When the beginning is.
    begin_ns: i64,
    /// What is not drawn, for want of room.
    writes_left_out: usize,
    looks_left_out: usize,
}

/// A write in the picture, and in the table beside it.
#[derive(Clone, PartialEq, Debug)]
struct DrawnRow {
    y: f64,
    label: String,
    full_label: String,
    is_due: bool,
    map_leg: Option<DrawnSpan>,
    store_leg: Option<DrawnSpan>,
    trace: Option<Traced>,
    note: Option<String>,
}

/// A look in the picture, and in the table beside it.
#[derive(Clone, PartialEq, Debug)]
struct DrawnLook {
    span: DrawnSpan,
    middle: f64,
    saw: String,
    explained: Explained,
}

/// An interval in the picture, and how long after the beginning it is.
#[derive(Clone, PartialEq, Debug)]
struct DrawnSpan {
    x: f64,
    width: f64,
    text: String,
}

impl Timeline {
    /// The picture of it, whose times are nanoseconds since 1970; `None` if nothing is known that has a time.
    pub(super) fn picture(&self) -> Option<Picture> {
        let drawing = self.drawn()?;
        let has_unknown = drawing.looks.iter().any(|look| look.explained == Explained::Unknown);
        Some(Picture { begins: super::show::time(drawing.begin_ns), has_unknown, drawing })
    }

    fn drawn(&self) -> Option<Drawing> {
        let (writes, writes_left_out) = latest_writes(&self.writes);
        let (looks, looks_left_out) = latest(&self.looks, LOOKS_MAX);
        let legs = writes.iter().flat_map(|bar| [bar.map_leg, bar.store_leg]).flatten();
        let spans: Vec<Span> = legs.chain(looks.iter().map(|look| look.at)).collect();
        let scale = Scale::of(&spans)?;
        let rows: Vec<_> =
            writes.iter().zip(0_u32..).map(|(bar, at)| DrawnRow::of(bar, at, &scale)).collect();
        let bottom = TOP + ROW_HEIGHT * (rows.len().max(1) as f64);
        Some(Drawing {
            width: WIDTH,
            height: bottom + AXIS_HEIGHT,
            left: LEFT,
            right: RIGHT,
            bottom,
            rows,
            looks: looks.iter().map(|look| DrawnLook::of(look, &scale)).collect(),
            marks: scale.marks(),
            begin_ns: scale.begin_ns,
            folds: scale.folds,
            writes_left_out,
            looks_left_out,
        })
    }
}

/// The last so many of them and that which should have shown, and how many are left out.
fn latest_writes(all: &[Bar]) -> (Vec<&Bar>, usize) {
    let (latest, left_out) = latest(all, WRITES_MAX);
    let due = all.iter().take(left_out).filter(|bar| bar.is_due);
    let drawn: Vec<_> = due.chain(latest).collect();
    let left_out = all.len() - drawn.len();
    (drawn, left_out)
}

/// The last so many of them, and how many come before.
fn latest<T>(all: &[T], max: usize) -> (&[T], usize) {
    let left_out = all.len().saturating_sub(max);
    (all.get(left_out..).unwrap_or_default(), left_out)
}

impl DrawnRow {
    fn of(bar: &Bar, at: u32, scale: &Scale) -> Self {
        Self {
            y: TOP + ROW_HEIGHT * f64::from(at),
            label: cut(&bar.label),
            full_label: bar.label.clone(),
            is_due: bar.is_due,
            map_leg: bar.map_leg.map(|leg| DrawnSpan::of(leg, scale)),
            store_leg: bar.store_leg.map(|leg| DrawnSpan::of(leg, scale)),
            trace: bar.trace.clone(),
            note: bar.note.clone(),
        }
    }
}

impl DrawnLook {
    fn of(look: &Tick, scale: &Scale) -> Self {
        let span = DrawnSpan::of(look.at, scale);
        Self { middle: span.x + span.width / 2.0, span, saw: look.saw.clone(), explained: look.explained }
    }
}

impl DrawnSpan {
    fn of(span: Span, scale: &Scale) -> Self {
        let x = scale.x(span.begin_ns);
        let width = (scale.x(span.end_ns) - x).max(BAR_MIN);
        let text = match span.begin_ns == span.end_ns {
            true => format!("at {}", scale.after(span.begin_ns)),
            false => format!("from {} to {}", scale.after(span.begin_ns), scale.after(span.end_ns)),
        };
        Self { x: x.min(RIGHT - width), width, text }
    }
}

/// The end of a label tells more than its beginning.
fn cut(label: &str) -> String {
    let chars = label.chars().count();
    if chars <= LABEL_CHARS_MAX {
        return label.to_owned();
    }
    let end: String = label.chars().skip(chars - LABEL_CHARS_MAX + 1).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests;
