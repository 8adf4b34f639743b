//! What one judgement costs, by how many writes of the key can still matter.

use crate::cpu::cpu_ns_of;
use crate::report::{Figure, Section};
use counterfoil_judge::{
    Digest, GROUPS_MAX, History, Interval, LIVE_WRITES_MAX, Observation, Scope, StoreLeg, Terms, Time, Write,
    WriteId, judge, settle,
};
use std::hint::black_box;

/// Keys among which the judgements go around, so that the processor cannot learn one by heart.
const KEYS: usize = 512;
/// Writes judged in a round, over all the keys' judgements: a key with more writes is judged less often.
const WRITES_PER_ROUND: usize = 1_000_000;
/// Keys with one write that are judged, settled and pruned in a round.
const ONE_WRITE_KEYS: usize = 20_000;
/// Rounds, of which the cheapest counts: what disturbs a round only makes it dearer.
const ROUNDS: usize = 7;
/// What a judgement may cost in nanoseconds, on a key with few writes.
const TARGET_NS: f64 = 200.0;

const TERMS: Terms = Terms {
    deadline: 100_000,
    lead: 0,
    give_up: None,
    patience: 100_000,
    expires: false,
    scope: Scope::Shared,
};

/// Writes of a key begin within this many nanoseconds and all end after them: every one can still matter.
const BEGINS_WITHIN: i64 = 10_000;
const READ_AT: i64 = 50_000;

/// So many writes have gone through a key with all its groups full of merged ones and all its places taken.
const CROWD: usize = GROUPS_MAX * LIVE_WRITES_MAX / 2 + LIVE_WRITES_MAX;

/// Judges keys with few and with very many writes, reads that agree and reads that nothing explains.
pub(crate) fn section() -> Section {
    let mut figures = Vec::new();
    for (writes, live) in [(1, "1 live write"), (2, "2 live writes"), (8, "8 live writes")] {
        for read in READS {
            let what = format!("judgement, {live}, {}", read.what());
            figures.push(Figure::most(what, judge_ns(writes, read), TARGET_NS, "ns", 0));
        }
    }
    for read in READS {
        let what = format!("judgement, 64 live writes and 8 groups of merged ones, {}", read.what());
        figures.push(Figure::plain(what, judge_ns(CROWD, read), "ns", 0));
    }
    let one_write = one_write_ns();
    figures.push(Figure::plain("judgement, settling and pruning, 1 live write, agrees", one_write, "ns", 0));
    Section { title: "The rule", figures }
}

/// What the store is seen to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// What a last write of the map wrote.
    Agrees,
    /// What no write wrote.
    IsForeign,
}

const READS: [Read; 2] = [Read::Agrees, Read::IsForeign];

impl Read {
    /// The read of a key whose last write was number `last`.
    fn of(self, key: usize, last: usize) -> Observation {
        let digest = match self {
            Self::Agrees => digest(last),
            Self::IsForeign => Digest([0xff; 16]),
        };
        let begin = begin(key).plus(READ_AT);
        Observation { at: Interval::new(begin, begin.plus(1_000)), digest, version: None }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::IsForeign => "nothing explains the read",
        }
    }

    fn verdict(self) -> &'static str {
        match self {
            Self::Agrees => "consistent",
            Self::IsForeign => "foreign",
        }
    }
}

/// CPU time of a judgement on a key that was written `writes` times at once, in nanoseconds.
fn judge_ns(writes: usize, read: Read) -> f64 {
    let cases: Vec<_> = (0..KEYS).map(|key| (history(key, writes), read.of(key, writes - 1))).collect();
    for (history, read_of_key) in &cases {
        let verdict = judge(history, read_of_key, &TERMS).verdict;
        assert_eq!((history.live(), verdict.label()), (writes.min(LIVE_WRITES_MAX), read.verdict()));
        assert_eq!(history.merged(), writes - history.live(), "the others are merged");
    }
    let judgements = WRITES_PER_ROUND / writes;
    least(|| {
        let spent = cpu_ns_of(|| {
            for (history, read) in cases.iter().cycle().take(judgements) {
                black_box(judge(black_box(history), read, &TERMS));
            }
        });
        spent / judgements as f64
    })
}

/// CPU time of all that follows on the read of a key with one write, which agrees, in nanoseconds.
fn one_write_ns() -> f64 {
    let mut ended = Vec::with_capacity(ONE_WRITE_KEYS);
    least(|| {
        let read = Read::Agrees;
        let mut cases: Vec<_> = (0..ONE_WRITE_KEYS).map(|key| (history(key, 1), read.of(key, 0))).collect();
        ended.clear();
        let spent = cpu_ns_of(|| {
            for (history, read) in &mut cases {
                let judgement = judge(history, read, &TERMS);
                settle(history, read, &judgement, &TERMS, &mut ended);
                history.prune(read.at.end, None, &mut ended);
            }
        });
        assert_eq!(ended.len(), ONE_WRITE_KEYS, "each write is confirmed");
        spent / ONE_WRITE_KEYS as f64
    })
}

fn least(round: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(round).take(ROUNDS).fold(f64::INFINITY, f64::min)
}

/// A key that was written so many times at once, by threads of one process.
fn history(key: usize, writes: usize) -> History {
    let mut history = History::watched_since(Time::MIN);
    let mut ended = Vec::new();
    for at in 0..writes {
        history.insert(write(key, at, writes), &mut ended);
    }
    history.prune(begin(key).plus(READ_AT), None, &mut ended);
    history
}

fn write(key: usize, at: usize, writes: usize) -> Write {
    let step = BEGINS_WITHIN / i64::try_from(writes).expect("there are few");
    let begin = begin(key).plus(step * i64::try_from(at).expect("there are few"));
    let leg = Interval::new(begin, begin.plus(BEGINS_WITHIN));
    Write {
        id: WriteId { source: 1, seq: at as u64 },
        digest: digest(at),
        map: Some(leg),
        order: None,
        store: Some(StoreLeg { interval: leg, acknowledged: true }),
        version: None,
        deadline: leg.end.plus(TERMS.deadline),
        pending: true,
        held: false,
    }
}

/// When the writes of a key begin.
fn begin(key: usize) -> Time {
    Time(i64::try_from(key).expect("there are few") * 1_000_000)
}

/// What write number `at` wrote.
fn digest(at: usize) -> Digest {
    let mut digest = [1; 16];
    digest.iter_mut().zip(at.to_le_bytes()).for_each(|(to, from)| *to = from);
    Digest(digest)
}
