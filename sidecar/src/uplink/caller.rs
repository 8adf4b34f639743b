//! The way to the comparator: who is called there, with which certificate, and when to call anew.

use super::line::{Line, Renewal};
use super::stream::StreamError;
use crate::config;
use counterfoil_tls::{Dialer, LoadError, Watched, keep_current, redial_after, tell_insecure, unix_seconds};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::{self, Endpoint};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A silent connection is asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A connection without a sign of life for this long is given up.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What may be wrong when the comparator says nothing in plain text.
const ASKS_FOR_TLS: &str = "if it asks for TLS, write an https endpoint and `uplink.tls`";

/// What may be wrong when it says nothing over TLS. Its word about a certificate is lost where a connection is reset.
const MAY_REFUSE: &str = "it may refuse `uplink.tls.certificate`, or have no room; see its log";

/// Why there is no way to the comparator.
#[derive(Debug, Error)]
pub enum WayError {
    /// Its address cannot be used.
    #[error("uplink.endpoint: {0}; write the comparator as https://host:port")]
    Endpoint(#[from] transport::Error),
    /// Its host is none that could be called.
    #[error("uplink.endpoint: `{0}` is not a host; write the comparator as https://host:port")]
    Host(String),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] LoadError),
}

/// Opens streams to the comparator.
pub(crate) struct Caller {
    endpoint: Endpoint,
    security: Security,
    retry_after: Duration,
}

enum Security {
    Plain,
    Tls { dialer: Dialer, watched: Arc<Watched>, reload: Duration, renewed: watch::Sender<()> },
}

impl Caller {
    /// Reads the certificate, if there is to be one; calls nobody yet.
    ///
    /// # Errors
    ///
    /// [`WayError`], naming the key to set.
    pub(crate) fn new(uplink: &config::Uplink) -> Result<Self, WayError> {
        let endpoint = endpoint(&uplink.endpoint)?;
        let security = match &uplink.tls {
            None => Security::Plain,
            Some(tls) => {
                let watched = Arc::new(Watched::load(tls.files.clone(), "uplink.tls")?);
                let (host, port) = host_and_port(&endpoint);
                let dialer = Dialer::new(host, port, tls.server.clone(), watched.clone(), CONNECT_TIMEOUT)
                    .map_err(|_| WayError::Host(host.to_owned()))?;
                Security::Tls { dialer, watched, reload: tls.reload, renewed: watch::channel(()).0 }
            }
        };
        Ok(Self { endpoint, security, retry_after: uplink.backoff.max })
    }

    /// Keeps the certificate in use that its files have, until `stop`.
    pub(crate) async fn keep_current(&self, stop: CancellationToken) {
        match &self.security {
            Security::Plain => {
                tell_insecure("uplink.insecure");
                stop.cancelled().await;
            }
            Security::Tls { watched, reload, renewed, .. } => {
                keep_current(watched.clone(), *reload, stop, || renewed.send_modify(|()| ())).await;
            }
        }
    }

    /// Opens a stream, and waits for the comparator's welcome on it: only then did it look at our certificate.
    pub(crate) async fn open(&self) -> Result<Line, StreamError> {
        let renewal = self.renewal();
        match &self.security {
            Security::Plain => {
                let endpoint = self.endpoint.clone().connect_timeout(CONNECT_TIMEOUT);
                let channel = endpoint.connect().await.map_err(StreamError::Connect)?;
                Line::open(channel, renewal).await.map_err(|error| error.before_welcome(ASKS_FOR_TLS))
            }
            Security::Tls { dialer, .. } => {
                let dialer = dialer.anew();
                let channel = self.endpoint.connect_with_connector(dialer.clone()).await;
                let opened = Line::open(channel.map_err(StreamError::Connect)?, renewal).await;
                opened.map_err(|error| match dialer.refusal() {
                    Some(refusal) => StreamError::Refused(refusal.to_owned()),
                    None => error.before_welcome(MAY_REFUSE),
                })
            }
        }
    }

    /// Waits until `line` is to be replaced, and opens the one that replaces it, however often it takes to try. Never ends
    /// where there is no certificate.
    pub(crate) fn replacement(self: Arc<Self>, line: &mut Line) -> impl Future<Output = Line> + use<> {
        let renewal = line.renewal.take();
        async move {
            match renewal {
                Some(renewal) => renewal.due().await,
                None => std::future::pending().await,
            }
            loop {
                match self.open().await {
                    Ok(line) => return line,
                    Err(error) => {
                        let wait_ms = u64::try_from(self.retry_after.as_millis()).unwrap_or(u64::MAX);
                        tracing::warn!(
                            wait_ms,
                            "the stream is not renewed yet; the old one goes on: {error}"
                        );
                        tokio::time::sleep(self.retry_after).await;
                    }
                }
            }
        }
    }

    fn renewal(&self) -> Option<Renewal> {
        let Security::Tls { watched, renewed, .. } = &self.security else { return None };
        // Subscribed first: a certificate that changes from here on is noticed.
        let renewed = renewed.subscribe();
        Some(Renewal { after: redial_after(watched.not_after(), unix_seconds()), renewed })
    }
}

/// The connector speaks TLS where there is any, below an endpoint that knows nothing of it.
fn endpoint(address: &str) -> Result<Endpoint, transport::Error> {
    let below = address.strip_prefix("https://").map(|authority| format!("http://{authority}"));
    let endpoint = Endpoint::from_shared(below.unwrap_or_else(|| address.to_owned()))?;
    Ok(endpoint
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

/// An address of IPv6 stands in brackets, which are no part of it.
fn host_and_port(endpoint: &Endpoint) -> (&str, u16) {
    let host = endpoint.uri().host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (host, endpoint.uri().port_u16().unwrap_or(443))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_https_address_is_called_below_tls_at_its_own_host_and_port() {
        for (address, expected) in [
            ("https://comparator.shop:7411", ("comparator.shop", 7411)),
            ("https://[::1]:7411", ("::1", 7411)),
            ("https://127.0.0.1:1", ("127.0.0.1", 1)),
        ] {
            let endpoint = endpoint(address).unwrap();
            assert_eq!(host_and_port(&endpoint), expected);
            assert_eq!(endpoint.uri().scheme_str(), Some("http"));
        }
    }
}
