//! The sources: what each has reported, what it lost, and until when it has told everything.
//!
//! # Invariants
//!
//! - Each sequence number of a source is applied once: [`Source::take`] says which events of a batch are new.
//! - issued = accepted + declared lost + undeclared, always: every number below `next_seq` is one of the three.
//! - A source holds verdicts up until its watermark has passed them. It stops doing so when it says bye, or when it was
//!   silent for the time-out; the latter taints every key, because nobody knows what it wrote last.

use crate::clocks::{Clocks, Translation};
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_proto::{Header, Loss, LossReason};
use dashmap::DashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Sequence numbers of a source begin here or one later.
const FIRST_SEQ_MAX: u64 = 1;

/// Names one process that emits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SourceName {
    /// The service it belongs to.
    pub service: String,
    /// The process among those of the service.
    pub instance: String,
    /// Grows each time the process starts over.
    pub epoch: u64,
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.service, self.instance, self.epoch)
    }
}

/// Whether verdicts wait for a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// They do.
    Live,
    /// It said bye.
    Ended,
    /// It was silent for too long.
    Lost,
}

impl Phase {
    /// The phase in the API.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Lost => "lost",
        }
    }
}

/// What is known of a source.
#[derive(Clone, Debug)]
pub struct Report {
    /// The clock of its times.
    pub clock: Domain,
    /// The next number expected.
    pub next_seq: u64,
    /// Everything begun before this was reported; in the source's clock.
    pub watermark: Time,
    /// When it was last heard of; in the comparator's timeline.
    pub heard: Time,
    /// Whether verdicts wait for it.
    pub phase: Phase,
    /// Events applied.
    pub accepted: u64,
    /// Events that came again and were not applied again.
    pub duplicates: u64,
    /// Numbers declared lost, by reason.
    pub lost: [u64; LossReason::ALL.len()],
    /// Numbers missing that nobody declared lost.
    pub undeclared: u64,
}

/// One process that emits.
pub struct Source {
    /// Its number, the `source` of its writes' ids.
    pub id: u32,
    /// Its name.
    pub name: SourceName,
    report: Mutex<Report>,
}

/// What is new in a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Events before this number were applied earlier.
    pub first_new: u64,
    /// Losses that were not declared earlier.
    pub losses: Vec<Loss>,
    /// Numbers missing that nobody declared lost.
    pub undeclared: u64,
    /// The source was lost and is heard of again: verdicts had not waited for what it tells now.
    pub returned: bool,
}

impl Source {
    /// What is known of it.
    #[must_use]
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    /// Takes the sequence numbers of a batch with `count` events and says what is new in it.
    #[must_use]
    pub fn take(&self, header: &Header, count: u64, now: Time) -> Taken {
        let mut report = self.lock();
        report.heard = now;
        let returned = report.phase == Phase::Lost;
        report.phase = Phase::Live;
        report.clock = header.clock.clone();
        let expected = report.next_seq;
        let (first, end) = (header.first_seq, header.first_seq.saturating_add(count));
        let losses: Vec<_> = header.losses.iter().filter_map(|loss| after(loss, expected)).collect();
        let declared: u64 = losses.iter().map(|loss| loss.count).sum();
        let lost_end = losses.iter().map(|loss| loss.first_seq.saturating_add(loss.count)).max().unwrap_or(0);
        let undeclared = first.max(lost_end).saturating_sub(expected).saturating_sub(declared);
        let first_new = expected.max(first);
        let new = end.saturating_sub(first_new);
        report.next_seq = expected.max(end).max(lost_end);
        report.accepted += new;
        report.duplicates += count - new.min(count);
        report.undeclared += undeclared;
        for loss in &losses {
            if let Some(lost) = report.lost.get_mut(reason_index(loss.reason)) {
                *lost += loss.count;
            }
        }
        Taken { first_new, losses, undeclared, returned }
    }

    /// Notes the batch's promise, once its events are in the table.
    pub fn promise(&self, header: &Header) {
        let mut report = self.lock();
        report.watermark = report.watermark.max(header.watermark);
        if header.bye {
            report.phase = Phase::Ended;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a loss from number `expected` on.
fn after(loss: &Loss, expected: u64) -> Option<Loss> {
    let end = loss.first_seq.saturating_add(loss.count);
    let first_seq = loss.first_seq.max(expected);
    (end > first_seq).then(|| Loss { first_seq, count: end - first_seq, ..loss.clone() })
}

/// Index of a reason in [`Report::lost`].
#[must_use]
pub fn reason_index(reason: LossReason) -> usize {
    LossReason::ALL.iter().position(|&other| other == reason).unwrap_or(0)
}

/// All sources.
pub struct Sources {
    by_name: DashMap<SourceName, Arc<Source>>,
    by_id: DashMap<u32, Arc<Source>>,
    next_id: AtomicU32,
    sources_max: usize,
}

impl Sources {
    /// No sources yet, and never more than `sources_max`.
    #[must_use]
    pub fn new(sources_max: usize) -> Self {
        Self { by_name: DashMap::new(), by_id: DashMap::new(), next_id: AtomicU32::new(0), sources_max }
    }

    /// The source of a batch, and whether it is new here though it had reported before: then what it reported before is
    /// not known. `None` if there is no room for another source.
    pub fn enter(&self, header: &Header, now: Time) -> Option<(Arc<Source>, bool)> {
        let name = SourceName {
            service: header.service.clone(),
            instance: header.instance.clone(),
            epoch: header.epoch,
        };
        if let Some(known) = self.by_name.get(&name) {
            return Some((known.clone(), false));
        }
        if self.by_name.len() >= self.sources_max && !self.forget_one() {
            return None;
        }
        let first_lost = header.losses.iter().map(|loss| loss.first_seq).min();
        let next_seq = first_lost.map_or(header.first_seq, |lost| lost.min(header.first_seq));
        let report = Report {
            clock: header.clock.clone(),
            next_seq,
            watermark: Time::MIN,
            heard: now,
            phase: Phase::Live,
            accepted: 0,
            duplicates: 0,
            lost: [0; LossReason::ALL.len()],
            undeclared: 0,
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let source = Arc::new(Source { id, name: name.clone(), report: Mutex::new(report) });
        let source = self.by_name.entry(name).or_insert(source).value().clone();
        self.by_id.insert(source.id, source.clone());
        Some((source, next_seq > FIRST_SEQ_MAX))
    }

    /// The source with this number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<Arc<Source>> {
        self.by_id.get(&id).map(|source| source.clone())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Source>> {
        self.by_name.iter().map(|entry| entry.value().clone()).collect()
    }

    /// Every write begun before this instant of the comparator's timeline was reported by every live source.
    #[must_use]
    pub fn horizon(&self, clocks: &Clocks, now: Time) -> Time {
        let passed = self.by_name.iter().filter_map(|entry| {
            let report = entry.value().lock();
            let earliest = |clock: Translation| clock.earliest(report.watermark);
            let passed = || clocks.translation(&report.clock, now).map_or(Time::MIN, earliest);
            (report.phase == Phase::Live).then(passed)
        });
        passed.min().unwrap_or(Time::MAX)
    }

    /// Gives up on sources that were not heard of since `silent_since`; gives those that are lost by it.
    pub fn expire(&self, silent_since: Time) -> Vec<Arc<Source>> {
        let newly_lost = |source: &Arc<Source>| {
            let mut report = source.lock();
            let lost = report.phase == Phase::Live && report.heard < silent_since;
            if lost {
                report.phase = Phase::Lost;
            }
            lost
        };
        self.by_name.iter().map(|entry| entry.value().clone()).filter(newly_lost).collect()
    }

    /// Makes room by forgetting the source that ended or was lost first.
    fn forget_one(&self) -> bool {
        let over = self.by_name.iter().map(|entry| entry.value().clone());
        let over = over.map(|source| (source.report(), source)).filter(|(it, _)| it.phase != Phase::Live);
        let Some((_, source)) = over.min_by_key(|(report, _)| report.heard) else { return false };
        self.by_name.remove(&source.name);
        self.by_id.remove(&source.id);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use bytes::Bytes;
    use counterfoil_judge::Interval;
    use counterfoil_proto::BucketSet;

    fn here() -> Domain {
        Domain { boot_id: "here".into(), offset_ns: 0 }
    }

    fn header(first_seq: u64, watermark: i64) -> Header {
        Header {
            service: "cart".into(),
            instance: "a".into(),
            epoch: 1,
            clock: here(),
            first_seq,
            watermark: Time(watermark),
            losses: Vec::new(),
            bye: false,
            previous_mac: Bytes::new(),
        }
    }

    fn loss(first_seq: u64, count: u64) -> Loss {
        let during = Interval::new(Time(0), Time(1));
        Loss { first_seq, count, reason: LossReason::RingFull, during, buckets: BucketSet::All }
    }

    fn balanced(source: &Source) {
        let report = source.report();
        let lost: u64 = report.lost.iter().sum();
        assert_eq!(report.next_seq, report.accepted + lost + report.undeclared, "{report:?}");
    }

    #[test]
    fn each_number_is_taken_once() {
        let sources = Sources::new(10);
        let (source, resumed) = sources.enter(&header(0, 0), Time(0)).unwrap();
        assert!(!resumed);
        assert_eq!(source.take(&header(0, 0), 10, Time(0)).first_new, 0);
        assert_eq!(source.take(&header(5, 0), 10, Time(0)).first_new, 10, "0..10 are known");
        assert_eq!(source.take(&header(0, 0), 10, Time(0)).first_new, 15, "nothing is new");
        assert_eq!((source.report().accepted, source.report().duplicates), (15, 15));
        balanced(&source);
    }

    #[test]
    fn a_declared_loss_is_counted_once_and_an_undeclared_one_is_noticed() {
        let sources = Sources::new(10);
        let (source, _) = sources.enter(&header(0, 0), Time(0)).unwrap();
        assert_eq!(source.take(&header(0, 0), 10, Time(0)).undeclared, 0);
        let declaring = Header { losses: vec![loss(10, 5)], ..header(15, 0) };
        let taken = source.take(&declaring, 5, Time(0));
        assert_eq!((taken.undeclared, taken.losses), (0, vec![loss(10, 5)]));
        assert_eq!(
            source.take(&declaring, 5, Time(0)),
            Taken { first_new: 20, ..Taken::default() },
            "sent again"
        );
        let taken = source.take(&header(23, 0), 0, Time(0));
        assert_eq!(taken.undeclared, 3, "a heartbeat tells the next number");
        balanced(&source);
    }

    #[test]
    fn a_source_that_reported_before_is_known_as_resumed() {
        let sources = Sources::new(10);
        let (source, resumed) = sources.enter(&header(1000, 0), Time(0)).unwrap();
        assert!(resumed);
        assert_eq!(source.take(&header(1000, 0), 5, Time(0)).undeclared, 0, "what came before is not a gap");
    }

    #[test]
    fn verdicts_wait_for_every_live_source_and_for_no_other() {
        let (sources, clocks) = (Sources::new(10), Clocks::new(here()));
        assert_eq!(sources.horizon(&clocks, Time(0)), Time::MAX, "nobody to wait for");
        let second = |watermark| Header { instance: "b".into(), ..header(0, watermark) };
        let (one, _) = sources.enter(&header(0, 0), Time(0)).unwrap();
        let (two, _) = sources.enter(&second(0), Time(0)).unwrap();
        assert_eq!(sources.horizon(&clocks, Time(0)), Time::MIN, "nothing was promised yet");
        one.promise(&header(0, 50));
        two.promise(&second(30));
        assert_eq!(sources.horizon(&clocks, Time(0)), Time(30));
        two.promise(&Header { bye: true, ..second(30) });
        assert_eq!(sources.horizon(&clocks, Time(0)), Time(50), "the second one ended");
        assert_eq!(sources.expire(Time(1)).len(), 1);
        assert_eq!(sources.horizon(&clocks, Time(0)), Time::MAX, "the first one is lost");
        assert!(sources.expire(Time(1)).is_empty(), "told once");
        assert!(one.take(&header(0, 60), 0, Time(2)).returned);
        assert!(!one.take(&header(0, 60), 0, Time(2)).returned, "told once");
        assert_eq!(sources.horizon(&clocks, Time(0)), Time(50), "heard of again");
    }

    #[test]
    fn a_source_whose_clock_is_not_bounded_holds_verdicts_up() {
        let (sources, clocks) = (Sources::new(10), Clocks::new(here()));
        let far = Header { clock: Domain { boot_id: "far".into(), offset_ns: 0 }, ..header(0, 50) };
        let (source, _) = sources.enter(&far, Time(0)).unwrap();
        source.promise(&far);
        assert_eq!(sources.horizon(&clocks, Time(0)), Time::MIN);
    }

    #[test]
    fn there_are_never_more_sources_than_allowed() {
        let sources = Sources::new(1);
        let (first, _) = sources.enter(&header(0, 0), Time(0)).unwrap();
        let second = Header { instance: "b".into(), ..header(0, 0) };
        assert!(sources.enter(&second, Time(0)).is_none());
        first.promise(&Header { bye: true, ..header(0, 0) });
        assert!(sources.enter(&second, Time(0)).is_some(), "one that ended makes room");
        assert_eq!(sources.all().len(), 1);
    }
}
