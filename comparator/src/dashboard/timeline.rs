//! The life of a key as a picture: writes as bars with their legs, looks at the store across them.
//!
//! Knows nothing of where its data comes from: the ledger's row, or all that a bundle of evidence holds.

use askama::Template;

/// Writes that are drawn; those that come before are counted.
const WRITES_MAX: usize = 40;

/// Looks that are drawn; likewise.
const LOOKS_MAX: usize = 60;

/// Times along the axis.
const MARKS: u32 = 5;

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
    pub(crate) is_legal: bool,
}

/// The picture as a part of a page, and the table that says the same.
#[derive(Template)]
#[template(path = "timeline.html")]
pub(super) struct Picture {
    drawing: Drawing,
    /// When its beginning is.
    begins: String,
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
}

/// A look in the picture, and in the table beside it.
#[derive(Clone, PartialEq, Debug)]
struct DrawnLook {
    span: DrawnSpan,
    middle: f64,
    saw: String,
    is_legal: bool,
}

/// An interval in the picture, and how long after the beginning it is.
#[derive(Clone, PartialEq, Debug)]
struct DrawnSpan {
    x: f64,
    width: f64,
    text: String,
}

/// From times to places.
struct Scale {
    begin_ns: i64,
    length_ns: f64,
}

impl Timeline {
    /// The picture of it, whose times are nanoseconds since 1970; `None` if nothing is known that has a time.
    pub(super) fn picture(&self) -> Option<Picture> {
        let drawing = self.drawn()?;
        Some(Picture { begins: super::show::time(drawing.begin_ns), drawing })
    }

    fn drawn(&self) -> Option<Drawing> {
        let (writes, writes_left_out) = latest(&self.writes, WRITES_MAX);
        let (looks, looks_left_out) = latest(&self.looks, LOOKS_MAX);
        let legs = writes.iter().flat_map(|bar| [bar.map_leg, bar.store_leg]).flatten();
        let spans: Vec<Span> = legs.chain(looks.iter().map(|look| look.at)).collect();
        let scale = Scale::of(&spans)?;
        let rows: Vec<_> = writes.iter().zip(0_u32..).map(|(bar, at)| scale.row(bar, at)).collect();
        let bottom = TOP + ROW_HEIGHT * (rows.len().max(1) as f64);
        Some(Drawing {
            width: WIDTH,
            height: bottom + AXIS_HEIGHT,
            left: LEFT,
            right: RIGHT,
            bottom,
            rows,
            looks: looks.iter().map(|look| scale.look(look)).collect(),
            marks: scale.marks(),
            begin_ns: scale.begin_ns,
            writes_left_out,
            looks_left_out,
        })
    }
}

/// The last so many of them, and how many come before.
fn latest<T>(all: &[T], max: usize) -> (&[T], usize) {
    let left_out = all.len().saturating_sub(max);
    (all.get(left_out..).unwrap_or_default(), left_out)
}

impl Scale {
    fn of(spans: &[Span]) -> Option<Self> {
        let begin_ns = spans.iter().map(|span| span.begin_ns).min()?;
        let end_ns = spans.iter().map(|span| span.end_ns).max()?;
        // An instant alone has a place too.
        let length_ns = end_ns.saturating_sub(begin_ns).max(1) as f64;
        Some(Self { begin_ns, length_ns })
    }

    fn x(&self, ns: i64) -> f64 {
        let share = ns.saturating_sub(self.begin_ns) as f64 / self.length_ns;
        LEFT + (RIGHT - LEFT) * share.clamp(0.0, 1.0)
    }

    fn span(&self, span: Span) -> DrawnSpan {
        let x = self.x(span.begin_ns);
        let width = (self.x(span.end_ns) - x).max(BAR_MIN);
        let after = |ns: i64| super::show::span(ns.saturating_sub(self.begin_ns));
        let text = match span.begin_ns == span.end_ns {
            true => format!("at {}", after(span.begin_ns)),
            false => format!("from {} to {}", after(span.begin_ns), after(span.end_ns)),
        };
        DrawnSpan { x: x.min(RIGHT - width), width, text }
    }

    fn row(&self, bar: &Bar, at: u32) -> DrawnRow {
        DrawnRow {
            y: TOP + ROW_HEIGHT * f64::from(at),
            label: cut(&bar.label),
            full_label: bar.label.clone(),
            is_due: bar.is_due,
            map_leg: bar.map_leg.map(|leg| self.span(leg)),
            store_leg: bar.store_leg.map(|leg| self.span(leg)),
        }
    }

    fn look(&self, look: &Tick) -> DrawnLook {
        let span = self.span(look.at);
        DrawnLook { middle: span.x + span.width / 2.0, span, saw: look.saw.clone(), is_legal: look.is_legal }
    }

    fn marks(&self) -> Vec<(f64, String)> {
        let mark = |at: u32| {
            let share = f64::from(at) / f64::from(MARKS - 1);
            let text = super::show::span_ms(self.length_ns * share / 1e6);
            (LEFT + (RIGHT - LEFT) * share, format!("+{text}"))
        };
        (0..MARKS).map(mark).collect()
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;

    fn span(begin_ms: i64, end_ms: i64) -> Span {
        Span { begin_ns: begin_ms * MS, end_ns: end_ms * MS }
    }

    fn bar(label: &str, map: Span, store: Option<Span>) -> Bar {
        Bar { label: label.into(), map_leg: Some(map), store_leg: store, is_due: label == "b" }
    }

    fn look(at: Span, is_legal: bool) -> Tick {
        Tick { at, saw: "absent".into(), is_legal }
    }

    #[test]
    fn writes_and_looks_have_their_places_between_the_first_and_the_last_instant() {
        let timeline = Timeline {
            writes: vec![
                bar("a", span(1_000, 1_010), Some(span(1_010, 1_060))),
                bar("b", span(1_050, 1_050), None),
            ],
            looks: vec![look(span(1_080, 1_090), true), look(span(1_200, 1_200), false)],
        };
        let drawing = timeline.drawn().unwrap();
        assert_eq!(drawing.begin_ns, 1_000 * MS);
        let place = |ms: f64| LEFT + (RIGHT - LEFT) * ms / 200.0;
        let [a, b] = &drawing.rows[..] else { panic!("{drawing:?}") };
        let store = a.store_leg.as_ref().unwrap();
        assert!((store.x - place(10.0)).abs() < 1e-6 && (store.width - (place(50.0) - LEFT)).abs() < 1e-6);
        assert_eq!(store.text, "from 10 ms to 60 ms");
        assert_eq!((b.store_leg.as_ref(), b.is_due, a.is_due), (None, true, false));
        let instant = b.map_leg.as_ref().unwrap();
        assert_eq!((instant.width, instant.text.as_str()), (BAR_MIN, "at 50 ms"));
        assert!(a.y < b.y && b.y < drawing.bottom && drawing.bottom < drawing.height);
        let [seen, last] = &drawing.looks[..] else { panic!("{drawing:?}") };
        assert!(seen.is_legal && !last.is_legal && seen.middle < last.middle && last.span.x < RIGHT);
        assert_eq!(drawing.marks.first().unwrap().1, "+0.00 ms");
        assert_eq!(drawing.marks.last().unwrap(), &(RIGHT, "+200 ms".to_owned()));
    }

    #[test]
    fn what_has_no_time_has_no_picture_and_what_there_is_no_room_for_is_counted() {
        assert_eq!(Timeline::default().drawn(), None);
        let many = Timeline {
            writes: (0..100).map(|at| bar(&"x".repeat(99), span(at, at), None)).collect(),
            looks: (0..100).map(|at| look(span(at, at), true)).collect(),
        };
        let drawing = many.drawn().unwrap();
        assert_eq!((drawing.rows.len(), drawing.writes_left_out), (WRITES_MAX, 60));
        assert_eq!((drawing.looks.len(), drawing.looks_left_out), (LOOKS_MAX, 40));
        assert_eq!(drawing.begin_ns, 40 * MS, "the latest are drawn");
        assert_eq!(drawing.rows[0].label.chars().count(), LABEL_CHARS_MAX);
    }

    #[test]
    fn a_page_has_every_bar_and_look_as_a_shape_and_as_a_row_and_runs_nothing() {
        let writes = (0..3).map(|at| bar("<script>x</script>", span(at, at + 5), Some(span(at + 5, at + 9))));
        let timeline = Timeline {
            writes: writes.chain([bar("b", span(20, 21), None)]).collect(),
            looks: vec![look(span(30, 31), true), look(span(40, 41), false), look(span(50, 51), false)],
        };
        let page = timeline.picture().unwrap().render().unwrap();
        let count = |part: &str| page.matches(part).count();
        assert_eq!((count("<rect class=\"map\""), count("<rect class=\"store\"")), (4, 3), "{page}");
        assert_eq!((count("<g class=\"legal\""), count("<g class=\"illegal\"")), (1, 2));
        assert_eq!(
            (count("<circle"), count("<path"), count(", explained<"), count(", not explained<")),
            (1, 2, 1, 2)
        );
        assert_eq!((count("<tr role=\"row\"><th role=\"rowheader\""), count("should have shown")), (7, 1));
        assert!(!page.contains("<script>") && !page.contains("style="), "{page}");
        assert!(page.contains("from 1970-01-01 00:00:00 UTC on"), "{page}");
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_outside_the_picture(
            legs in prop::collection::vec((any::<i64>(), any::<i64>()), 0..50),
            looks in prop::collection::vec((any::<i64>(), any::<i64>()), 1..50),
        ) {
            let ordered = |(one, other): (i64, i64)| Span { begin_ns: one.min(other), end_ns: one.max(other) };
            let timeline = Timeline {
                writes: legs.into_iter().map(|leg| bar("a", ordered(leg), Some(ordered(leg)))).collect(),
                looks: looks.into_iter().map(|at| look(ordered(at), false)).collect(),
            };
            let drawing = timeline.drawn().unwrap();
            let spans = drawing.rows.iter().filter_map(|row| row.store_leg.as_ref());
            for span in spans.chain(drawing.looks.iter().map(|look| &look.span)) {
                prop_assert!(span.x >= LEFT && span.x + span.width <= RIGHT + 1e-6, "{:?}", span);
                prop_assert!(span.width >= BAR_MIN);
            }
        }
    }
}
