//! The handshakes under way: each a task, the oldest of them known.

use crate::connection::{Peer, Stream};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// What comes of a handshake.
pub(crate) type Outcome = io::Result<(Stream, Peer)>;

/// Every handshake that has begun and is neither finished nor given up. Dropping it ends them all.
#[derive(Default)]
pub(crate) struct UnderWay {
    tasks: JoinSet<(u64, Outcome)>,
    /// By number, so that the first one is the oldest.
    callers: BTreeMap<u64, Caller>,
    next_number: u64,
}

struct Caller {
    address: SocketAddr,
    since: Instant,
    task: AbortHandle,
}

impl UnderWay {
    pub(crate) fn len(&self) -> usize {
        self.callers.len()
    }

    /// When the oldest one began.
    pub(crate) fn oldest_since(&self) -> Option<Instant> {
        self.callers.first_key_value().map(|(_, oldest)| oldest.since)
    }

    pub(crate) fn begin(
        &mut self,
        address: SocketAddr,
        greeting: impl Future<Output = Outcome> + Send + 'static,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        let task = self.tasks.spawn(async move { (number, greeting.await) });
        self.callers.insert(number, Caller { address, since: Instant::now(), task });
    }

    /// Ends the oldest one, and says whose it was.
    pub(crate) fn give_up_oldest(&mut self) -> Option<SocketAddr> {
        let (_, oldest) = self.callers.pop_first()?;
        oldest.task.abort();
        Some(oldest.address)
    }

    /// The next one that is finished; nothing while there is none under way. One that was given up is not heard of again.
    pub(crate) fn poll_finished(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<(Option<SocketAddr>, Outcome)>> {
        while let Some(joined) = ready!(self.tasks.poll_join_next(context)) {
            match joined {
                Ok((number, outcome)) => {
                    if let Some(caller) = self.callers.remove(&number) {
                        return Poll::Ready(Some((Some(caller.address), outcome)));
                    }
                }
                Err(error) if error.is_cancelled() => {}
                Err(error) => {
                    self.callers.retain(|_, caller| !caller.task.is_finished());
                    return Poll::Ready(Some((None, Err(io::Error::other(error)))));
                }
            }
        }
        Poll::Ready(None)
    }
}
