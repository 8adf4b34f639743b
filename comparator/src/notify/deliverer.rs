//! Delivers what the outbox has for one receiver, one message after the other.

use super::board::Entry;
use super::pace::Pace;
use super::{Backoff, Common, Receiver, nanoseconds};
use crate::ledger::outbox::{Message, Settling};
use crate::ledger::{Ledger, LedgerError};
use crate::metrics;
use crate::outbound::{PostError, Posted, Poster, Verdict};
use ::metrics::Counter;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use counterfoil_clock::{now, wall_unix_ns};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Nanoseconds in a second.
const S: i64 = 1_000_000_000;

/// The longest time until the outbox is looked at again, whatever the clock says.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Delivers to one receiver.
pub(super) struct Deliverer {
    receiver: Receiver,
    common: Arc<Common>,
    poster: Poster,
    ledger: Ledger,
    changes: watch::Receiver<()>,
    pace: Pace,
    backoff: Backoff,
    entry: Arc<Entry>,
    handles: Handles,
}

impl Deliverer {
    /// Will deliver to `receiver`, and note at `entry` how that goes.
    ///
    /// # Errors
    ///
    /// [`PostError::Client`].
    pub(super) fn new(
        receiver: Receiver,
        common: Arc<Common>,
        ledger: Ledger,
        entry: Arc<Entry>,
        backoff: Backoff,
    ) -> Result<Self, PostError> {
        let poster = Poster::new(receiver.channel.address().clone(), receiver.timeout)?;
        let pace = Pace::new(receiver.rate_per_minute_max);
        let (changes, handles) = (ledger.outbox_changes(), Handles::new(&receiver.name));
        Ok(Self { receiver, common, poster, ledger, changes, pace, backoff, entry, handles })
    }

    /// Delivers while the comparator leads, until `stop`, at any point of it.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut lead = self.ledger.lead();
        loop {
            let may = async { lead.wait_for(|leads| *leads).await.is_ok() };
            if stop.run_until_cancelled(may).await != Some(true) {
                return;
            }
            let delivering = async {
                tokio::select! {
                    ended = self.deliver_all() => Some(ended),
                    () = async { drop(lead.wait_for(|leads| !*leads).await) } => None,
                }
            };
            match stop.run_until_cancelled(delivering).await {
                // Another one leads now, who sends what is not settled.
                Some(None) => {}
                Some(Some(Err(error))) => {
                    let receiver = &*self.receiver.name;
                    tracing::error!(receiver, %error, "nothing is told any more; restart the comparator");
                    return;
                }
                Some(Some(Ok(()))) | None => return,
            }
        }
    }

    async fn deliver_all(&mut self) -> Result<(), LedgerError> {
        loop {
            // What comes while a message may not be sent yet is told with it.
            tokio::time::sleep(self.pace.wait(now())).await;
            self.changes.mark_unchanged();
            let sealed = self.ledger.seal(self.receiver.name.clone()).await?;
            match sealed.message {
                Some(message) => self.deliver(&message).await?,
                None => self.rest(sealed.next_due_unix_ns).await,
            }
        }
    }

    /// Until something is due, or comes that may be due before.
    async fn rest(&mut self, next_due_unix_ns: Option<i64>) {
        let wait = next_due_unix_ns.map_or(LOOK_EVERY, |due_unix_ns| {
            let wait_ns = due_unix_ns.saturating_sub(wall_unix_ns());
            Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(0)).min(LOOK_EVERY)
        });
        // Else what comes now is due after that.
        let may_be_sooner = wait > self.receiver.group_wait;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            Ok(()) = self.changes.changed(), if may_be_sooner => {}
        }
    }

    /// Sends the message until it is taken or given up, and settles it.
    async fn deliver(&mut self, message: &Message) -> Result<(), LedgerError> {
        self.pace.sent(now());
        let body = self.receiver.body(message, &self.common);
        let mut waits = self.waits();
        let dead = loop {
            let attempt = self.attempt(message, body.clone()).await;
            match Verdict::of(&attempt) {
                Verdict::Delivered => break None,
                Verdict::Never(why) => break Some(why),
                Verdict::Later(why, _) if self.is_too_old(message) => break Some(format!("given up: {why}")),
                Verdict::Later(why, wait) => {
                    self.failed(&why, &attempt);
                    let wait = waits.next().unwrap_or(self.backoff.max).max(wait.unwrap_or_default());
                    tokio::time::sleep(wait).await;
                }
            }
        };
        self.settle(message, dead).await
    }

    async fn attempt(&self, message: &Message, body: Bytes) -> Result<Posted, PostError> {
        let headers = self.receiver.headers(message, &body, wall_unix_ns() / S);
        self.poster.post(headers, body).await
    }

    fn waits(&self) -> ExponentialBackoff {
        let Backoff { min, max } = self.backoff;
        let builder = ExponentialBuilder::new().with_min_delay(min).with_max_delay(max);
        builder.with_jitter().without_max_times().build()
    }

    fn is_too_old(&self, message: &Message) -> bool {
        let age = wall_unix_ns().saturating_sub(message.made_at_unix_ns);
        age >= nanoseconds(self.receiver.give_up_after)
    }

    /// Notes an attempt without success; only the first one of a message is told.
    fn failed(&self, why: &str, attempt: &Result<Posted, PostError>) {
        self.handles.retried.increment(1);
        if self.entry.failed(why, wall_unix_ns()) == 1 {
            let error = attempt.as_ref().err().map(ToString::to_string);
            tracing::warn!(
                receiver = &*self.receiver.name,
                why,
                error,
                "a notification is not delivered; trying again"
            );
        }
    }

    async fn settle(&self, message: &Message, dead: Option<String>) -> Result<(), LedgerError> {
        let (receiver, at_unix_ns) = (self.receiver.name.clone(), wall_unix_ns());
        let settling = Settling { receiver, number: message.number, at_unix_ns, dead: dead.clone() };
        self.ledger.settle(settling).await?;
        self.handles.folded.increment(message.folded());
        match dead {
            Some(why) => {
                self.handles.dead.increment(1);
                let (receiver, id, attempts) =
                    (&*self.receiver.name, &message.id, self.entry.failed(&why, at_unix_ns));
                tracing::error!(receiver, id, why, attempts, "a notification is given up; see /v1/notify");
                self.entry.settled();
            }
            None => self.delivered(),
        }
        Ok(())
    }

    fn delivered(&self) {
        self.handles.delivered.increment(1);
        let attempts = self.entry.settled();
        if attempts > 0 {
            tracing::info!(receiver = &*self.receiver.name, attempts, "notifications are delivered again");
        }
    }
}

/// The counters of a receiver.
struct Handles {
    delivered: Counter,
    retried: Counter,
    dead: Counter,
    folded: Counter,
}

impl Handles {
    fn new(receiver: &str) -> Self {
        let of = |result| metrics::NOTIFY_MESSAGES.counter(&[("receiver", receiver), ("result", result)]);
        let folded = metrics::NOTIFY_FOLDED.counter(&[("receiver", receiver)]);
        Self { delivered: of("delivered"), retried: of("retried"), dead: of("dead"), folded }
    }
}
