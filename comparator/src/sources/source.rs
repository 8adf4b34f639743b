//! One source: what it has reported, what it lost, and whether verdicts wait for it.

use super::chain::{Broken, Chain, Link, Step};
use super::holdings::Holdings;
use super::open::OpenBatches;
use super::phase::{Phase, Silence};
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_keys::TenantName;
use counterfoil_proto::{Header, Loss, LossReason};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names one process that emits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SourceName {
    /// Whose it is. Sources of different tenants are different, whatever else they have in common.
    pub tenant: TenantName,
    /// The service it belongs to.
    pub service: String,
    /// The process among those of the service.
    pub instance: String,
    /// Grows each time the process starts over.
    pub epoch: u64,
}

impl SourceName {
    /// The source of a tenant's batch.
    pub(super) fn of(tenant: &TenantName, header: &Header) -> Self {
        Self {
            tenant: tenant.clone(),
            service: header.service.clone(),
            instance: header.instance.clone(),
            epoch: header.epoch,
        }
    }

    /// Whether `later` is the same process started over.
    pub(super) fn is_followed_by(&self, later: &Self) -> bool {
        let is_same = self.instance == later.instance && self.service == later.service;
        is_same && self.tenant == later.tenant && self.epoch < later.epoch
    }
}

impl fmt::Display for SourceName {
    /// Names the tenant unless it is the default one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant != TenantName::default() {
            write!(f, "{}:", self.tenant)?;
        }
        write!(f, "{}/{}/{}", self.service, self.instance, self.epoch)
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
    /// The latest that any batch promised, whether it counted or not; in the clock of that batch. It tells batches that come
    /// again from new ones.
    pub(super) told: Time,
    /// A batch said bye.
    pub(super) said_bye: bool,
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
    /// The next number that the source itself will use, as far as it told.
    pub issued: u64,
    /// What is missing next is missing here: the journal has lost it.
    pub(super) has_holes: bool,
    /// The maps that it has reported about.
    pub(super) holdings: Holdings,
}

impl Report {
    /// Of a source that is heard of for the first time, at `now`, and begins with number `next_seq`.
    fn new(header: &Header, next_seq: u64, now: Time) -> Self {
        Self {
            clock: header.clock.clone(),
            next_seq,
            watermark: Time::MIN,
            told: Time::MIN,
            said_bye: false,
            heard: now,
            phase: Phase::Live,
            accepted: 0,
            duplicates: 0,
            lost: [0; LossReason::ALL.len()],
            undeclared: 0,
            issued: 0,
            has_holes: false,
            holdings: Holdings::new(next_seq, next_seq > super::FIRST_SEQ_MAX),
        }
    }

    /// The maps of which it has told all that they hold.
    pub fn whole_maps(&self) -> impl Iterator<Item = &str> {
        self.holdings.wholes()
    }

    /// Notes that so many numbers are lost.
    fn lose(&mut self, reason: LossReason, count: u64) {
        if let Some(lost) = self.lost.get_mut(reason_index(reason)) {
            *lost += count;
        }
    }

    /// Whether a batch with `count` events tells anything that no batch before told.
    fn is_news(&self, header: &Header, count: u64) -> bool {
        let lost = header.losses.iter().map(|loss| loss.first_seq.saturating_add(loss.count));
        let end = lost.max().unwrap_or(0).max(header.first_seq.saturating_add(count));
        end > self.next_seq || header.watermark > self.told || (header.bye && !self.said_bye)
    }
}

/// One process that emits.
pub struct Source {
    /// Its number, the `source` of its writes' ids.
    pub id: u32,
    /// Its name.
    pub name: SourceName,
    turn: Mutex<Chain>,
    order: tokio::sync::Mutex<()>,
    report: Mutex<Report>,
    open: Mutex<OpenBatches>,
    /// The number in the journal of the last entry about it.
    place: AtomicU64,
    /// The same process was heard of with a later epoch.
    started_over: AtomicBool,
    /// How many of all sources are lost.
    lost_sources: Arc<AtomicUsize>,
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
    /// The source was lost or expired and is heard of again: verdicts had not waited for what it tells now.
    pub returned: bool,
}

impl Source {
    /// A live source that begins with number `next_seq`.
    pub(super) fn new(
        id: u32,
        name: SourceName,
        header: &Header,
        next_seq: u64,
        now: Time,
        lost_sources: Arc<AtomicUsize>,
    ) -> Self {
        let report = Report::new(header, next_seq, now);
        Self::with(id, name, report, Chain::default(), lost_sources)
    }

    /// A source of which this much is known.
    pub(super) fn with(
        id: u32,
        name: SourceName,
        report: Report,
        chain: Chain,
        lost_sources: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            id,
            name,
            turn: Mutex::new(chain),
            order: tokio::sync::Mutex::default(),
            report: Mutex::new(report),
            open: Mutex::default(),
            place: AtomicU64::new(0),
            started_over: AtomicBool::new(false),
            lost_sources,
        }
    }

    /// What is known of it.
    #[must_use]
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    /// Whether verdicts wait for it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.lock().phase == Phase::Live
    }

    /// Waits until no other batch of it is being taken; to be held from [`Self::follow`] to [`Self::promise`].
    pub fn take_turn(&self) -> MutexGuard<'_, Chain> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other batch of it is on its way into the journal; to be held from before a batch is applied until it
    /// stands there.
    pub async fn order(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.order.lock().await
    }

    /// What a batch with `count` events is to the chain of this source, whose turn it is.
    ///
    /// # Errors
    ///
    /// [`Broken`] if it must not be applied.
    pub fn follow(
        &self,
        chain: &mut Chain,
        link: &Link,
        header: &Header,
        count: u64,
    ) -> Result<Step, Broken> {
        let mut report = self.lock();
        let step = chain.follow(link, report.is_news(header, count))?;
        match step {
            Step::Known => report.duplicates += count,
            Step::Next | Step::Begun => {
                report.told = report.told.max(header.watermark);
                report.said_bye |= header.bye;
            }
        }
        Ok(step)
    }

    /// Takes the sequence numbers of a batch with `count` events and says what is new in it.
    #[must_use]
    pub fn take(&self, header: &Header, count: u64, now: Time) -> Taken {
        let mut report = self.lock();
        report.heard = report.heard.max(now);
        let returned = matches!(report.phase, Phase::Lost | Phase::Expired);
        report.clock = header.clock.clone();
        let expected = report.next_seq;
        let (first, end) = (header.first_seq, header.first_seq.saturating_add(count));
        let losses: Vec<_> = header.losses.iter().filter_map(|loss| after(loss, expected)).collect();
        let declared: u64 = losses.iter().map(|loss| loss.count).sum();
        let lost_end = losses.iter().map(|loss| loss.first_seq.saturating_add(loss.count)).max().unwrap_or(0);
        let undeclared = first.max(lost_end).saturating_sub(expected).saturating_sub(declared);
        let first_new = expected.max(first);
        let new = end.saturating_sub(first_new);
        // What comes again after a bye does not take the bye back.
        if report.phase != Phase::Ended || end > expected {
            self.enter(&mut report, Phase::Live);
        }
        report.next_seq = expected.max(end).max(lost_end);
        report.issued = report.issued.max(header.issued).max(report.next_seq);
        report.accepted += new;
        report.duplicates += count - new.min(count);
        let missing_here = if std::mem::take(&mut report.has_holes) { undeclared } else { 0 };
        report.lose(LossReason::Comparator, missing_here);
        let undeclared = undeclared - missing_here;
        report.undeclared += undeclared;
        for loss in &losses {
            report.lose(loss.reason, loss.count);
        }
        Taken { first_new, losses, undeclared, returned }
    }

    /// Notes that it has reported about these maps.
    pub fn reported<'a>(&self, maps: impl Iterator<Item = &'a str>) {
        self.lock().holdings.reported(maps);
    }

    /// Notes the batch's promise if it counts, its complete snapshots and its bye, once its events are in the table.
    pub fn promise(&self, header: &Header, counts: bool) {
        let mut report = self.lock();
        let next_seq = report.next_seq;
        for snapshot in header.snapshots.iter().filter(|_| counts) {
            report.holdings.complete(snapshot, &header.clock, next_seq);
        }
        if counts {
            report.watermark = report.watermark.max(header.watermark);
        }
        if header.bye {
            self.enter(&mut report, Phase::Ended);
        }
    }

    /// Its events from number `first` up to `end` wait for their outcomes, of which there are `outcomes`: one of each event
    /// for every check of its map.
    pub fn await_outcomes(&self, first: u64, end: u64, outcomes: u64) {
        self.open().came(first, end, outcomes);
    }

    /// The batch that was applied last stands in the journal under the number `place`.
    pub fn placed(&self, place: u64) {
        self.place.store(place, Ordering::Relaxed);
        self.open().placed(place);
    }

    /// The number in the journal of the last entry about it; 0 if there is none.
    #[must_use]
    pub fn place(&self) -> u64 {
        self.place.load(Ordering::Relaxed)
    }

    /// Its events with these numbers have their outcomes.
    pub fn ended(&self, seqs: impl Iterator<Item = u64>) {
        let mut open = self.open();
        seqs.for_each(|seq| open.ended(seq));
    }

    /// The batches with events that wait for their outcomes.
    pub fn open(&self) -> MutexGuard<'_, OpenBatches> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with a batch of which the journal says that it was applied.
    pub fn go_on(&self, link: &Link, header: &Header) {
        self.take_turn().go_on(link);
        let mut report = self.lock();
        report.told = report.told.max(header.watermark);
        report.said_bye |= header.bye;
    }

    /// The next batch may name any as the one before it. With `has_holes`, numbers that are missing before it are lost here.
    pub(super) fn loosen(&self, has_holes: bool) {
        self.take_turn().loosen();
        self.lock().has_holes |= has_holes;
    }

    /// Gives up on it if it was silent for too long at `at`. Gives whether it is newly lost, and whether newly expired.
    pub(super) fn give_up(&self, at: Time, silence: Silence) -> (bool, bool) {
        let mut report = self.lock();
        let lost = report.phase == Phase::Live && report.heard < at.minus(silence.timeout);
        if lost {
            self.enter(&mut report, Phase::Lost);
        }
        let gone_since = at.minus(silence.timeout).minus(silence.expiry);
        let gone = report.heard < gone_since || self.started_over.load(Ordering::Relaxed);
        let expired = report.phase == Phase::Lost && gone;
        if expired {
            self.enter(&mut report, Phase::Expired);
        }
        (lost, expired)
    }

    /// The same process was heard of with a later epoch: once lost, it is certainly gone.
    pub(super) fn note_started_over(&self) {
        self.started_over.store(true, Ordering::Relaxed);
    }

    fn enter(&self, report: &mut Report, phase: Phase) {
        match (report.phase == Phase::Lost, phase == Phase::Lost) {
            (false, true) => _ = self.lost_sources.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.lost_sources.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
        report.phase = phase;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Report> {
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
fn reason_index(reason: LossReason) -> usize {
    LossReason::ALL.iter().position(|&other| other == reason).unwrap_or(0)
}
