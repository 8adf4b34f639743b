//! What was counted during the last half hour, for the charts: one point of each check whenever the gauges are set.

use super::Pages;
use crate::contract::Contracts;
use crate::gate::Ended;
use crate::tally::Tally;
use axum::Json;
use axum::extract::State;
use counterfoil_clock::{now, wall_unix_ns};
use counterfoil_judge::Time;
use serde::Serialize;
use std::collections::VecDeque;
use std::ops::Add;
use std::sync::{Mutex, PoisonError};

/// How far back points go, in nanoseconds.
const SPAN: i64 = 1_800 * S;

/// Points of a check, if the gauges are set as often as they should be and somewhat more.
const POINTS_MAX: usize = 400;

/// What diverged is shown over this time up to a point, in nanoseconds.
const RATIO_SPAN: i64 = 60 * S;

/// Checks that are drawn: more lines cannot be told apart.
const LINES_MAX: usize = 8;

const S: i64 = 1_000_000_000;

/// What was counted of a check at an instant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Point {
    pub(crate) at: Time,
    /// Events ended so.
    pub(crate) confirmed: u64,
    pub(crate) divergent: u64,
    /// Keys looked up in the store.
    pub(crate) looked_up: u64,
    /// How old the instant is until which every event has an outcome, in nanoseconds.
    pub(crate) behind: Option<i64>,
}

impl Point {
    /// What `tally` has counted by `at`.
    pub(crate) fn of(tally: &Tally, behind: Option<i64>, at: Time) -> Self {
        let ended = tally.ended_by_cohort().into_iter().fold(Ended::default(), Ended::add);
        let Ended { confirmed, divergent, .. } = ended;
        Self { at, confirmed, divergent, looked_up: tally.keys_looked_up(), behind }
    }
}

/// Points of each check, in the order of the contracts.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Vec<VecDeque<Point>>>);

impl Recent {
    /// Notes a point of each check.
    pub(crate) fn note(&self, points: impl Iterator<Item = Point>) {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, point) in points.enumerate() {
            if checks.len() <= place {
                checks.push(VecDeque::new());
            }
            if let Some(of_check) = checks.get_mut(place) {
                of_check.push_back(point);
                let begin = point.at.minus(SPAN);
                while of_check.len() > POINTS_MAX || of_check.front().is_some_and(|first| first.at < begin) {
                    of_check.pop_front();
                }
            }
        }
    }

    /// How many keys a second were looked up for each check during the last minute, in the order of the contracts; `None`
    /// before two points were noted.
    pub(super) fn keys_per_s(&self) -> Vec<Option<f64>> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().map(keys_per_s).collect()
    }

    fn points(&self, place: usize) -> Vec<Point> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.get(place).map_or_else(Vec::new, |points| points.iter().copied().collect())
    }
}

fn keys_per_s(points: &VecDeque<Point>) -> Option<f64> {
    let last = points.back()?;
    let first = points.iter().find(|point| point.at >= last.at.minus(RATIO_SPAN))?;
    let elapsed = last.at.since(first.at);
    let keys = last.looked_up.saturating_sub(first.looked_up);
    (elapsed > 0).then(|| keys as f64 * 1e9 / elapsed as f64)
}

/// The lines of the charts.
#[derive(Serialize)]
pub(super) struct Past {
    /// When each point was, in seconds since 1970.
    at_s: Vec<f64>,
    lines: Vec<Line>,
    /// Checks that are not drawn.
    left_out: usize,
}

#[derive(Serialize)]
struct Line {
    name: String,
    /// Of the events of the minute before each point, the share that diverged, in hundredths; `null` if none was judged.
    diverging_percent: Vec<Option<f64>>,
    /// How old the instant is until which every event has an outcome, in seconds.
    behind_s: Vec<Option<f64>>,
}

/// Answers with what the charts draw.
pub(super) async fn past(State(pages): State<Pages>) -> Json<Past> {
    let parts = &pages.api.parts;
    Json(Past::of(&parts.recent, parts.engine.contracts(), now(), wall_unix_ns()))
}

impl Past {
    /// All checks are noted at the same instants, so the first one's are those of all.
    fn of(recent: &Recent, contracts: &Contracts, now: Time, wall_unix_ns: i64) -> Self {
        let at_s = |point: &Point| wall_unix_ns.saturating_sub(now.since(point.at)) as f64 / 1e9;
        let line = |(place, contract): (usize, &crate::contract::Contract)| {
            let store = contracts.readers().get(contract.store).map_or("", |reader| reader.name());
            Line::of(format!("{} · {store}", contract.name), &recent.points(place))
        };
        Self {
            at_s: recent.points(0).iter().map(at_s).collect(),
            lines: contracts.iter().enumerate().take(LINES_MAX).map(line).collect(),
            left_out: contracts.iter().len().saturating_sub(LINES_MAX),
        }
    }
}

impl Line {
    fn of(name: String, points: &[Point]) -> Self {
        let mut first = points.iter().peekable();
        let diverging = points.iter().map(|point| {
            while first.next_if(|earlier| earlier.at < point.at.minus(RATIO_SPAN)).is_some() {}
            first.peek().and_then(|earlier| percent(earlier, point))
        });
        Self {
            name,
            diverging_percent: diverging.collect(),
            behind_s: points.iter().map(|point| point.behind.map(|behind| behind as f64 / 1e9)).collect(),
        }
    }
}

/// Of the events that were judged from one point to the other, those that diverged.
fn percent(earlier: &Point, point: &Point) -> Option<f64> {
    let divergent = point.divergent.saturating_sub(earlier.divergent);
    let judged = divergent + point.confirmed.saturating_sub(earlier.confirmed);
    (judged > 0).then(|| divergent as f64 * 100.0 / judged as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::trial::Trial;

    fn point(s: i64, confirmed: u64, divergent: u64) -> Point {
        Point { at: Time(s * S), confirmed, divergent, looked_up: confirmed * 2, behind: Some(s * S / 10) }
    }

    #[test]
    fn points_go_back_half_an_hour_and_no_more() {
        let recent = Recent::default();
        (0..2_000).for_each(|step| recent.note([point(step * 5, 0, 0)].into_iter()));
        let kept = recent.points(0);
        assert_eq!(kept.len(), 361);
        (0..2_000).for_each(|step| recent.note([point(10_000 + step / 100, 0, 0)].into_iter()));
        assert_eq!(recent.points(0).len(), POINTS_MAX, "however often they are noted");
    }

    #[test]
    fn a_line_has_what_diverged_in_the_minute_before_each_point() {
        let points = [point(0, 0, 0), point(30, 9, 1), point(60, 9, 1), point(90, 9, 1), point(120, 19, 1)];
        let line = Line::of("cart".into(), &points);
        let expected = [None, Some(10.0), Some(10.0), None, Some(0.0)];
        assert_eq!(line.diverging_percent, expected);
        assert_eq!(line.behind_s.last(), Some(&Some(12.0)));
    }

    #[test]
    fn reads_are_told_over_the_last_minute() {
        let recent = Recent::default();
        recent.note([point(0, 1_000, 0)].into_iter());
        assert_eq!(recent.keys_per_s(), [None]);
        recent.note([point(100, 1_000, 0)].into_iter());
        recent.note([point(150, 1_100, 0)].into_iter());
        assert_eq!(recent.keys_per_s(), [Some(4.0)]);
    }

    #[test]
    fn no_more_lines_are_drawn_than_can_be_told_apart_and_times_are_those_of_the_wall() {
        let trial = Trial::new();
        let (contracts, recent) = (trial.engine.contracts(), Recent::default());
        recent.note(contracts.iter().map(|_| point(10, 1, 0)));
        let past = Past::of(&recent, contracts, Time(15 * S), 1_000 * S);
        assert_eq!(past.at_s, [995.0]);
        assert_eq!(past.lines.len() + past.left_out, contracts.iter().len());
        assert!(past.lines.len() <= LINES_MAX);
        assert_eq!(past.lines.first().map(|line| line.name.as_str()), Some("cart · main"));
    }
}
