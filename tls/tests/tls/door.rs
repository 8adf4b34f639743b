//! A server whose every decision can be waited for, and clients to knock at it.

use crate::authority::{Folder, SERVER};
use counterfoil_tls::{AcceptLimits, Acceptor, Connection, Dialer, Name, Reason, Refusal, Watched};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt;

/// Never reached; a test that waits for it hangs, instead of passing by luck.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) const LIMITS: AcceptLimits =
    AcceptLimits { handshake_timeout: LONG, connections_max: 64, handshakes_max: 64 };

/// More decisions than any test waits for.
const DECISIONS_MAX: usize = 4096;

pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    admitted: Receiver<Connection>,
    refused: Receiver<Refusal>,
    _server: JoinSet<()>,
}

impl Door {
    pub(crate) async fn open(watched: Arc<Watched>, limits: AcceptLimits) -> Self {
        Self::with(|listener, report| Acceptor::new(listener, watched, limits, report)).await
    }

    pub(crate) async fn open_plain(limits: AcceptLimits) -> Self {
        Self::with(|listener, report| Acceptor::plain(listener, limits, report)).await
    }

    async fn with(open: impl FnOnce(TcpListener, Box<dyn Fn(Refusal) + Send>) -> Acceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (admit, admitted) = channel(DECISIONS_MAX);
        let (refuse, refused) = channel(DECISIONS_MAX);
        let mut acceptor = open(listener, Box::new(move |refusal| refuse.try_send(refusal).unwrap()));
        let mut server = JoinSet::new();
        server.spawn(async move {
            while let Some(connection) = acceptor.next().await {
                admit.send(connection.unwrap()).await.unwrap();
            }
        });
        Self { address, admitted, refused, _server: server }
    }

    /// The next connection that is let in.
    pub(crate) async fn admitted(&mut self) -> Connection {
        self.admitted.recv().await.unwrap()
    }

    /// The next one that is not.
    pub(crate) async fn refused(&mut self) -> Refusal {
        self.refused.recv().await.unwrap()
    }

    /// Why the next one is not let in, after making sure that nobody was.
    pub(crate) async fn reason(&mut self) -> Reason {
        let reason = self.refused().await.reason;
        assert!(self.admitted.try_recv().is_err(), "somebody got in");
        reason
    }

    /// How `client` reaches this door, expecting `server` behind it.
    pub(crate) fn dialer_to(&self, client: Arc<Watched>, server: &str) -> Dialer {
        let server = Name::parse(server).unwrap();
        Dialer::new(&self.address.ip().to_string(), self.address.port(), server, client, LONG).unwrap()
    }

    pub(crate) async fn dial(&self, client: &Folder) -> TlsStream<TcpStream> {
        self.dialer_to(client.watched(), SERVER).dial().await.unwrap()
    }
}

/// Checks that what either side says arrives at the other.
pub(crate) async fn talk(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    server: &mut (impl AsyncRead + AsyncWrite + Unpin),
) {
    say(client, server).await;
    say(server, client).await;
}

async fn say(from: &mut (impl AsyncWrite + Unpin), to: &mut (impl AsyncRead + Unpin)) {
    from.write_all(b"word").await.unwrap();
    from.flush().await.unwrap();
    let mut heard = [0; 4];
    to.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"word");
}

/// Waits until the other side has closed `stream`, and gives what it said of it.
pub(crate) async fn closed(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut heard = Vec::new();
    let ended = stream.read_to_end(&mut heard).await;
    assert_eq!(heard, b"", "something was said to somebody who was not let in");
    ended.map(drop)
}
