//! The intake: authenticates batches, applies each event once, and acknowledges.
//!
//! # Invariants
//!
//! - Nothing of a batch is looked at before its code was found right.
//! - A batch's events are in the table before its watermark counts.
//! - What is wrong with one stream ends that stream, with a status that says what was wrong; others go on.

use crate::Parts;
use crate::clocks::{Exchange, Translation};
use crate::contract::MapId;
use crate::metrics;
use crate::sources::Source;
use crate::table::{Arrival, Change, Effects, Ended};
use ::metrics::Counter;
use counterfoil_clock::{Domain, now};
use counterfoil_digest::{DeploymentKey, Mac, MacKey, bucket, key_hash};
use counterfoil_judge::{Interval, Outcome, Reason, Reported, Time, Write, WriteId};
use counterfoil_proto::wire::{self, emit, reply::Body};
use counterfoil_proto::{BucketSet, Columns, LossReason, Row, nanoseconds, time};
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Replies that may wait for a slow sidecar; then its uploads wait.
const REPLIES_MAX: usize = 64;

/// Bounds of what a sidecar may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Largest encoded batch, in bytes.
    pub(crate) batch_bytes_max: usize,
    /// Most events in a batch.
    pub(crate) batch_events_max: usize,
}

/// Everything the intake works on.
pub(crate) struct Receiver {
    key_id: String,
    mac_key: MacKey,
    limits: Limits,
    parts: Arc<Parts>,
    counters: Counters,
}

struct Counters {
    batches: Counter,
    duplicates: Counter,
    lost: Vec<Counter>,
    undeclared: Counter,
    clock_epochs: Counter,
}

/// Why a batch was refused.
enum Refused {
    Key(String),
    Code,
    Malformed(String),
    TooLarge(String),
    Sources,
}

impl Refused {
    const REASONS: [&str; 5] = ["key", "code", "malformed", "too_large", "sources"];

    fn reason(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Code => "code",
            Self::Malformed(_) => "malformed",
            Self::TooLarge(_) => "too_large",
            Self::Sources => "sources",
        }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Key(message) => Self::unauthenticated(message),
            Refused::Code => {
                Self::unauthenticated("mac does not fit the batch; both sides need the same key.file")
            }
            Refused::Malformed(message) => Self::invalid_argument(message),
            Refused::TooLarge(message) => Self::resource_exhausted(message),
            Refused::Sources => Self::resource_exhausted("too many sources; raise sources.sources_max"),
        }
    }
}

impl Receiver {
    /// Takes batches made with `key`.
    pub(crate) fn new(key: &DeploymentKey, limits: Limits, parts: Arc<Parts>) -> Self {
        for reason in Refused::REASONS {
            metrics::REFUSED.counter(&[("reason", reason)]).increment(0);
        }
        let lost = |reason: &LossReason| metrics::LOST.counter(&[("reason", reason.label())]);
        let counters = Counters {
            batches: metrics::BATCHES.counter(&[]),
            duplicates: metrics::DUPLICATES.counter(&[]),
            lost: LossReason::ALL.iter().map(lost).collect(),
            undeclared: metrics::UNDECLARED.counter(&[]),
            clock_epochs: metrics::CLOCK_EPOCHS.counter(&[]),
        };
        Self { key_id: key.id().to_owned(), mac_key: key.mac_key(), limits, parts, counters }
    }

    /// Takes one upload; gives what has to be done after it.
    fn take(&self, upload: wire::Upload) -> Result<Effects, Refused> {
        let at = now();
        let columns = self.open(&upload)?;
        self.learn_clock(&upload, at);
        let header = columns.header();
        let (source, resumed) = self.parts.sources.enter(header, at).ok_or(Refused::Sources)?;
        if resumed {
            // What it reported to somebody else may still be on its way to the store.
            self.taint(&BucketSet::All, at, Reason::Baseline);
        }
        let taken = source.take(header, columns.len() as u64, at);
        let translation = self.parts.clocks.translation(&header.clock, at);
        if taken.returned {
            tracing::warn!(source = %source.name, "a lost source is heard of again");
            self.taint(&BucketSet::All, at, Reason::SourceLost);
        }
        for loss in &taken.losses {
            let end = translation.map_or(at, |clock| clock.interval(loss.during).widened(clock.error).end);
            self.taint(&loss.buckets, end.min(at), Reason::Gap);
            count(&self.counters.lost, loss.reason, loss.count);
        }
        if taken.undeclared > 0 {
            tracing::error!(source = %source.name, missing = taken.undeclared, "sequence numbers are missing");
            self.taint(&BucketSet::All, at, Reason::Gap);
            self.counters.undeclared.increment(taken.undeclared);
        }
        let new = columns.rows().filter(|(seq, _)| *seq >= taken.first_new);
        let effects = self.apply(&source, &columns, new, translation, at);
        source.promise(header);
        self.counters.batches.increment(1);
        let known = taken.first_new.saturating_sub(header.first_seq).min(columns.len() as u64);
        self.counters.duplicates.increment(known);
        Ok(effects)
    }

    /// Authenticates and decodes.
    fn open(&self, upload: &wire::Upload) -> Result<Columns, Refused> {
        let (limit, bytes) = (self.limits.batch_bytes_max, upload.batch.len());
        if bytes > limit {
            let message = format!("batch has {bytes} bytes; limits.batch_bytes_max is {limit}");
            return Err(Refused::TooLarge(message));
        }
        if upload.key_id != self.key_id {
            let message = format!("key_id is not `{}`, the comparator's key.id", self.key_id);
            return Err(Refused::Key(message));
        }
        if Mac::from_wire(&upload.mac) != Some(self.mac_key.mac(&upload.batch)) {
            return Err(Refused::Code);
        }
        let batch =
            wire::Batch::decode(upload.batch.clone()).map_err(|bad| Refused::Malformed(bad.to_string()))?;
        let (limit, events) = (self.limits.batch_events_max, batch.flags.len());
        if events > limit {
            let message = format!("batch has {events} events; limits.batch_events_max is {limit}");
            return Err(Refused::TooLarge(message));
        }
        Columns::try_from(batch).map_err(|bad| Refused::Malformed(bad.to_string()))
    }

    fn learn_clock(&self, upload: &wire::Upload, received: Time) {
        let Some(clock) = upload.clock.clone().map(Domain::from) else { return };
        let echo = (upload.echo_ns > 0).then(|| (time(upload.echo_ns), time(upload.echo_received_ns)));
        if self.parts.clocks.observe(&clock, Exchange { sent: time(upload.sent_ns), received, echo }) {
            self.counters.clock_epochs.increment(1);
        }
    }

    /// Writes nobody reported to keys of `buckets` ended by `at`; where their store calls were not watched, they may
    /// land until the deadline after that.
    fn taint(&self, buckets: &BucketSet, at: Time, reason: Reason) {
        self.parts.table.taint(buckets, at.plus(self.parts.contracts.deadline_max()), reason);
    }

    fn apply<'a>(
        &self,
        source: &Source,
        columns: &'a Columns,
        rows: impl Iterator<Item = (u64, Row<'a>)>,
        translation: Option<Translation>,
        at: Time,
    ) -> Effects {
        let names = columns.maps();
        let maps: Vec<_> = names.iter().map(|name| self.parts.contracts.find(name)).collect();
        let no_contract = MapId(u32::MAX);
        let mut accepted = vec![0u64; names.len()];
        let (mut arrivals, mut ended) = (Vec::with_capacity(columns.len()), Vec::new());
        for (seq, row) in rows {
            if let Some(accepted) = accepted.get_mut(row.map) {
                *accepted += 1;
            }
            let (map, name) =
                (maps.get(row.map).copied().flatten(), names.get(row.map).map_or("", String::as_str));
            let id = WriteId { source: source.id, seq };
            let hash = key_hash(name, row.key);
            match (map, translation) {
                (Some(map), Some(clock)) => arrivals.extend(self.arrival(map, hash, id, row, clock)),
                (Some(map), None) => {
                    let mut buckets = BucketSet::none();
                    buckets.insert(bucket(hash));
                    self.taint(&buckets, at, Reason::Clock);
                    ended.push(undetermined(map, id, &row, Reason::Clock));
                }
                (None, _) => ended.push(undetermined(no_contract, id, &row, Reason::NoContract)),
            }
        }
        for (map, accepted) in maps.iter().zip(accepted) {
            if let Some(tally) = self.parts.tallies.of(map.unwrap_or(no_contract)) {
                tally.accepted(accepted);
            }
        }
        let mut effects = self.parts.table.apply(Change::Writes(arrivals), at);
        effects.ended.extend(ended);
        effects
    }

    fn arrival<'a>(
        &self,
        map: MapId,
        hash: u64,
        id: WriteId,
        row: Row<'a>,
        clock: Translation,
    ) -> Option<Arrival<'a>> {
        let terms = &self.parts.contracts.get(map)?.terms;
        let move_leg = |leg: Interval| clock.interval(leg);
        let legs = Reported {
            map: row.legs.map.map(move_leg),
            store: row.legs.store.map(|(leg, outcome)| (move_leg(leg), outcome)),
        };
        let (map_leg, store, deadline) = legs.under(terms, clock.error);
        let write = Write {
            id,
            digest: row.digest,
            map: map_leg,
            order: row.map_order,
            store,
            version: row.version,
            deadline,
            pending: true,
        };
        Some(Arrival { map, hash, key: row.key, write, trace: row.trace })
    }

    fn welcome(&self) -> wire::IntakeWelcome {
        let narrow = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        wire::IntakeWelcome {
            protocol: counterfoil_proto::PROTOCOL,
            batch_bytes_max: narrow(self.limits.batch_bytes_max),
            batch_events_max: narrow(self.limits.batch_events_max),
            maps: self.parts.contracts.iter().map(|contract| contract.name.to_string()).collect(),
        }
    }

    /// Serves one stream until either side ends it.
    async fn serve(
        &self,
        mut uploads: Streaming<wire::Upload>,
        replies: mpsc::Sender<Result<wire::Reply, Status>>,
    ) {
        let mut reply = Ok(Body::Welcome(self.welcome()));
        loop {
            let last = reply.is_err();
            let stamped = reply.map(|body| wire::Reply { sent_ns: nanoseconds(now()), body: Some(body) });
            if replies.send(stamped).await.is_err() || last {
                return;
            }
            let upload = match uploads.message().await {
                Ok(Some(upload)) => upload,
                Ok(None) => return,
                Err(status) => {
                    tracing::debug!(%status, "a sidecar's stream broke");
                    return;
                }
            };
            let number = upload.number;
            reply = match self.take(upload) {
                Ok(effects) => {
                    self.parts.telling.tell(effects).await;
                    let level = emit::AckLevel::Received.into();
                    Ok(Body::Ack(wire::IntakeAck { level, through_number: number }))
                }
                Err(refused) => {
                    metrics::REFUSED.counter(&[("reason", refused.reason())]).increment(1);
                    let status = Status::from(refused);
                    tracing::warn!(%status, number, "a batch was refused");
                    Err(status)
                }
            };
        }
    }
}

fn undetermined(map: MapId, id: WriteId, row: &Row<'_>, reason: Reason) -> Ended {
    Ended { map, id, outcome: Outcome::Undetermined(reason), trace: row.trace }
}

fn count(counters: &[Counter], reason: LossReason, lost: u64) {
    if let Some(counter) = counters.get(crate::sources::reason_index(reason)) {
        counter.increment(lost);
    }
}

/// The gRPC service, and what ends its streams.
pub(crate) struct Service(pub(crate) Arc<Receiver>, pub(crate) CancellationToken);

#[tonic::async_trait]
impl wire::intake_server::Intake for Service {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<wire::Reply, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<wire::Upload>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (replies, outgoing) = mpsc::channel(REPLIES_MAX);
        let (receiver, stop) = (self.0.clone(), self.1.clone());
        // Ends with the stream, because `replies` is closed or the uploads are at their end, or with the comparator.
        tokio::spawn(async move {
            stop.run_until_cancelled(receiver.serve(request.into_inner(), replies)).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}
