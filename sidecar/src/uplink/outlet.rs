//! Where connections hand in their batches, and hear how safe they are.

use super::desk::{Accepted, Desk, written};
use super::limits::IntakeLimits;
use crate::batcher::Sealed;
use crate::marks::{Place, Reach};
use crate::spooling;
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_spool::Progress;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long a connection waits at most before it tries again to hand in a batch: the spool does not tell of all room it gets.
const RETRY: Duration = Duration::from_millis(50);

/// Where connections hand in their batches.
pub(crate) struct Outlet {
    desk: Arc<Desk>,
    wake: mpsc::Sender<()>,
    pub(crate) limits: Arc<IntakeLimits>,
}

impl Outlet {
    pub(super) fn new(desk: Arc<Desk>, wake: mpsc::Sender<()>, limits: Arc<IntakeLimits>) -> Self {
        Self { desk, wake, limits }
    }

    /// Hands a batch in; waits until there is room for it. With `is_durable`, it is to be on disk soon.
    pub(crate) async fn send(&self, sealed: Sealed, is_durable: bool) -> Place {
        let entry = self.desk.spool.is_some().then(|| spooling::entry(&sealed));
        let mut news = self.news();
        loop {
            news.look();
            if let Some(place) = self.desk.place(&sealed, entry.as_ref(), is_durable) {
                // A full channel has woken the uplink already.
                self.wake.try_send(()).ok();
                return place;
            }
            tokio::select! {
                () = news.changed() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// The level at which a connection is acknowledged that asks for `wanted`.
    pub(crate) fn grant(&self, wanted: AckLevel) -> AckLevel {
        match wanted {
            AckLevel::Unspecified | AckLevel::Received => AckLevel::Received,
            AckLevel::Spooled | AckLevel::Durable if self.desk.spool.is_none() => AckLevel::Received,
            AckLevel::Spooled | AckLevel::Durable | AckLevel::Accepted => wanted,
        }
    }

    /// How far batches are safe.
    pub(crate) fn reach(&self) -> Reach {
        self.desk.reach()
    }

    /// How many key buckets are to be shed now.
    pub(crate) fn closed(&self) -> usize {
        self.desk.closed()
    }

    /// How many key buckets are shed, as far as it was last looked at.
    pub(crate) fn last_closed(&self) -> usize {
        self.desk.last_closed()
    }

    /// Grows when every batcher has to begin a new chain.
    pub(crate) fn chains_broken(&self) -> u64 {
        self.desk.chains_broken()
    }

    /// Tells when batches are safer than they were.
    pub(crate) fn news(&self) -> News {
        News { progress: self.desk.progress(), accepted: self.desk.accepted() }
    }
}

/// What changes when batches get safer.
pub(crate) struct News {
    progress: Option<watch::Receiver<Progress>>,
    accepted: watch::Receiver<Accepted>,
}

impl News {
    /// What changes after this is noticed.
    fn look(&mut self) {
        self.progress.as_mut().map(|progress| progress.borrow_and_update().written);
        self.accepted.borrow_and_update();
    }

    /// Waits for a change.
    pub(crate) async fn changed(&mut self) {
        tokio::select! {
            () = written(&mut self.progress) => {}
            changed = self.accepted.changed() => if changed.is_err() {
                // The uplink lives as long as there are connections, unless it was cut off.
                std::future::pending::<()>().await;
            },
        }
    }
}
