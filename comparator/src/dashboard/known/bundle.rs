//! The timeline of a bundle: every write that mattered when the divergence was confirmed, and the looks until then.
//!
//! The bundle's instants are those of the comparator's timeline; when it was written is known on both clocks.

use super::super::options::Options;
use super::super::timeline::{Bar, Explained, Span, Tick, Timeline};
use super::turn;
use crate::ledger::{Entry, State};
use counterfoil_evidence::{Group, Instant, Interval, Past, Predicate, StoreLeg, Trace, Write};
use counterfoil_judge::Time;

/// The timeline of what a bundle says, and of when the `history` says that it was opened.
pub(super) fn timeline(said: &Predicate, history: &[Entry], options: &Options) -> Timeline {
    let wall = Wall::of(said);
    let mut writes: Vec<_> =
        said.history.writes.iter().map(|write| wall.write(said, write, options)).collect();
    writes.extend(said.history.groups.iter().map(|group| wall.group(said, group)));
    writes.extend(pasts(said).map(|past| wall.past(past)));
    writes
        .sort_by_key(|bar| [bar.map_leg, bar.store_leg].into_iter().flatten().map(|leg| leg.begin_ns).min());
    let mut looks: Vec<_> = wall.looks(said).into_iter().chain(opened(said, history)).collect();
    looks.sort_by_key(|look| look.at.begin_ns);
    Timeline { writes, looks }
}

/// What is remembered of writes that are not kept, each once: the one that the store stands still on is one of them, mostly.
fn pasts(said: &Predicate) -> impl Iterator<Item = &Past> {
    let dropped = &said.history.dropped;
    let still = said.history.still.as_ref().and_then(|still| still.past.as_ref());
    dropped.iter().chain(still.filter(|past| !dropped.contains(past)))
}

/// When the divergence was opened that the bundle is about: it may have been opened again since.
fn opened(said: &Predicate, history: &[Entry]) -> Option<Tick> {
    let before = history.iter().filter(|entry| entry.at_unix_ns <= said.written.at_unix_ns.0);
    let mut openings = before.filter(|entry| State::of(&entry.what) == Some(State::Opened));
    turn(openings.next_back()?, &said.verdict.kind)
}

/// From the bundle's instants to those of the wall clock.
struct Wall {
    /// How far the wall clock is ahead, in nanoseconds.
    ahead_ns: i64,
    /// The first and the last instant of anything: what began at any time is drawn from there, and what has not ended until there.
    first: Time,
    last: Time,
}

impl Wall {
    fn of(said: &Predicate) -> Self {
        let ahead_ns = said.written.at_unix_ns.0.saturating_sub(said.written.at_ns.0.0);
        let known = instants(said).filter(|at| *at > Time::MIN && *at < Time::MAX);
        let (judged, mut first, mut last) = (said.judged_at_ns.0, said.judged_at_ns.0, said.judged_at_ns.0);
        for at in known.chain([judged]) {
            (first, last) = (first.min(at), last.max(at));
        }
        Self { ahead_ns, first, last }
    }

    fn at(&self, instant: Instant) -> i64 {
        instant.0.max(self.first).min(self.last).0.saturating_add(self.ahead_ns)
    }

    fn span(&self, at: Interval) -> Span {
        Span { begin_ns: self.at(at.begin_ns), end_ns: self.at(at.end_ns) }
    }

    fn write(&self, said: &Predicate, write: &Write, options: &Options) -> Bar {
        let source = said.sources.iter().find(|source| source.number == write.id.source);
        let source =
            source.map_or_else(|| format!("source {}", write.id.source), |source| source.name.clone());
        Bar {
            label: format!("{source} #{}", write.id.seq),
            map_leg: write.map.map(|leg| self.span(leg)),
            store_leg: write.store.map(|leg| self.span(interval(leg))),
            is_due: write.id == said.verdict.named,
            trace: write.trace.map(|Trace { trace_id, .. }| options.traced(trace_id.to_string())),
            note: note(write),
        }
    }

    fn group(&self, said: &Predicate, group: &Group) -> Bar {
        Bar {
            label: format!("merged writes of {} values", group.digests.len()),
            map_leg: group.map.map(|leg| self.span(leg)),
            store_leg: group.store.map(|leg| self.span(leg)),
            is_due: group.newest.as_ref().is_some_and(|newest| newest.id == said.verdict.named),
            trace: None,
            note: Some(format!("{} acknowledged by the store", group.acknowledged)),
        }
    }

    fn past(&self, past: &Past) -> Bar {
        Bar {
            label: "an earlier write".to_owned(),
            map_leg: None,
            store_leg: Some(self.span(past.store)),
            is_due: false,
            trace: None,
            note: (!past.acknowledged).then(|| UNACKNOWLEDGED.to_owned()),
        }
    }

    fn looks(&self, said: &Predicate) -> Vec<Tick> {
        let before = said.history.last_read.as_ref().map(|read| Tick {
            at: self.span(read.at),
            saw: format!("looked before: {}", read.digest),
            explained: Explained::Yes,
        });
        let judged = Tick {
            at: self.span(said.read.at),
            saw: format!("confirmed: {}, saw {}", said.verdict.kind, said.read.digest),
            explained: match said.verdict.legality.as_str() {
                "legal" => Explained::Yes,
                "illegal" => Explained::No,
                _ => Explained::Unknown,
            },
        };
        before.into_iter().chain([judged]).collect()
    }
}

const UNACKNOWLEDGED: &str = "the store did not acknowledge it";

/// What the legs of a write do not show.
fn note(write: &Write) -> Option<String> {
    let said = [
        write.held.then_some("nobody saw it being made: the map held its value"),
        write.store.is_none().then_some("it did not reach the store"),
        write.store.is_some_and(|leg| !leg.acknowledged).then_some(UNACKNOWLEDGED),
        write.map.is_none().then_some("it did not reach the map"),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Each instant at which something of the history began or ended.
fn instants(said: &Predicate) -> impl Iterator<Item = Time> {
    let of_writes = said.history.writes.iter().flat_map(|write| [write.map, write.store.map(interval)]);
    let of_groups = said.history.groups.iter().flat_map(|group| [group.map, group.store]);
    let of_pasts = pasts(said).map(|past| Some(past.store));
    let of_reads = [Some(said.read.at), said.history.last_read.as_ref().map(|read| read.at)];
    let all = of_writes.chain(of_groups).chain(of_pasts).chain(of_reads).flatten();
    all.flat_map(|at| [at.begin_ns.0, at.end_ns.0])
}

fn interval(StoreLeg { begin_ns, end_ns, .. }: StoreLeg) -> Interval {
    Interval { begin_ns, end_ns }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use crate::dashboard::TraceUrl;
    use counterfoil_evidence::{Hex, Nanoseconds, Trust, verify};

    /// A bundle that another crate keeps.
    const BUNDLE: &[u8] = include_bytes!("../../../../evidence/tests/golden/stale.dsse.json");

    /// When it was written, on the wall clock.
    const WRITTEN_UNIX_NS: i64 = 1_000_000_000_000;

    fn said() -> Predicate {
        let mut said = verify(BUNDLE, &Trust { embedded: true, ..Trust::default() }).unwrap().predicate;
        said.written.at_unix_ns = Nanoseconds(WRITTEN_UNIX_NS);
        said.written.at_ns = Instant(Time(1_000));
        said
    }

    /// What the wall clock showed at an instant of the bundle.
    fn wall(at: i64) -> i64 {
        WRITTEN_UNIX_NS - 1_000 + at
    }

    fn drawn(said: &Predicate, history: &[Entry]) -> Timeline {
        let options =
            Options { trace_url: TraceUrl::of("https://t.example/{trace_id}"), ..Options::default() };
        timeline(said, history, &options)
    }

    fn entry(at_unix_ns: i64, what: &str) -> Entry {
        Entry {
            revision: 1,
            at_unix_ns,
            what: what.to_owned(),
            by: None,
            why: None,
            until_unix_ns: None,
            kind: Some("stale".to_owned()),
            store_digest: None,
            map_digest: None,
        }
    }

    #[test]
    fn each_write_is_a_bar_with_its_source_legs_and_trace_and_the_named_one_is_due() {
        let mut said = said();
        let named = said.verdict.named;
        let write = said.history.writes.iter_mut().find(|write| write.id == named).unwrap();
        write.trace = Some(Trace { trace_id: Hex([0xab; 16]), span_id: Hex([1; 8]) });
        let kept = said.history.writes.len();
        let timeline = drawn(&said, &[]);
        assert_eq!(timeline.writes.len(), kept + said.history.groups.len() + said.history.dropped.len());
        let due: Vec<_> = timeline.writes.iter().filter(|bar| bar.is_due).collect();
        let [due] = &due[..] else { panic!("{due:?}") };
        assert_eq!(due.label, format!("{} #{}", said.named_source, named.seq));
        let leg = Span { begin_ns: wall(40), end_ns: wall(60) };
        let store = said.history.writes.iter().find(|write| write.id == named).unwrap().store.unwrap();
        let store = Span { begin_ns: wall(store.begin_ns.0.0), end_ns: wall(store.end_ns.0.0) };
        assert_eq!((due.map_leg.is_some(), due.store_leg), (true, Some(store)));
        let trace = due.trace.as_ref().unwrap();
        assert_eq!(trace.shown_at.as_deref(), Some(&*format!("https://t.example/{}", "ab".repeat(16))));
        let legs =
            timeline.writes.iter().filter(|bar| bar.map_leg == Some(leg) && bar.store_leg == Some(leg));
        assert!(legs.count() > 20, "{timeline:?}");
        let earlier = timeline.writes.first().unwrap();
        let leg = Span { begin_ns: wall(0), end_ns: wall(10) };
        assert_eq!((earlier.label.as_str(), earlier.store_leg), ("an earlier write", Some(leg)));
        assert!(timeline.writes.iter().any(|bar| bar.label == "merged writes of 32 values"));
    }

    #[test]
    fn what_began_at_any_time_or_has_not_ended_is_drawn_as_far_as_anything_is() {
        let mut said = said();
        let end = instants(&said).chain([said.judged_at_ns.0]).max().unwrap();
        let write = said.history.writes.first_mut().unwrap();
        let (begin_ns, end_ns) = (Instant(Time::MIN), Instant(Time::MAX));
        write.store = Some(StoreLeg { begin_ns, end_ns, acknowledged: false });
        (write.map, write.held) = (None, true);
        let timeline = drawn(&said, &[]);
        let open = timeline.writes.iter().find(|bar| bar.note.is_some() && bar.map_leg.is_none()).unwrap();
        assert_eq!(open.store_leg, Some(Span { begin_ns: wall(0), end_ns: wall(end.0) }));
        let note = open.note.as_deref().unwrap();
        assert!(
            ["nobody saw", "did not acknowledge", "did not reach the map"]
                .iter()
                .all(|part| note.contains(part))
        );
    }

    #[test]
    fn each_look_is_marked_as_the_verdict_says_and_what_came_after_it_is_not_drawn() {
        let history = [
            entry(wall(80), "opened"),
            entry(wall(90), "acknowledged"),
            entry(wall(120), "confirmed"),
            entry(wall(2_000), "resolved"),
            entry(wall(3_000), "opened"),
        ];
        for (legality, explained) in
            [("legal", Explained::Yes), ("illegal", Explained::No), ("unknowable", Explained::Unknown)]
        {
            let mut said = said();
            said.verdict.legality = legality.to_owned();
            let looks = drawn(&said, &history).looks;
            let [before, opened, judged] = &looks[..] else { panic!("{looks:?}") };
            assert_eq!(
                (before.at, before.explained),
                (Span { begin_ns: wall(12), end_ns: wall(13) }, Explained::Yes)
            );
            assert_eq!((opened.at, &*opened.saw), (Span::at(wall(80)), "opened: stale"));
            assert_eq!((judged.at.begin_ns, judged.explained), (wall(said.read.at.begin_ns.0.0), explained));
            assert!(judged.saw.starts_with("confirmed: stale, saw "), "{judged:?}");
        }
    }
}
