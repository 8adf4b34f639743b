//! A server on a port of its own, for as long as it is held.

use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::server::Router;

/// Serves until it is dropped.
pub(crate) struct Served {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Served {
    /// Serves gRPC on a free port.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub(crate) fn start(services: Router) -> Self {
        Self::by(|listener| services.serve_with_incoming(TcpListenerStream::new(listener)))
    }

    /// Serves what `serve` makes of a listener on a free port.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub(crate) fn by<S>(serve: impl FnOnce(TcpListener) -> S) -> Self
    where
        S: Future<Output: Send> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        runtime.spawn(serve(listener));
        Self { address, _runtime: runtime }
    }

    /// Its URL, in plain text.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
