//! What is drawn of a timeline, and where.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
use super::*;
use proptest::prelude::*;

const MS: i64 = 1_000_000;

fn span(begin_ms: i64, end_ms: i64) -> Span {
    Span { begin_ns: begin_ms * MS, end_ns: end_ms * MS }
}

fn bar(label: &str, map: Span, store: Option<Span>) -> Bar {
    let trace = store
        .is_some()
        .then(|| Traced { id: "ab12".into(), shown_at: Some("https://t.example/ab12".into()) });
    Bar { label: label.into(), map_leg: Some(map), store_leg: store, is_due: label == "b", trace, note: None }
}

fn look(at: Span, is_legal: bool) -> Tick {
    let explained = if is_legal { Explained::Yes } else { Explained::No };
    Tick { at, saw: "absent".into(), explained }
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
    assert_eq!((seen.explained, last.explained), (Explained::Yes, Explained::No));
    assert!(seen.middle < last.middle && last.span.x < RIGHT);
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
        looks: vec![
            look(span(30, 31), true),
            look(span(40, 41), false),
            Tick { explained: Explained::Unknown, ..look(span(45, 46), false) },
            look(span(50, 51), false),
        ],
    };
    let page = timeline.picture().unwrap().render().unwrap();
    let count = |part: &str| page.matches(part).count();
    assert_eq!((count("<rect class=\"map\""), count("<rect class=\"store\"")), (4, 3), "{page}");
    let looks = ["legal", "illegal", "unknown"].map(|style| count(&format!("<g class=\"{style}\"")));
    assert_eq!(looks, [1, 2, 1], "{page}");
    assert_eq!(
        (count("<circle"), count("<path"), count(", explained<"), count(", not explained<")),
        (1, 3, 1, 2)
    );
    assert_eq!((count("<tr role=\"row\"><th role=\"rowheader\""), count("should have shown")), (8, 1));
    assert_eq!(count("<a href=\"https://t.example/ab12\" rel=\"noreferrer noopener\">ab12</a>"), 3);
    assert!(!page.contains("<script>") && !page.contains("style="), "{page}");
    assert!(page.contains("from 1970-01-01 00:00:00 UTC on"), "{page}");
}

#[test]
fn the_write_that_should_have_shown_is_drawn_however_many_came_after_it() {
    let others = (1..100).map(|at| bar("a", span(at, at), None));
    let writes = [bar("b", span(0, 0), None)].into_iter().chain(others).collect();
    let drawing = Timeline { writes, looks: Vec::new() }.drawn().unwrap();
    assert_eq!((drawing.rows.len(), drawing.writes_left_out), (WRITES_MAX + 1, 59));
    assert_eq!((drawing.rows[0].is_due, drawing.begin_ns), (true, 0));
}

#[test]
fn a_long_time_without_anything_is_folded_and_what_happened_quickly_can_be_seen() {
    /// From the end of the first write on.
    const DAY: i64 = 86_400_020;
    let timeline = Timeline {
        writes: vec![
            bar("a", span(0, 10), Some(span(10, 20))),
            bar("b", span(DAY, DAY + 10), Some(span(DAY + 10, DAY + 40))),
        ],
        looks: vec![look(span(DAY + 60, DAY + 61), true), look(span(DAY + 99, DAY + 100), false)],
    };
    let drawing = timeline.drawn().unwrap();
    let [fold] = &drawing.folds[..] else { panic!("{drawing:?}") };
    assert_eq!(fold.text, "24 h 0 min");
    let [old, new] = &drawing.rows[..] else { panic!("{drawing:?}") };
    let (old, new) = (old.store_leg.as_ref().unwrap(), new.map_leg.as_ref().unwrap());
    assert!(old.x + old.width <= fold.x + 1e-6 && new.x >= fold.x + fold.width - 1e-6, "{drawing:?}");
    assert!(new.width > 40.0, "a hundredth of a second can be seen: {drawing:?}");
    assert_eq!(new.text, "from 24 h 0 min + 0.00 ms to 24 h 0 min + 10 ms");
    assert!(drawing.marks.iter().all(|(x, _)| *x <= fold.x || *x >= fold.x + fold.width));
    assert_eq!(drawing.marks.last().unwrap(), &(RIGHT, "…+100 ms".to_owned()));
    let page = timeline.picture().unwrap().render().unwrap();
    assert!(page.contains("24 h 0 min without anything"), "{page}");
    let looks = vec![look(span(0, 1), true), look(span(9_000, 9_001), true)];
    assert_eq!(Timeline { writes: Vec::new(), looks }.drawn().unwrap().folds, [], "seconds are not long");
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
