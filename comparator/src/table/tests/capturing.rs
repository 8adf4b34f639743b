//! What a divergence is confirmed from goes along with it, where that is wanted.

use super::*;
use counterfoil_judge::{History, judge};
use counterfoil_proto::TraceRef;

const TRACE: TraceRef = TraceRef { trace_id: [5; 16], span_id: [6; 8] };

fn capturing() -> Table {
    let mut table = table(1_000);
    table.capture();
    table
}

/// A write in a span, of which nothing came.
fn lose(table: &Table) -> Effects {
    let (key, marks) = (&b"k"[..], Marks { trace: Some(TRACE), cohort: None });
    let arrival = Arrival {
        map: MAP,
        hash: key_hash("cart", key),
        key,
        digested_under: KeyNumber::default(),
        write: write(1, A, 0, 10),
        marks,
        prints: &[],
        spellings: &[],
    };
    table.apply(Change::Writes(vec![arrival]), at(11))
}

#[test]
fn what_a_divergence_was_confirmed_from_is_judged_again_to_the_same() {
    let table = capturing();
    lose(&table);
    let opened = look(&table, at(21), Ok(Digest::ABSENT));
    assert_eq!((turns(&opened), &opened.turned[0].captured), (vec![Turn::Opened], &None));
    let confirmed = look(&table, at(1_020), Ok(Digest::ABSENT));
    let [turned] = &confirmed.turned[..] else { panic!("{confirmed:?}") };
    let captured = turned.captured.as_deref().unwrap();
    assert_eq!((captured.at, captured.calibration), (at(1_020), Calibration::Calibrated));
    assert_eq!(captured.traces, [(turned.divergence.named, TRACE)]);
    assert!(captured.history.writes[0].pending, "as it was before the judgement");
    let history = History::of_image(captured.history.clone()).unwrap();
    let judgement = judge(&history, &captured.read, &TERMS);
    assert_eq!(
        (judgement.legality, judgement.verdict),
        (captured.legality, Verdict::Divergent(turned.divergence))
    );
}

#[test]
fn a_divergence_that_is_opened_and_confirmed_at_once_is_captured_and_one_that_was_confirmed_is_not_again() {
    let table = capturing();
    lose(&table);
    let found = look(&table, at(1_020), Ok(Digest::ABSENT));
    assert_eq!(turns(&found), [Turn::Opened, Turn::Confirmed]);
    let captured: Vec<_> = found.turned.iter().map(|turned| turned.captured.is_some()).collect();
    assert_eq!(captured, [false, true]);
    assert!(look(&table, at(5_000), Ok(Digest::ABSENT)).turned.is_empty());
    let resolved = look(&table, at(9_000), Ok(A));
    assert!(matches!(&resolved.turned[..], [turned] if turned.captured.is_none()), "{resolved:?}");
}

#[test]
fn nothing_is_captured_unless_that_is_wanted() {
    let table = table(1_000);
    lose(&table);
    let found = look(&table, at(1_020), Ok(Digest::ABSENT));
    assert!(found.turned.len() == 2 && found.turned.iter().all(|turned| turned.captured.is_none()));
}
