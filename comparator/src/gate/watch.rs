//! What was counted when, of every check and cohort, and of every tenant's losses.

use super::past::Past;
use super::{Ended, Lost};
use crate::contract::MapId;
use counterfoil_judge::Time;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notes of all counts since the comparator was started.
pub(crate) struct Watch {
    started: Time,
    noted: Mutex<Noted>,
}

struct Noted {
    /// By check, then by cohort: the contract's in their order, then the others.
    checks: Vec<Vec<Past<Ended>>>,
    /// By tenant.
    losses: Vec<Past<Lost>>,
}

impl Watch {
    /// Begins at `now`, when nothing is counted yet.
    pub(crate) fn new(now: Time) -> Self {
        Self { started: now, noted: Mutex::new(Noted { checks: Vec::new(), losses: Vec::new() }) }
    }

    /// Notes what is counted at `now`: of each check by cohort, and of each tenant.
    pub(crate) fn note(&self, checks: impl Iterator<Item = Vec<Ended>>, losses: Vec<Lost>, now: Time) {
        let mut noted = self.lock();
        for (at, cohorts) in checks.enumerate() {
            if noted.checks.len() <= at {
                noted.checks.push(Vec::new());
            }
            if let Some(pasts) = noted.checks.get_mut(at) {
                note_all(pasts, cohorts, now);
            }
        }
        note_all(&mut noted.losses, losses, now);
    }

    /// For how many nanoseconds counts have been noted at `now`.
    pub(crate) fn has_run(&self, now: Time) -> i64 {
        now.since(self.started)
    }

    /// How events of a check ended since `instant`, by cohort; `present` is what is counted now.
    pub(crate) fn ended_since(&self, map: MapId, instant: Time, present: Vec<Ended>) -> Vec<Ended> {
        let noted = self.lock();
        let pasts = noted.checks.get(map.index()).map_or(&[][..], Vec::as_slice);
        let since = |(at, present): (usize, Ended)| {
            pasts.get(at).map_or(present, |past| past.since(instant, present))
        };
        present.into_iter().enumerate().map(since).collect()
    }

    /// What the tenant at this place lost since `instant`; `present` is what is counted now.
    pub(crate) fn lost_since(&self, tenant: usize, instant: Time, present: Lost) -> Lost {
        self.lock().losses.get(tenant).map_or(present, |past| past.since(instant, present))
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes each count with those of the same place.
fn note_all<C>(pasts: &mut Vec<Past<C>>, counts: Vec<C>, now: Time)
where
    C: Copy + Default + PartialEq + std::ops::Sub<Output = C>,
{
    pasts.resize_with(counts.len().max(pasts.len()), Past::new);
    pasts.iter_mut().zip(counts).for_each(|(past, count)| past.note(now, count));
}

#[cfg(test)]
mod tests {
    use super::super::S;
    use super::*;

    fn at(s: i64) -> Time {
        Time(s * S)
    }

    fn ended(confirmed: u64, unknown: u64) -> Ended {
        Ended { confirmed, unknown, ..Ended::default() }
    }

    #[test]
    fn each_check_cohort_and_tenant_has_a_past_of_its_own() {
        let watch = Watch::new(at(0));
        let lost = |declared| Lost { declared, undeclared: 0 };
        for (s, one, canary) in [(0, 0, 0), (60, 10, 1), (120, 30, 3)] {
            let checks = [vec![ended(one, 0)], vec![ended(canary, 0), ended(100, canary)]];
            watch.note(checks.into_iter(), vec![lost(one), lost(0)], at(s));
        }
        let of = |map, s, present| watch.ended_since(MapId(map), at(s), present);
        assert_eq!(of(0, 60, vec![ended(31, 2)]), [ended(21, 2)]);
        assert_eq!(of(1, 60, vec![ended(4, 0), ended(100, 3)]), [ended(3, 0), ended(0, 2)]);
        assert_eq!(of(7, 60, vec![ended(5, 0)]), [ended(5, 0)], "of which nothing was noted");
        assert_eq!(
            (watch.lost_since(0, at(60), lost(31)), watch.lost_since(1, at(60), lost(2))),
            (lost(21), lost(2))
        );
        assert_eq!(watch.has_run(at(130)), 130 * S);
    }
}
