//! The admin endpoints: alive, ready, metrics.

use crate::{Telemetry, openmetrics};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// Connections served at a time; others wait in the kernel's queue. Browsers that watch the comparator's pages hold one each.
const CONNECTIONS_MAX: usize = 128;

/// A connection that gets no answer for this long has asked nothing, or asks too slowly: it is closed, so that those who hold
/// connections open do not keep others out.
const UNANSWERED_MAX: Duration = Duration::from_secs(30);

/// How long requests may go on after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4";

pub(crate) fn router(telemetry: Telemetry, ready: watch::Receiver<bool>) -> Router {
    let readyz = move || {
        let ready = *ready.borrow();
        async move {
            if ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
        }
    };
    let metrics = move |headers: HeaderMap| {
        let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok());
        let (kind, text) = if accepted.any(openmetrics::is_accepted) {
            (openmetrics::CONTENT_TYPE, telemetry.render_openmetrics())
        } else {
            (PROMETHEUS_TEXT, telemetry.render_metrics())
        };
        async move { ([(header::CONTENT_TYPE, kind)], text).into_response() }
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// Serves `router` until `stop`, and then the requests under way for at most two seconds. At most 128 connections are
/// served at a time, and none for longer than 30 seconds without an answer.
pub async fn serve_http(listener: TcpListener, router: Router, stop: CancellationToken) {
    let listener = Capped { listener, free: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let cut = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::warn!(%error, "http server ended");
            }
        }
        () = cut => tracing::debug!("http requests were cut off at the stop"),
    }
}

/// A listener that takes no more than a number of connections at a time.
struct Capped {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

impl axum::serve::Listener for Capped {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, from) = axum::serve::Listener::accept(&mut self.listener).await;
        (Held { stream, unanswered: Box::pin(tokio::time::sleep(UNANSWERED_MAX)), _permit: permit }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection and its place among those that may be open.
struct Held {
    stream: TcpStream,
    /// Ends the connection unless something is written before.
    unanswered: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

mod io_of_held {
    use super::{Held, UNANSWERED_MAX};
    use std::future::Future;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::time::Instant;

    impl AsyncRead for Held {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.unanswered.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Pin::new(&mut self.stream).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Held {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.unanswered.as_mut().reset(Instant::now() + UNANSWERED_MAX);
            Pin::new(&mut self.stream).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(context)
        }
    }
}
