//! The plan of what goes wrong with sidecars, networks and the comparator: never while somebody relies on it that it does
//! not.

use super::infrastructure::{ComparatorPlan, DRAIN, DomainPlan, SidecarPlan, SourcePlan};
use super::{MS, Options, Times, WARM_UP, span};
use rand::Rng;
use rand::rngs::SmallRng;

/// From the end of one trouble of a sidecar to the begin of its next: it can catch up.
const CALM: i64 = 500 * MS;

/// What goes wrong with a sidecar, its network, or what is at the other end of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TroubleKind {
    /// The network between it and the comparator parts.
    Partition,
    /// Its connection breaks, and can be made anew.
    Break,
    /// It dies, with everything it has not delivered, and starts over.
    Crash,
    /// The comparator dies, and starts over with nothing in its memory. All sidecars notice.
    Forget,
}

/// One such thing, with its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// What.
    pub kind: TroubleKind,
    /// From when.
    pub begin: i64,
    /// Until when.
    pub end: i64,
}

/// When nothing may go wrong with a sidecar: while a process starts, and while its machine falls asleep and wakes up.
pub(super) fn calm_times(
    sidecar: usize,
    domain: usize,
    domains: &[DomainPlan],
    sources: &[SourcePlan],
) -> Vec<(i64, i64)> {
    let starts = sources.iter().filter(|source| source.sidecar == sidecar);
    let starts = starts.map(|source| (source.begin - CALM, source.begin + WARM_UP));
    let sleeps = domains.get(domain).into_iter().flat_map(|domain| &domain.sleeps);
    let sleeps = sleeps.map(|sleep| (sleep.at - DRAIN - CALM, sleep.at + sleep.lasts + CALM));
    starts.chain(sleeps).collect()
}

/// What goes wrong with one sidecar.
pub(super) fn draw(
    rng: &mut SmallRng,
    times: &Times,
    comparator: &ComparatorPlan,
    calm: &[(i64, i64)],
) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut at = times.begin + span(rng, 300, 3_000) * MS;
    while at < times.quiet {
        let trouble = trouble(rng, at, comparator);
        let is_calm = calm.iter().any(|(begin, end)| trouble.begin < *end && *begin < trouble.end);
        if !is_calm && trouble.end < times.quiet {
            troubles.push(trouble);
        }
        at = trouble.end + CALM + span(rng, 0, 2_000) * MS;
    }
    troubles
}

/// When the comparator may start over: when nobody is cut off, since it does not know of those it cannot hear.
pub(super) fn forget(
    rng: &mut SmallRng,
    options: &Options,
    times: &Times,
    domains: &[DomainPlan],
    sidecars: &[SidecarPlan],
    sources: &[SourcePlan],
) -> Option<i64> {
    let at = span(rng, times.begin + 600 * MS, times.quiet - CALM);
    let is_clear = |begin: i64, end: i64| end + CALM < at || at + CALM < begin;
    let clear = sidecars.iter().flat_map(|it| &it.troubles).all(|it| is_clear(it.begin, it.end))
        && domains.iter().flat_map(|it| &it.sleeps).all(|it| is_clear(it.at, it.at + it.lasts))
        && sources.iter().all(|it| is_clear(it.begin, it.begin + WARM_UP));
    (options.troubles && clear && rng.random_bool(0.3)).then_some(at)
}

fn trouble(rng: &mut SmallRng, begin: i64, comparator: &ComparatorPlan) -> Trouble {
    let (kind, lasts) = match rng.random_range(0..10) {
        0..4 => (TroubleKind::Break, 0),
        4..6 => (TroubleKind::Partition, span(rng, 20, 200) * MS),
        6..8 => {
            let longest = comparator.timeout + comparator.expiry / 2;
            (TroubleKind::Partition, span(rng, comparator.timeout + 20 * MS, longest))
        }
        _ => (TroubleKind::Crash, span(rng, 10, 200) * MS),
    };
    Trouble { kind, begin, end: begin + lasts }
}
