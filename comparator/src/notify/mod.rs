//! Notifications: tells people of divergences, wherever they want to hear of them.
//!
//! ```text
//! ledger: outbox ─▶ deliverer (one per receiver): pace ─▶ seal ─▶ channel: body ─▶ post, again and again ─▶ settle
//! ```
//!
//! What is to be told is written down with the turn it tells of, and made into messages there: see [`crate::ledger::outbox`].
//! Here a message is written in the words of its receiver, sent until it is taken, and settled.
//!
//! # Invariants
//!
//! - A receiver has one message under way. A slow or dead one holds up nobody else.
//! - A message that is not settled is sent again, with the same id and the same content, also after a crash. HTTP cannot do
//!   better than at least once; whoever looks at the id does.
//! - Nothing is told but what stands in the ledger, and no value ever. Keys only where the receiver is to have them.
//! - No address, secret or key stands in a log line, an error or a metric.

mod alertmanager;
mod board;
mod channel;
mod deliverer;
mod pace;
mod pagerduty;
mod signature;
mod slack;
mod text;
mod webhook;

#[cfg(test)]
mod tests;

pub(crate) use board::{Board, Standing};
pub use channel::Channel;
pub use signature::SigningSecret;
pub(crate) use webhook::{Event, headers as signed_headers};

use crate::contract::Severity;
use crate::ledger::outbox::{Example, Group, Route};
use crate::ledger::{Ledger, State};
use crate::metrics;
use crate::outbound::PostError;
use counterfoil_clock::wall_unix_ns;
use deliverer::Deliverer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the gauges of what waits are brought up to date.
const GAUGES_EVERY: Duration = Duration::from_secs(5);

/// Groups in a message to an Alertmanager: each of them an alert of some hundred bytes.
const ALERTS_MAX: usize = 200;

/// Waits between attempts: the first one, and the longest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
}

/// After a minute an attempt is made each few minutes.
const BACKOFF: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(300) };

/// Who is told of divergences.
#[derive(Debug, Default)]
pub struct Settings {
    /// Where people reach this comparator, without a slash at its end.
    pub external_url: Option<String>,
    /// How much divergences of each map matter.
    pub severities: BTreeMap<String, Severity>,
    /// Who is told.
    pub receivers: Vec<Receiver>,
}

/// Somebody who is told of divergences.
#[derive(Debug)]
pub struct Receiver {
    /// His name; no other has it.
    pub name: Arc<str>,
    /// How he is reached.
    pub channel: Channel,
    /// The maps whose divergences he is told of.
    pub maps: BTreeSet<String>,
    /// The turns that he is told of.
    pub on: BTreeSet<State>,
    /// Most messages in a minute.
    pub rate_per_minute_max: usize,
    /// How long a group waits for more.
    pub group_wait: Duration,
    /// After how long he is told again that something is open.
    pub repeat: Option<Duration>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a message is sent again and again.
    pub give_up_after: Duration,
    /// Whether messages have keys.
    pub include_key: bool,
}

/// Which comparator speaks: where people reach it, if that is known.
fn source(external_url: Option<&str>) -> &str {
    external_url.unwrap_or("/counterfoil")
}

impl Settings {
    /// Which comparator speaks.
    pub(crate) fn source(&self) -> &str {
        source(self.external_url.as_deref())
    }

    /// What the ledger has to know of the receivers.
    pub(crate) fn routes(&self) -> Vec<Route> {
        self.receivers.iter().map(Receiver::route).collect()
    }
}

impl Receiver {
    fn route(&self) -> Route {
        Route {
            receiver: self.name.clone(),
            maps: self.maps.clone(),
            on: self.on.clone(),
            group_wait_ns: nanoseconds(self.group_wait),
            repeat_ns: self.repeat.map(nanoseconds),
            groups_max: if self.channel.takes_several() { ALERTS_MAX } else { 1 },
            include_key: self.include_key,
        }
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What is the same in all messages of a comparator.
#[derive(Debug)]
pub(crate) struct Common {
    external_url: Option<String>,
    severities: BTreeMap<String, Severity>,
}

impl Common {
    /// How much divergences of the map matter.
    fn severity(&self, map: &str) -> Severity {
        self.severities.get(map).copied().unwrap_or_default()
    }

    /// Where a divergence is shown.
    fn link(&self, example: &Example) -> Option<String> {
        self.external_url.as_ref().map(|url| format!("{url}/divergences/{}", example.id))
    }

    /// Which comparator speaks.
    fn source(&self) -> &str {
        source(self.external_url.as_deref())
    }

    /// Names the group wherever it is told of: the same for as long as the comparator is reached at the same place.
    fn group_key(&self, group: &Group) -> String {
        let mut hash = blake3::Hasher::new_derive_key("counterfoil 2026 notification group v1");
        for part in [self.source(), &group.map, group.store.as_deref().unwrap_or_default()] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut key = [0; 16];
        hash.finalize_xof().fill(&mut key);
        format!("counterfoil-{:032x}", u128::from_be_bytes(key))
    }
}

/// Tells everybody who is to be told.
pub(crate) struct Notifier {
    deliverers: Vec<Deliverer>,
    board: Arc<Board>,
    ledger: Ledger,
}

impl Notifier {
    /// Will tell the receivers of `settings` what the outbox of `ledger` has for them.
    ///
    /// # Errors
    ///
    /// [`PostError::Client`].
    pub(crate) fn new(settings: Settings, ledger: &Ledger) -> Result<Self, PostError> {
        Self::with_backoff(settings, ledger, BACKOFF)
    }

    fn with_backoff(settings: Settings, ledger: &Ledger, backoff: Backoff) -> Result<Self, PostError> {
        let Settings { external_url, severities, receivers } = settings;
        let common = Arc::new(Common { external_url, severities });
        let board = Arc::new(Board::new(&receivers));
        let deliverers = receivers
            .into_iter()
            .zip(board.entries())
            .map(|(receiver, entry)| {
                Deliverer::new(receiver, common.clone(), ledger.clone(), entry.clone(), backoff)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { deliverers, board, ledger: ledger.clone() })
    }

    /// Where it is told how each receiver is doing.
    pub(crate) fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Tells until `stop`. What was not delivered then is when the comparator runs again.
    pub(crate) async fn run(self, stop: CancellationToken) {
        if self.deliverers.is_empty() {
            return;
        }
        let mut tasks = JoinSet::new();
        for deliverer in self.deliverers {
            tasks.spawn(deliverer.run(stop.clone()));
        }
        tasks.spawn(keep_gauges(self.board, self.ledger, stop));
        while tasks.join_next().await.is_some() {}
    }
}

async fn keep_gauges(board: Arc<Board>, ledger: Ledger, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(GAUGES_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let waiting = match ledger.waiting().await {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::error!(%error, "what is to be told cannot be looked at");
                continue;
            }
        };
        let now = wall_unix_ns();
        for entry in board.entries() {
            let its = waiting.iter().find(|waiting| *waiting.receiver == *entry.name);
            let labels = [("receiver", &*entry.name)];
            metrics::NOTIFY_PENDING.gauge(&labels).set(its.map_or(0.0, |its| its.turns as f64));
            let oldest =
                its.and_then(|its| its.since_unix_ns).map_or(0, |since| now.saturating_sub(since).max(0));
            metrics::NOTIFY_OLDEST.gauge(&labels).set(oldest as f64 / 1e9);
        }
    }
}
