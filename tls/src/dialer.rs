//! The way of a client to the one server it means.

use crate::called::Called;
use crate::verifier::WrongServer;
use crate::{Name, Reason, Watched};
use hyper_util::rt::TokioIo;
use rustls::CertificateError;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Uri;
use tower_service::Service;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum DialError {
    /// Nobody answers there.
    #[error("{host}:{port}: {source}")]
    Unreachable {
        /// The host called.
        host: String,
        /// The port called.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// Connection and handshake took too long.
    #[error("{host}:{port}: no connection within {} ms", .limit.as_millis())]
    Timeout {
        /// The host called.
        host: String,
        /// The port called.
        port: u16,
        /// How long it may take.
        limit: Duration,
    },
    /// Somebody answered, but not in a way to trust.
    #[error("{host}:{port}: {}{}", said(.source), hint(.source))]
    Handshake {
        /// The host called.
        host: String,
        /// The port called.
        port: u16,
        /// What was wrong.
        source: io::Error,
    },
}

impl DialError {
    /// Whether it will not go better until somebody changes something: the two do not agree about certificates or about TLS.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Handshake { source, .. } if tls_error(source).is_some())
    }
}

fn tls_error(source: &io::Error) -> Option<&rustls::Error> {
    source.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What our own verifier found, which the library only wraps.
fn ours(source: &io::Error) -> Option<&(dyn Error + Send + Sync + 'static)> {
    match tls_error(source) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(ours))) => Some(&*ours.0),
        _ => None,
    }
}

/// What is wrong, in our own words where the library only quotes them.
fn said(source: &io::Error) -> String {
    ours(source).map_or_else(|| source.to_string(), ToString::to_string)
}

fn hint(source: &io::Error) -> &'static str {
    if ours(source).is_some_and(|ours| ours.is::<WrongServer>()) {
        return "; see `server`";
    }
    match Reason::of(source) {
        Reason::Expired => "; the server's certificate must be renewed",
        Reason::UnknownAuthority => "; see `authorities`",
        Reason::NotTls => "; does the server speak TLS there?",
        Reason::RefusedByPeer => "; the server refuses us, see its log",
        _ => "",
    }
}

/// Calls one server, and believes nobody else to be it. A connector for
/// [`connect_with_connector`](tonic::transport::Endpoint::connect_with_connector). Give that endpoint an address with
/// `http://`: it is this connector that speaks TLS, and it goes where it was told to, whatever the address says.
///
/// In TLS 1.3 a server looks at the client's certificate after the client is done. A client that is refused finds out
/// with its first read, not here: ask [`refusal`](Self::refusal) when a connection broke.
#[derive(Clone, Debug)]
pub struct Dialer {
    host: Arc<str>,
    port: u16,
    called: ServerName<'static>,
    server: Name,
    watched: Arc<Watched>,
    limit: Duration,
    refusal: Arc<OnceLock<String>>,
}

impl Dialer {
    /// Will call `host`, a name or an IP address, at `port`, and talk to `server` alone, with the certificate that
    /// `watched` has at that moment. Connection and handshake together may take `limit`.
    ///
    /// # Errors
    ///
    /// If `server` is a SPIFFE id and `host` is neither the name of a host nor an address.
    pub fn new(
        host: &str,
        port: u16,
        server: Name,
        watched: Arc<Watched>,
        limit: Duration,
    ) -> Result<Self, InvalidDnsNameError> {
        let called = ServerName::try_from(server.host().unwrap_or(host))?.to_owned();
        let refusal = Arc::default();
        Ok(Self { host: host.into(), port, called, server, watched, limit, refusal })
    }

    /// The same way, of which nothing is known yet. Its clones share what they know.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { refusal: Arc::default(), ..self.clone() }
    }

    /// What the server said when it refused a connection after the handshake, as it does with a certificate that it does
    /// not believe.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`DialError`].
    pub async fn dial(&self) -> Result<TlsStream<TcpStream>, DialError> {
        let (host, port, limit) = (self.host.to_string(), self.port, self.limit);
        timeout(limit, self.handshake()).await.unwrap_or(Err(DialError::Timeout { host, port, limit }))
    }

    async fn handshake(&self) -> Result<TlsStream<TcpStream>, DialError> {
        let (host, port) = (&*self.host, self.port);
        let tcp = TcpStream::connect((host, port)).await;
        let tcp = tcp.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp));
        let tcp = tcp.map_err(|source| DialError::Unreachable { host: host.to_owned(), port, source })?;
        let connector = TlsConnector::from(self.watched.client(&self.server));
        let connected = connector.connect(self.called.clone(), tcp).await;
        connected.map_err(|source| DialError::Handshake { host: host.to_owned(), port, source })
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Called>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let stream = dialer.dial().await?;
            Ok(TokioIo::new(Called::new(stream, dialer.refusal)))
        })
    }
}
