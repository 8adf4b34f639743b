//! One stream to the comparator: what goes out on it, and what to do when it breaks.

use super::OPEN_TIMEOUT;
use crate::config;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use counterfoil_proto::nanoseconds;
use counterfoil_proto::wire::Upload;
use counterfoil_proto::wire::emit::ClockDomain;
use counterfoil_tls::DialError;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tonic::transport;
use tonic::{Code, Status};

/// Why a stream ended.
#[derive(Debug, Error)]
pub(crate) enum StreamError {
    #[error("{}: no connection: {}", key(.0), cause(.0))]
    Connect(#[source] transport::Error),
    #[error("uplink.tls.certificate: the comparator refuses it: {0}")]
    Refused(String),
    #[error("uplink.endpoint: the comparator did not open the stream within {} s", OPEN_TIMEOUT.as_secs())]
    OpenTimeout,
    #[error("uplink.endpoint: {}: {}", .0.code(), .0.message())]
    Status(#[source] Box<Status>),
    #[error("uplink.endpoint: the connection broke: {0}")]
    Broken(String),
    #[error("uplink.endpoint: the connection broke before the comparator said a word ({cause}); {hint}")]
    Unwelcome { cause: String, hint: &'static str },
    #[error("uplink.endpoint: the comparator closed the stream")]
    Closed,
    #[error("uplink.endpoint: the comparator speaks protocol version {0}")]
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
    /// What `status` stands for: the comparator's word, or, where it has a cause on our side, a connection that broke.
    pub(crate) fn from_status(status: Status) -> Self {
        match innermost(status.source()) {
            Some(cause) => Self::Broken(cause.to_string()),
            None => Self::Status(Box::new(status)),
        }
    }

    /// The same for a stream on which the comparator has not said anything: most likely it never will, for the reason that
    /// `hint` tells.
    pub(crate) fn before_welcome(self, hint: &'static str) -> Self {
        match self {
            Self::Broken(cause) => Self::Unwelcome { cause, hint },
            other => other,
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        match self {
            Self::Connect(error) if dial_error(error).is_some_and(DialError::is_lasting) => Policy::Wait,
            Self::Connect(_)
            | Self::OpenTimeout
            | Self::Closed
            | Self::Broken(_)
            | Self::Unwelcome { .. } => Policy::Retry,
            Self::Protocol(_) | Self::Refused(_) => Policy::Wait,
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

/// An error and those below it, the outermost first: the transport wraps a cause a few times.
fn chain<'a>(
    outermost: Option<&'a (dyn Error + 'static)>,
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(outermost, |cause| (**cause).source())
}

/// The cause that says something.
fn innermost<'a>(outermost: Option<&'a (dyn Error + 'static)>) -> Option<&'a (dyn Error + 'static)> {
    chain(outermost).last()
}

/// What went wrong with TLS, if there is any.
fn dial_error(error: &transport::Error) -> Option<&DialError> {
    chain(error.source()).find_map(|cause| cause.downcast_ref())
}

/// The key to look at.
fn key(error: &transport::Error) -> &'static str {
    if dial_error(error).is_some_and(DialError::is_lasting) { "uplink.tls" } else { "uplink.endpoint" }
}

fn cause(error: &transport::Error) -> String {
    let said = dial_error(error).map(ToString::to_string);
    said.or_else(|| innermost(error.source()).map(ToString::to_string)).unwrap_or_else(|| error.to_string())
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
    pub(crate) uploads: mpsc::Receiver<Upload>,
    pub(crate) echoes: watch::Receiver<Echo>,
    pub(crate) clock: ClockDomain,
}

impl Stream for Outgoing {
    type Item = Upload;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Upload>> {
        let polled = self.uploads.poll_recv(context);
        polled.map(|next| next.map(|upload| self.stamped(upload)))
    }
}

impl Outgoing {
    fn stamped(&self, upload: Upload) -> Upload {
        let echo = *self.echoes.borrow();
        Upload {
            sent_ns: nanoseconds(now()),
            echo_ns: echo.sent_ns,
            echo_received_ns: nanoseconds(echo.received),
            clock: Some(self.clock.clone()),
            ..upload
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
        let broken = StreamError::from_status(Status::from_error("reset".into()));
        assert_eq!((broken.policy(), broken.to_string().contains("broke: reset")), (Policy::Retry, true));
        let unwelcome = broken.before_welcome("see its log");
        assert_eq!(
            (unwelcome.policy(), unwelcome.to_string().contains("(reset); see its log")),
            (Policy::Retry, true)
        );
        assert_eq!(StreamError::Protocol(2).policy(), Policy::Wait);
        assert_eq!(StreamError::Refused("expired".to_owned()).policy(), Policy::Wait);
        assert_eq!(StreamError::Closed.policy(), Policy::Retry);
    }
}
