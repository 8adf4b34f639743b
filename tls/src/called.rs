//! A connection that was called, and what the server says of it afterwards.

use crate::Reason;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// In TLS 1.3 a server looks at the client's certificate after the client is done: that it refuses it comes with the first
/// read, somewhere below HTTP/2, which only tells that the connection broke. So it is noted here.
#[derive(Debug)]
pub struct Called {
    stream: TlsStream<TcpStream>,
    refusal: Arc<OnceLock<String>>,
}

impl Called {
    pub(crate) fn new(stream: TlsStream<TcpStream>, refusal: Arc<OnceLock<String>>) -> Self {
        Self { stream, refusal }
    }

    /// Notes what the server refused; the first word counts.
    fn note(&self, error: &io::Error) {
        if Reason::of(error) == Reason::RefusedByPeer {
            self.refusal.get_or_init(|| error.to_string());
        }
    }
}

impl AsyncRead for Called {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &polled {
            self.note(error);
        }
        polled
    }
}

impl AsyncWrite for Called {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
