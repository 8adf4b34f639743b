//! From times to places on the axis: in proportion, but for long times in which nothing happened.

use super::{LEFT, RIGHT, Span};
use crate::dashboard::show;

/// Times along the axis.
const MARKS: u32 = 5;

/// A time without anything is folded that is longer than everything else together by this factor, and not short by itself.
const FOLD_BEYOND: f64 = 10.0;
const FOLD_NS_MIN: f64 = 10e9;

/// Most folds, and the width of each.
const FOLDS_MAX: usize = 3;
const FOLD_WIDTH: f64 = 70.0;

/// From times to places.
pub(super) struct Scale {
    /// When the picture begins.
    pub(super) begin_ns: i64,
    /// What is folded, in order.
    pub(super) folds: Vec<Fold>,
    /// Instants and their places, in order; in between, places are in proportion.
    knots: Vec<(i64, f64)>,
}

/// A long time in which nothing happened, drawn shorter than it was.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Fold {
    pub(super) x: f64,
    pub(super) width: f64,
    /// How long it was.
    pub(super) text: String,
    end_ns: i64,
}

impl Scale {
    /// The scale on which all of these have their places; `None` if there are none.
    pub(super) fn of(spans: &[Span]) -> Option<Self> {
        let begin_ns = spans.iter().map(|span| span.begin_ns).min()?;
        let end_ns = spans.iter().map(|span| span.end_ns).max()?;
        let quiet = to_be_folded(quiet(spans), length_ns(begin_ns, end_ns));
        let folded_ns: f64 = quiet.iter().map(|gap| gap.length_ns()).sum();
        let room = RIGHT - LEFT - FOLD_WIDTH * (quiet.len() as f64);
        // An instant alone has a place too.
        let per_ns = room / (length_ns(begin_ns, end_ns) - folded_ns).max(1.0);
        let (mut knots, mut folds) = (vec![(begin_ns, LEFT)], Vec::new());
        let (mut at_ns, mut x) = (begin_ns, LEFT);
        for gap in quiet {
            x += length_ns(at_ns, gap.begin_ns) * per_ns;
            knots.extend([(gap.begin_ns, x), (gap.end_ns, x + FOLD_WIDTH)]);
            let text = show::span_ms(gap.length_ns() / 1e6);
            folds.push(Fold { x, width: FOLD_WIDTH, text, end_ns: gap.end_ns });
            (at_ns, x) = (gap.end_ns, x + FOLD_WIDTH);
        }
        knots.push((end_ns, RIGHT));
        Some(Self { begin_ns, folds, knots })
    }

    /// The place of an instant.
    pub(super) fn x(&self, ns: i64) -> f64 {
        let mut pieces = self.pieces().filter(|(_, to)| ns <= to.0);
        pieces.next().map_or(RIGHT, |(from, to)| {
            let share = length_ns(from.0, ns) / length_ns(from.0, to.0).max(1.0);
            (to.1 - from.1).mul_add(share.clamp(0.0, 1.0), from.1)
        })
    }

    /// How long after the beginning an instant is, in words: what came after a fold is told from its end on, as it would be lost in
    /// the whole.
    pub(super) fn after(&self, ns: i64) -> String {
        let after = |since_ns: i64| show::span(ns.saturating_sub(since_ns));
        match self.folded_before(ns) {
            Some(fold) => {
                format!("{} + {}", show::span(fold.end_ns.saturating_sub(self.begin_ns)), after(fold.end_ns))
            }
            None => after(self.begin_ns),
        }
    }

    /// Places on the axis outside folds, and how long after the beginning they are, or after the fold before them.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let places = (0..MARKS).map(|at| LEFT + (RIGHT - LEFT) * f64::from(at) / f64::from(MARKS - 1));
        let is_folded = |x: f64| self.folds.iter().any(|fold| x > fold.x && x < fold.x + fold.width);
        places.filter(|x| !is_folded(*x)).map(|x| (x, self.mark(x))).collect()
    }

    fn mark(&self, x: f64) -> String {
        let fold = self.folds.iter().rev().find(|fold| fold.x + fold.width <= x);
        let (before, since_ns) = fold.map_or(("", self.begin_ns), |fold| ("…", fold.end_ns));
        let ms = self.after_ms(x) - length_ns(self.begin_ns, since_ns) / 1e6;
        format!("{before}+{}", show::span_ms(ms))
    }

    fn folded_before(&self, ns: i64) -> Option<&Fold> {
        self.folds.iter().rev().find(|fold| fold.end_ns <= ns)
    }

    /// How long after the beginning a place is, in milliseconds.
    fn after_ms(&self, x: f64) -> f64 {
        let mut pieces = self.pieces().filter(|(_, to)| x <= to.1);
        let after_ns = pieces.next().map_or(0.0, |(from, to)| {
            let share = (x - from.1) / (to.1 - from.1).max(1.0);
            length_ns(from.0, to.0).mul_add(share, length_ns(self.begin_ns, from.0))
        });
        after_ns / 1e6
    }

    fn pieces(&self) -> impl Iterator<Item = (&(i64, f64), &(i64, f64))> {
        self.knots.iter().zip(self.knots.iter().skip(1))
    }
}

impl Span {
    fn length_ns(&self) -> f64 {
        length_ns(self.begin_ns, self.end_ns)
    }
}

/// Whatever the two instants are, nothing overflows.
fn length_ns(begin_ns: i64, end_ns: i64) -> f64 {
    (i128::from(end_ns) - i128::from(begin_ns)) as f64
}

/// The times in which nothing happened.
fn quiet(spans: &[Span]) -> Vec<Span> {
    let mut spans = spans.to_vec();
    spans.sort_unstable_by_key(|span| span.begin_ns);
    let mut busy_until_ns = spans.first().map_or(0, |first| first.end_ns);
    let mut gaps = Vec::new();
    for span in spans {
        if span.begin_ns > busy_until_ns {
            gaps.push(Span { begin_ns: busy_until_ns, end_ns: span.begin_ns });
        }
        busy_until_ns = busy_until_ns.max(span.end_ns);
    }
    gaps
}

/// Of the gaps in a time of `all_ns` those that would leave too little room for everything else, in order.
fn to_be_folded(mut gaps: Vec<Span>, all_ns: f64) -> Vec<Span> {
    gaps.sort_unstable_by(|one, other| other.length_ns().total_cmp(&one.length_ns()));
    let mut others_ns = all_ns;
    let is_too_long = |gap: &Span| {
        others_ns -= gap.length_ns();
        gap.length_ns() >= FOLD_NS_MIN && gap.length_ns() > FOLD_BEYOND * others_ns
    };
    let mut folded: Vec<_> = gaps.into_iter().take(FOLDS_MAX).take_while(is_too_long).collect();
    folded.sort_unstable_by_key(|gap| gap.begin_ns);
    folded
}
