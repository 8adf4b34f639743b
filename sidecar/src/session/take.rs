//! Takes in the events of a frame: checks all, digests all, then hands each on in order.

use super::Session;
use crate::Shared;
use crate::batcher::Entry;
use crate::digester::Digests;
use crate::events::{Checked, Rules, Unfit, hull};
use crate::framer::Form;
use crate::refused::Refused;
use crate::shedding;
use crate::values::Values;
use counterfoil_digest::{Digest, Print, bucket, key_hash};
use counterfoil_judge::Time;
use counterfoil_proto::wire::emit::{Event, Events, Op};
use counterfoil_proto::{BucketSet, Loss, LossReason, Row};
use std::sync::Arc;

/// Longest cohort, key and value together.
const COHORT_BYTES_MAX: usize = 128;

/// Warnings of one read turn that are passed on; a client that errs more often sees the first ones.
const WARNINGS_MAX: usize = 16;

/// Kept between frames for their memory.
#[derive(Default)]
pub(super) struct Scratch {
    places: Vec<Option<usize>>,
    checked: Vec<Checked>,
    all: Digests,
}

impl Session {
    pub(super) fn events(&mut self, mut events: Events, arrival: Time) -> Result<(), Refused> {
        if self.greeting.form == Form::Json {
            events.first_seq = self.source.sequence.next().unwrap_or_default();
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let applied = self
            .check(&events, arrival, &mut scratch)
            .and_then(|()| self.take_in(&events, arrival, &mut scratch));
        self.scratch = scratch;
        applied
    }

    /// Checks every event before any is taken in: a frame is refused as a whole.
    fn check(&self, events: &Events, arrival: Time, scratch: &mut Scratch) -> Result<(), Refused> {
        scratch.places.clear();
        scratch.places.extend(events.maps.iter().map(|map| self.shared.digester.place(map)));
        let rules = Rules {
            limits: &self.shared.settings.limits,
            stamps: self.greeting.stamps,
            places: &scratch.places,
            cohorts: events.cohorts.len(),
            arrival,
        };
        scratch.checked.clear();
        for (at, event) in events.events.iter().enumerate() {
            scratch.checked.push(rules.check(at, event)?);
        }
        Ok(())
    }

    fn take_in(&mut self, events: &Events, arrival: Time, scratch: &mut Scratch) -> Result<(), Refused> {
        let count = events.events.len() as u64;
        let repeated = self.source.sequence.events(events.first_seq, count)?.repeated;
        self.hand_on_losses(arrival);
        self.news = true;
        let skip = usize::try_from(repeated).unwrap_or(usize::MAX);
        let fresh = events.events.get(skip..).unwrap_or_default();
        let checked = scratch.checked.get(skip..).unwrap_or_default();
        self.shared.digester.digest(self.key, fresh, checked, &mut scratch.all);

        let shared = Arc::clone(&self.shared);
        let fill = shared.fill();
        let Digests { digests, prints } = &mut scratch.all;
        let mut digests = digests.drain(..).enumerate();
        let closed = shared.outlet.closed();
        let mut gathering = shared.values.as_deref().map(Values::gather);
        let (mut unfit_events, mut shed_events) = (0, 0);
        self.counted += count;
        for ((seq, event), checked) in (events.first_seq + repeated..).zip(fresh).zip(checked) {
            let fit = checked.place.clone().and_then(|place| match digests.next() {
                Some((at, digest)) => Ok((place, prints.of(at), digest?)),
                // Cannot be: the digester gives one digest for each event that has a place.
                None => Err(Unfit::UnknownMap),
            });
            match fit {
                Ok((place, ..)) if is_shed(&shared, closed, place, event) => {
                    shed_events += 1;
                    let during = hull(&checked.legs);
                    self.source.batcher.shed(seq, bucket_of(&shared, place, event), during, arrival);
                }
                Ok((place, prints, digest)) => {
                    let cohort = cohort(&shared, events, event);
                    let row = Row { prints, ..self.row(seq, event, checked, digest) };
                    let sample = self.sample(place, event);
                    let entry = Entry { map: shared.digester.map(place), cohort, row, sample: &sample };
                    self.source.batcher.push(seq, entry, &fill, arrival);
                    gathering.iter_mut().for_each(|gathering| gathering.add(seq, place, event));
                }
                Err(unfit) => {
                    unfit_events += 1;
                    self.lose(lost(seq, events, event, checked), &unfit, arrival);
                }
            }
            self.source.sequence.handed_on();
        }
        gathering.into_iter().for_each(|gathering| gathering.keep(&self.greeting.id, arrival));
        shared.meters.events.increment(fresh.len() as u64 - unfit_events - shed_events);
        shared.meters.events_shed.increment(shed_events);
        shared.meters.events_lost.add(LossReason::Sidecar.label(), shed_events);
        shared.meters.events_repeated.increment(repeated);
        Ok(())
    }

    fn row<'a>(&self, seq: u64, event: &'a Event, checked: &Checked, digest: Digest) -> Row<'a> {
        Row {
            map: 0,
            key: &event.key,
            digest,
            legs: checked.legs,
            held: checked.held,
            map_order: event.map_order.or(self.greeting.exact.then_some(seq)),
            version: event.version,
            trace: checked.trace,
            cohort: None,
            prints: &[],
        }
    }

    /// The spellings of the event's value, if it is its turn to be a sample.
    fn sample(&mut self, place: usize, event: &Event) -> Vec<Print> {
        let is_put = event.op() == Op::Put;
        if is_put && self.shared.digester.is_sampled(place) && self.samples.is_next(place) {
            self.shared.digester.sample(self.key, place, event)
        } else {
            Vec::new()
        }
    }

    /// Declares an event lost that no batch can take.
    fn lose(&mut self, loss: Loss, unfit: &Unfit, arrival: Time) {
        let meters = &self.shared.meters;
        meters.events_refused.add(unfit.label(), 1);
        meters.events_lost.add(loss.reason.label(), 1);
        if let Some(unsaid) = self.shared.log_unfit.allows(arrival) {
            let service = self.service();
            tracing::warn!(service, reason = unfit.label(), unsaid, "event declared lost: {unfit}");
        }
        self.warn(format!("event {} is lost: {unfit}", loss.first_seq));
        self.source.batcher.lose(loss, arrival);
    }

    /// Has the client told, if its form knows warnings.
    pub(super) fn warn(&mut self, warning: String) {
        if self.greeting.form == Form::Json && self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning);
        }
    }
}

/// Whether an event of the map at `place` is left out while `closed` buckets are shed.
fn is_shed(shared: &Shared, closed: usize, place: usize, event: &Event) -> bool {
    closed > 0 && shedding::sheds(closed, bucket_of(shared, place, event))
}

fn bucket_of(shared: &Shared, place: usize, event: &Event) -> usize {
    bucket(key_hash(shared.digester.map(place).name, &event.key))
}

fn lost(seq: u64, events: &Events, event: &Event, checked: &Checked) -> Loss {
    let map = usize::try_from(event.map).ok().and_then(|map| events.maps.get(map));
    let mut buckets = BucketSet::none();
    buckets.insert(bucket(key_hash(map.map_or("", String::as_str), &event.key)));
    Loss { first_seq: seq, count: 1, reason: LossReason::Limit, during: hull(&checked.legs), buckets }
}

/// The event's cohort, if its key may travel.
fn cohort<'a>(shared: &Shared, events: &'a Events, event: &Event) -> Option<&'a str> {
    let place = usize::try_from(event.cohort).ok()?.checked_sub(1)?;
    let cohort = events.cohorts.get(place)?;
    let (key, _) = cohort.split_once('=')?;
    let known = shared.settings.cohort_keys.iter().any(|known| known == key);
    (known && cohort.len() <= COHORT_BYTES_MAX).then_some(cohort)
}
