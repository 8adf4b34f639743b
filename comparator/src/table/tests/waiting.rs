//! In which class keys wait for a probe, and what becomes of those that get none.

use super::*;

fn ready(table: &Table, now: Time) -> [usize; Class::COUNT] {
    let ready = table.ready(MAP, now);
    Class::ALL.map(|class| *ready.get(class))
}

/// Gives up on what is overdue at `now`, with a patience of one second.
fn give_up(table: &Table, class: Class, now: Time, reason: Reason) -> Effects {
    let probes = table.overdue(MAP, class, (now, TERMS.patience), 100);
    let unseen = |probe| Observed { probe, at: Interval::new(now, now), seen: Err(reason) };
    table.apply(Change::Observed(probes.into_iter().map(unseen).collect()), now)
}

/// A key with a confirmed divergence, which is to be looked at again at 2,000 ms.
fn divergent(table: &Table) {
    put(table, b"k", write(1, A, 0, 10), at(11));
    let confirmed = look(table, at(1_100), Ok(Digest::ABSENT));
    assert_eq!(outcomes(&confirmed), [(1, Outcome::Divergent)]);
    assert_eq!(ready(table, at(1_101)), [0, 0, 0]);
}

#[test]
fn a_key_waits_as_fresh_then_as_divergent_and_moves_up_with_the_next_write() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    assert_eq!(ready(&table, at(20)), [0, 0, 0], "it is not due");
    assert_eq!(ready(&table, at(21)), [1, 0, 0]);
    look(&table, at(1_100), Ok(Digest::ABSENT));
    assert_eq!(ready(&table, at(2_000)), [0, 1, 0]);
    put(&table, b"k", write(2, B, 2_001, 2_002), at(2_003));
    assert_eq!(ready(&table, at(2_004))[0], 1, "a write waits");
    assert_eq!(table.due(MAP, Class::Open, at(2_004), 10, 0), [], "it waits in one class");
    assert_eq!(table.due(MAP, Class::Fresh, at(2_004), 10, 0).len(), 1);
    assert_eq!(ready(&table, at(9_000)), [0, 0, 0], "nothing is left behind");
}

#[test]
fn an_event_is_given_up_after_its_patience_and_not_before() {
    for (now, given_up) in [(2_010, 0), (2_011, 1)] {
        let table = table(1_000);
        put(&table, b"k", write(1, A, 0, 10), at(11));
        assert_eq!(ready(&table, at(500)), [1, 0, 0]);
        let effects = give_up(&table, Class::Fresh, at(now), Reason::Budget);
        let expected: Vec<_> = (0..given_up).map(|_| (1, Outcome::Undetermined(Reason::Budget))).collect();
        assert_eq!(outcomes(&effects), expected, "at {now}");
        assert_eq!(ready(&table, at(now)), [1 - given_up, 0, 0], "what was not given up still waits");
    }
}

#[test]
fn an_event_that_came_late_has_its_patience_from_then_on() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(60_000));
    assert_eq!(ready(&table, at(60_900)), [1, 0, 0]);
    assert!(give_up(&table, Class::Fresh, at(60_900), Reason::Budget).ended.is_empty());
    assert_eq!(give_up(&table, Class::Fresh, at(61_100), Reason::Budget).ended.len(), 1);
}

#[test]
fn what_was_given_up_for_want_of_a_budget_is_over_and_what_for_an_outage_is_read_later() {
    for (reason, left) in [(Reason::Budget, [0, 0, 0]), (Reason::Store, [0, 0, 1])] {
        let table = table(1_000);
        put(&table, b"k", write(1, A, 0, 10), at(11));
        ready(&table, at(500));
        let effects = give_up(&table, Class::Fresh, at(3_000), reason);
        assert_eq!(outcomes(&effects), [(1, Outcome::Undetermined(reason))]);
        assert_eq!(ready(&table, at(9_000)), left, "{reason:?}");
    }
}

#[test]
fn what_no_event_waits_for_is_given_up_with_a_verdict_and_a_divergence_never_is() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    look(&table, at(3_000), Err(Reason::Store));
    assert_eq!(ready(&table, at(4_000)), [0, 0, 1]);
    let effects = give_up(&table, Class::Idle, at(6_000), Reason::Budget);
    assert_eq!(effects.verdicts, [(MAP, Verdict::Undetermined(Reason::Budget))]);
    assert_eq!(ready(&table, at(60_000)), [0, 0, 0]);
    let table = super::table(1_000);
    divergent(&table);
    assert_eq!(ready(&table, at(60_000)), [0, 1, 0]);
    let effects = give_up(&table, Class::Idle, at(60_000), Reason::Budget);
    assert!(effects.verdicts.is_empty() && table.census()[0].divergences == 1, "{effects:?}");
}
