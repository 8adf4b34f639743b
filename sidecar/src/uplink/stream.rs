//! One stream to the comparator: how it is opened, what goes out on it, and what to do when it breaks.

use super::OPEN_TIMEOUT;
use super::backlog::Numbered;
use crate::config;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use counterfoil_proto::nanoseconds;
use counterfoil_proto::wire::emit::ClockDomain;
use counterfoil_proto::wire::intake_client::IntakeClient;
use counterfoil_proto::wire::{Reply, Upload};
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tonic::transport::{self, Endpoint};
use tonic::{Code, Status, Streaming};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A silent connection is asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A connection without a sign of life for this long is given up.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest reply. The longest one lists the comparator's maps.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// Why a stream ended.
#[derive(Debug, Error)]
pub(crate) enum StreamError {
    #[error("no connection: {}", innermost(.0))]
    Connect(#[source] transport::Error),
    #[error("the comparator did not open the stream within {} s", OPEN_TIMEOUT.as_secs())]
    OpenTimeout,
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[source] Box<Status>),
    #[error("the comparator closed the stream")]
    Closed,
    #[error("the comparator speaks protocol version {0}")]
    Protocol(u32),
}

/// What to do after a stream broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Policy {
    /// Connect again, soon at first.
    Retry,
    /// It will not go better until someone changes something: connect again after the longest wait.
    Wait,
}

impl StreamError {
    pub(crate) fn policy(&self) -> Policy {
        match self {
            Self::Connect(_) | Self::OpenTimeout | Self::Closed => Policy::Retry,
            Self::Protocol(_) => Policy::Wait,
            Self::Status(status) => match status.code() {
                Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented
                | Code::DataLoss
                | Code::Unauthenticated => Policy::Wait,
                Code::Ok
                | Code::Cancelled
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::Internal
                | Code::Unavailable => Policy::Retry,
            },
        }
    }
}

/// The cause that says something: transport errors wrap it a few times.
fn innermost(error: &transport::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The waits between attempts: doubling, without end. Jitter adds up to as much again, so each is taken at half.
pub(crate) fn waits(backoff: config::Backoff) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(backoff.min / 2)
        .with_max_delay(backoff.max / 2)
        .with_jitter()
        .without_max_times()
        .build()
}

pub(crate) fn endpoint(address: &str) -> Result<Endpoint, transport::Error> {
    let endpoint = Endpoint::from_shared(address.to_owned())?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

/// Opens a stream that sends `outgoing`.
pub(crate) async fn open(endpoint: Endpoint, outgoing: Outgoing) -> Result<Streaming<Reply>, StreamError> {
    let channel = endpoint.connect().await.map_err(StreamError::Connect)?;
    let mut client = IntakeClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
    let opened = tokio::time::timeout(OPEN_TIMEOUT, client.stream(outgoing)).await;
    let response = opened.map_err(|_| StreamError::OpenTimeout)?;
    response.map(tonic::Response::into_inner).map_err(|status| StreamError::Status(Box::new(status)))
}

/// The last reply's clock readings.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Echo {
    /// `Reply.sent_ns`, in the comparator's clock.
    pub(crate) sent_ns: u64,
    /// When it arrived, in our clock.
    pub(crate) received: Time,
}

/// The uploads as the stream asks for them: each gets its clock readings then.
pub(crate) struct Outgoing {
    pub(crate) uploads: mpsc::Receiver<Numbered>,
    pub(crate) echoes: watch::Receiver<Echo>,
    pub(crate) key_id: String,
    pub(crate) clock: ClockDomain,
}

impl Stream for Outgoing {
    type Item = Upload;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Upload>> {
        let polled = self.uploads.poll_recv(context);
        polled.map(|next| next.map(|numbered| self.upload(numbered)))
    }
}

impl Outgoing {
    fn upload(&self, Numbered { number, sealed }: Numbered) -> Upload {
        let echo = *self.echoes.borrow();
        Upload {
            number,
            batch: sealed.batch,
            mac: sealed.mac,
            key_id: self.key_id.clone(),
            sent_ns: nanoseconds(now()),
            echo_ns: echo.sent_ns,
            echo_received_ns: nanoseconds(echo.received),
            clock: Some(self.clock.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_from_the_least_to_the_most_with_jitter() {
        let millis = Duration::from_millis;
        let backoff = config::Backoff { min: millis(50), max: millis(400) };
        let waits: Vec<_> = waits(backoff).take(12).collect();
        assert_eq!(waits.len(), 12, "they never end");
        assert!(waits.iter().all(|wait| *wait >= millis(25) && *wait <= millis(400)), "{waits:?}");
        assert!(waits.iter().rev().take(8).all(|wait| *wait >= millis(200)), "{waits:?}");
        assert!(waits.iter().any(|wait| wait.subsec_nanos() % 25_000_000 != 0), "no jitter: {waits:?}");
    }

    #[test]
    fn what_a_person_must_change_is_not_tried_in_haste() {
        let policy = |code| StreamError::Status(Box::new(Status::new(code, ""))).policy();
        assert_eq!(policy(Code::Unavailable), Policy::Retry);
        assert_eq!(policy(Code::Unauthenticated), Policy::Wait);
        assert_eq!(StreamError::Protocol(2).policy(), Policy::Wait);
        assert_eq!(StreamError::Closed.policy(), Policy::Retry);
    }
}
