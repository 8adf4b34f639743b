//! Takes in connections, turns away who may not connect, and keeps their number bounded.

mod socket;

pub(crate) use socket::Bound;
pub use socket::SocketError;

use crate::Shared;
use crate::connection;
use crate::greeting::Peer;
use crate::metrics::{FULL, PEER};
use counterfoil_clock::now;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Peers that are being told why they are not served. More are dropped without a word.
const TURNED_AWAY_MAX: usize = 8;

/// The wait after the system had no connection to give, for want of descriptors for example.
const ACCEPT_ERROR_WAIT: Duration = Duration::from_millis(100);

/// Takes connections until `stop`, then closes the socket. Gives the connections that are still being served; they
/// were told to stop too.
pub(crate) async fn run(bound: Bound, shared: Arc<Shared>, stop: CancellationToken) -> JoinSet<()> {
    let mut listener =
        Listener { shared, stop, served: JoinSet::new(), turned_away: JoinSet::new(), accepted: 0 };
    loop {
        tokio::select! {
            () = listener.stop.cancelled() => break,
            accepted = bound.listener.accept() => match accepted {
                Ok((stream, _)) => listener.take(stream),
                Err(error) => listener.wait_after(&error).await,
            },
            Some(_ended) = listener.served.join_next() => listener.count(),
            Some(_told) = listener.turned_away.join_next() => {}
        }
    }
    listener.served
}

struct Listener {
    shared: Arc<Shared>,
    stop: CancellationToken,
    served: JoinSet<()>,
    turned_away: JoinSet<()>,
    accepted: u64,
}

impl Listener {
    fn take(&mut self, stream: UnixStream) {
        let Ok(credentials) = stream.peer_cred() else { return };
        self.accepted += 1;
        let peer = Peer { uid: credentials.uid(), gid: credentials.gid(), number: self.accepted };
        if let Some((reason, message)) = self.objection(peer) {
            self.turn_away(stream, peer, reason, message);
            return;
        }
        self.shared.meters.connections.increment(1);
        let shared = Arc::clone(&self.shared);
        self.served.spawn(connection::serve(shared, stream, peer, self.stop.clone()));
        self.count();
    }

    /// Lets everybody know how many connections are served.
    fn count(&self) {
        let served = u32::try_from(self.served.len()).unwrap_or(u32::MAX);
        self.shared.served.store(served, Ordering::Relaxed);
    }

    /// Why a peer is not served.
    fn objection(&self, peer: Peer) -> Option<(&'static str, String)> {
        let socket = &self.shared.settings.socket;
        let Peer { uid, gid, .. } = peer;
        let own_uid = rustix::process::geteuid().as_raw();
        if !socket.allowed.admits(uid, gid, own_uid) {
            let message = format!(
                "user {uid} (group {gid}) may not connect; add it to socket.allow_uids or socket.allow_gids"
            );
            return Some((PEER, message));
        }
        let max = socket.connections_max;
        let full = self.served.len() >= max as usize;
        full.then(|| (FULL, format!("{max} connections are open; socket.connections_max allows no more")))
    }

    fn turn_away(&mut self, stream: UnixStream, peer: Peer, reason: &'static str, message: String) {
        self.shared.meters.peers_refused.add(reason, 1);
        if let Some(unsaid) = self.shared.log_refused.allows(now()) {
            tracing::warn!(uid = peer.uid, gid = peer.gid, reason, unsaid, "peer turned away: {message}");
        }
        if self.turned_away.len() < TURNED_AWAY_MAX {
            self.turned_away.spawn(connection::turn_away(stream, message));
        }
    }

    async fn wait_after(&self, error: &std::io::Error) {
        self.shared.meters.accept_errors.increment(1);
        tracing::warn!(%error, "no connection could be taken");
        tokio::time::sleep(ACCEPT_ERROR_WAIT).await;
    }
}
