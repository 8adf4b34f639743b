//! What happens between a TCP connection and one that is accepted.

use crate::connection::{Peer, Stream};
use crate::{Watched, name};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;

/// A peer that vanished is noticed by the system after some minutes, even if it vanished before its first request.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What is asked of a caller.
#[derive(Clone, Debug)]
pub(crate) enum Security {
    /// A certificate, checked against the authorities of the moment.
    Tls(Arc<Watched>),
    /// A first byte: silent callers must not fill the house without TLS either. In HTTP/2 the client speaks first.
    Plain,
}

impl Security {
    /// Greets the caller of `tcp` within `limit`.
    pub(crate) async fn greet(
        self,
        tcp: TcpStream,
        address: SocketAddr,
        limit: Duration,
    ) -> io::Result<(Stream, Peer)> {
        // Acknowledgements are small, and waited for.
        tcp.set_nodelay(true)?;
        set_socket_keepalive(&tcp, true)?;
        set_tcp_keepidle(&tcp, KEEP_ALIVE)?;
        let greeted = async {
            match self {
                Self::Tls(watched) => secure(&watched, tcp, address).await,
                Self::Plain => plain(tcp, address).await,
            }
        };
        tokio::time::timeout(limit, greeted).await.unwrap_or_else(|_| Err(too_slow(limit)))
    }
}

async fn plain(tcp: TcpStream, address: SocketAddr) -> io::Result<(Stream, Peer)> {
    if tcp.peek(&mut [0]).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((Either::Right(tcp), Peer { identities: Vec::new(), not_after: None, address }))
}

async fn secure(watched: &Watched, tcp: TcpStream, address: SocketAddr) -> io::Result<(Stream, Peer)> {
    let stream = TlsAcceptor::from(watched.server()).accept(tcp).await?;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    let shown = shown.ok_or_else(|| io::Error::other(rustls::Error::NoCertificatesPresented))?;
    let described = name::describe(shown).map_err(io::Error::other)?;
    let peer = Peer { identities: described.names, not_after: Some(described.not_after), address };
    Ok((Either::Left(Box::new(stream)), peer))
}

fn too_slow(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no handshake within {} ms", limit.as_millis()))
}
