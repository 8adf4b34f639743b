//! The gRPC server: the door, and what is served behind it.
//!
//! Who does not pass the door reaches nothing, neither health nor reflection.

use crate::admission::Admission;
use crate::config::{Security, Tls};
use crate::receiver::{Receiver, Service};
use counterfoil_proto::wire::{self, intake_server::IntakeServer};
use counterfoil_tls::{
    AcceptLimits, Acceptor, LoadError, Refusal, Rules, Watched, keep_current, tell_insecure,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Router;

/// Streams that one connection may have: a sidecar has one, and tools look at health and reflection beside it.
const STREAMS_PER_CONNECTION_MAX: u32 = 4;

/// Streams that a peer reset before they were served, per connection; one that goes on resetting is cut off.
const RESETS_PENDING_MAX: usize = 16;

/// The headers of a request, in bytes. Ours are some hundred bytes long.
const HEADER_BYTES_MAX: u32 = 8 * 1024;

/// HTTP/2 frames; larger ones than the default halve the cost of a batch.
const FRAME_BYTES_MAX: u32 = 256 * 1024;

/// HTTP/2 flow control: how much a sidecar may have on its way.
const WINDOW_BYTES: u32 = 4 << 20;

/// What an upload has besides its batch, at most.
const UPLOAD_OVERHEAD_BYTES: usize = 4096;

/// A silent connection is asked for a sign of life this often, and given up when none comes for as long.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Who may come in.
pub(crate) struct Door {
    certificate: Option<Certificate>,
    rules: Option<Rules>,
    limits: AcceptLimits,
}

/// The comparator's certificate, and how often its files are looked at.
struct Certificate {
    watched: Arc<Watched>,
    reload: Duration,
}

impl Door {
    /// Reads the certificate, if there is to be one.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if it cannot be used, naming the key.
    pub(crate) fn new(security: Security, limits: AcceptLimits) -> Result<Self, LoadError> {
        let (certificate, rules) = match security {
            Security::Insecure => (None, None),
            Security::Tls(Tls { files, reload, clients }) => {
                let watched = Arc::new(Watched::load(files, "listen.tls")?);
                (Some(Certificate { watched, reload }), Some(clients))
            }
        };
        Ok(Self { certificate, rules, limits })
    }
}

/// The gRPC server.
pub(crate) struct Serving {
    acceptor: Acceptor,
    certificate: Option<Certificate>,
    admission: Arc<Admission>,
    receiver: Arc<Receiver>,
    upload_bytes_max: usize,
}

impl Serving {
    /// Will serve whoever passes `door` at `listener`. Call it within a runtime.
    pub(crate) fn new(listener: TcpListener, door: Door, receiver: Receiver, batch_bytes_max: usize) -> Self {
        let Door { certificate, rules, limits } = door;
        let admission = Arc::new(Admission::new(rules));
        let porter = admission.clone();
        let report = move |refusal: Refusal| porter.refused(&refusal);
        let acceptor = match &certificate {
            Some(certificate) => Acceptor::new(listener, certificate.watched.clone(), limits, report),
            None => Acceptor::plain(listener, limits, report),
        };
        let upload_bytes_max = batch_bytes_max + UPLOAD_OVERHEAD_BYTES;
        Self { acceptor, certificate, admission, receiver: Arc::new(receiver), upload_bytes_max }
    }

    /// Serves until `stop`, with the certificate that its files have.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { acceptor, certificate, admission, receiver, upload_bytes_max } = self;
        let service = Service { receiver, admission, stop: stop.clone() };
        let served = async {
            let router = router(service, upload_bytes_max).await;
            let served = router.serve_with_incoming_shutdown(acceptor, stop.clone().cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "the gRPC server ended");
            }
        };
        match certificate {
            Some(Certificate { watched, reload }) => {
                tokio::join!(served, keep_current(watched, reload, stop.clone(), || ()));
            }
            None => {
                tell_insecure("listen.insecure");
                served.await;
            }
        }
    }
}

async fn router(service: Service, upload_bytes_max: usize) -> Router {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<IntakeServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
        .build_v1();
    Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .add_service(health_service)
        .add_optional_service(reflection.ok())
        .add_service(IntakeServer::new(service).max_decoding_message_size(upload_bytes_max))
}
