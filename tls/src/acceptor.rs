//! The door of a server: takes connections, lets those in that prove who they are, and lets nobody block it.
//!
//! ```text
//! backlog ─▶ under way (handshakes_max, each handshake_timeout) ─▶ accepted (connections_max)
//! ```
//!
//! - **Too many handshakes at once.** Callers wait in the system's backlog, but not behind silent ones: a handshake that
//!   is older than [`AcceptLimits::patience`] gives its place to the next caller. A younger one keeps it, so that a rush of honest
//!   callers is worked off instead of being thrown out by itself.
//! - **Too many connections.** Callers are closed at once. In the backlog they would wait for somebody to leave, and that
//!   may be for days; closed, they can try another server and tell somebody.
//! - **No file descriptors left.** Accepting rests for [`REST`] and goes on.

use crate::Watched;
use crate::connection::Connection;
use crate::handshake::Security;
use crate::refusal::{Reason, Refusal};
use crate::under_way::UnderWay;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep};

/// How long nothing is accepted after the system could not.
const REST: Duration = Duration::from_millis(100);

/// Callers in the system's backlog: a fleet that comes back at once. A library's default of 128 makes the others wait for
/// a second or more until they knock again. The system's own limit (`net.core.somaxconn`) holds besides.
const BACKLOG: i32 = 4096;

/// What callers may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcceptLimits {
    /// How long one handshake may take.
    pub handshake_timeout: Duration,
    /// Accepted connections at a time. Further callers are closed at once.
    pub connections_max: usize,
    /// Handshakes at a time, at least one. Further callers wait in the system's backlog.
    pub handshakes_max: usize,
}

impl AcceptLimits {
    /// How old a handshake may grow while others wait for its place: a tenth of the time that it has otherwise.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.handshake_timeout / 10
    }
}

/// Where refusals go.
type Report = Box<dyn Fn(Refusal) + Send>;

/// A stream of accepted connections, for [`serve_with_incoming`](tonic::transport::server::Router::serve_with_incoming).
/// It has no end and gives no errors; who is not let in is reported. Dropping it ends the handshakes under way.
pub struct Acceptor {
    listener: TcpListener,
    security: Security,
    limits: AcceptLimits,
    report: Report,
    under_way: UnderWay,
    places: Arc<Semaphore>,
    resting_until: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl Acceptor {
    /// Lets callers in that show a certificate as `watched` demands at that moment. Every other is handed to `report`,
    /// which must not block. Call it within a runtime.
    #[must_use]
    pub fn new(
        listener: TcpListener,
        watched: Arc<Watched>,
        limits: AcceptLimits,
        report: impl Fn(Refusal) + Send + 'static,
    ) -> Self {
        Self::with(listener, Security::Tls(watched), limits, Box::new(report))
    }

    /// Lets everybody in who says something, without encryption, within the same limits: their [`Peer`](crate::Peer) has no
    /// identities.
    #[must_use]
    pub fn plain(
        listener: TcpListener,
        limits: AcceptLimits,
        report: impl Fn(Refusal) + Send + 'static,
    ) -> Self {
        Self::with(listener, Security::Plain, limits, Box::new(report))
    }

    fn with(listener: TcpListener, security: Security, limits: AcceptLimits, report: Report) -> Self {
        if let Err(error) = rustix::net::listen(&listener, BACKLOG) {
            tracing::warn!(%error, "the backlog of the listener stays as short as it is");
        }
        Self {
            listener,
            security,
            limits,
            report,
            under_way: UnderWay::default(),
            places: Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS))),
            resting_until: None,
            alarm: Box::pin(sleep(Duration::ZERO)),
        }
    }

    /// The next connection whose handshake is done. Pending also while there is no handshake.
    fn poll_finished(&mut self, context: &mut Context<'_>) -> Poll<Connection> {
        while let Poll::Ready(Some((address, outcome))) = self.under_way.poll_finished(context) {
            match (outcome, self.places.clone().try_acquire_owned()) {
                (Ok((stream, peer)), Ok(place)) => return Poll::Ready(Connection::new(stream, peer, place)),
                (Ok(_), Err(_)) => self.refuse(Reason::Full, address, None),
                (Err(error), _) => self.refuse(Reason::of(&error), address, Some(error)),
            }
        }
        Poll::Pending
    }

    /// The next caller, once there is room for one more handshake.
    fn poll_caller(&mut self, context: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        loop {
            ready!(self.poll_rested(context));
            ready!(self.poll_room(context));
            match ready!(self.listener.poll_accept(context)) {
                Ok(caller) => return Poll::Ready(caller),
                Err(error) => {
                    if !is_of_the_caller(&error) {
                        self.resting_until = Some(Instant::now() + REST);
                    }
                    self.refuse(Reason::System, None, Some(error));
                }
            }
        }
    }

    fn poll_rested(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(until) = self.resting_until {
            ready!(self.poll_alarm(context, until));
            self.resting_until = None;
        }
        Poll::Ready(())
    }

    /// Ready when one more handshake may begin, be it in the place of the oldest one.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.under_way.oldest_since() {
            Some(since) if self.is_crowded() => self.poll_alarm(context, since + self.limits.patience()),
            _ => Poll::Ready(()),
        }
    }

    fn is_crowded(&self) -> bool {
        self.under_way.len() >= self.limits.handshakes_max
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        if self.alarm.deadline() != at {
            self.alarm.as_mut().reset(at);
        }
        self.alarm.as_mut().poll(context)
    }

    /// Begins the handshake with a caller, in the place of the oldest one if there is no other place.
    fn greet(&mut self, tcp: TcpStream, address: SocketAddr) {
        if self.places.available_permits() == 0 {
            return self.refuse(Reason::Full, Some(address), None);
        }
        if self.is_crowded()
            && let Some(oldest) = self.under_way.give_up_oldest()
        {
            self.refuse(Reason::Crowded, Some(oldest), None);
        }
        let greeting = self.security.clone().greet(tcp, address, self.limits.handshake_timeout);
        self.under_way.begin(address, greeting);
    }

    fn refuse(&self, reason: Reason, address: Option<SocketAddr>, error: Option<io::Error>) {
        (self.report)(Refusal { reason, address, error: error.map(Arc::new) });
    }
}

/// Whether accepting failed for this one caller, who is gone, and the next one may be there already.
fn is_of_the_caller(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

impl tokio_stream::Stream for Acceptor {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let acceptor = self.get_mut();
        loop {
            if let Poll::Ready(connection) = acceptor.poll_finished(context) {
                return Poll::Ready(Some(Ok(connection)));
            }
            let (tcp, address) = ready!(acceptor.poll_caller(context));
            acceptor.greet(tcp, address);
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("listener", &self.listener)
            .field("security", &self.security)
            .field("limits", &self.limits)
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}
