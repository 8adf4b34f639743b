//! A stream on which the comparator has answered.

use super::OPEN_TIMEOUT;
use super::stream::{Echo, Outgoing, StreamError};
use counterfoil_clock::{Domain, now};
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::ClockDomain;
use counterfoil_proto::wire::intake_client::IntakeClient;
use counterfoil_proto::wire::{IntakeWelcome, Reply, Upload, reply::Body};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tonic::Streaming;
use tonic::transport::Channel;

/// Largest reply. The longest one lists the comparator's maps.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// Uploads handed to a stream ahead of its asking.
const OUTGOING_MAX: usize = 4;

/// A stream that the comparator has answered on.
pub(crate) struct Line {
    /// What it said first.
    pub(crate) welcome: IntakeWelcome,
    /// Where uploads go out.
    pub(crate) uploads: mpsc::Sender<Upload>,
    /// What comes back.
    pub(crate) replies: Replies,
    /// When another one is to take its place.
    pub(crate) renewal: Option<Renewal>,
}

/// When a line is to be replaced: after some time, or as soon as the certificate is another one.
pub(crate) struct Renewal {
    /// Half of what the certificate had left, or a little less.
    pub(crate) after: Duration,
    /// Changes with the certificate.
    pub(crate) renewed: watch::Receiver<()>,
}

impl Line {
    /// Opens a stream on `channel`, and waits for the comparator's welcome.
    pub(crate) async fn open(channel: Channel, renewal: Option<Renewal>) -> Result<Self, StreamError> {
        let (uploads, outgoing) = mpsc::channel(OUTGOING_MAX);
        let (echo, echoes) = watch::channel(Echo::default());
        let clock: ClockDomain = (&Domain::of_this_process()).into();
        let mut client = IntakeClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        let opened = async {
            let streamed = client.stream(Outgoing { uploads: outgoing, echoes, clock }).await;
            let stream = streamed.map_err(StreamError::from_status)?.into_inner();
            let mut replies = Replies { stream, echo };
            let welcome = replies.welcome().await?;
            Ok(Line { welcome, uploads, replies, renewal })
        };
        tokio::time::timeout(OPEN_TIMEOUT, opened).await.unwrap_or(Err(StreamError::OpenTimeout))
    }
}

impl Renewal {
    /// Waits for whichever comes first.
    pub(crate) async fn due(mut self) {
        tokio::select! {
            () = tokio::time::sleep(self.after) => {}
            Ok(()) = self.renewed.changed() => {}
        }
    }
}

/// What the comparator says on a stream.
pub(crate) struct Replies {
    stream: Streaming<Reply>,
    echo: watch::Sender<Echo>,
}

impl Replies {
    /// The next reply. Its clock readings are echoed with the uploads that follow.
    pub(crate) async fn next(&mut self) -> Result<Reply, StreamError> {
        match self.stream.message().await {
            Ok(Some(reply)) => {
                self.echo.send_replace(Echo { sent_ns: reply.sent_ns, received: now() });
                Ok(reply)
            }
            Ok(None) => Err(StreamError::Closed),
            Err(status) => Err(StreamError::from_status(status)),
        }
    }

    async fn welcome(&mut self) -> Result<IntakeWelcome, StreamError> {
        loop {
            match self.next().await?.body {
                Some(Body::Welcome(welcome)) if welcome.protocol == PROTOCOL => return Ok(welcome),
                Some(Body::Welcome(welcome)) => return Err(StreamError::Protocol(welcome.protocol)),
                Some(Body::Ack(_) | Body::Recall(_)) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const AFTER: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_line_is_replaced_after_its_time_or_as_soon_as_the_certificate_is_another_one() {
        let (renew, renewed) = watch::channel(());
        let begun = Instant::now();
        Renewal { after: AFTER, renewed: renewed.clone() }.due().await;
        assert_eq!(begun.elapsed(), AFTER);
        renew.send_replace(());
        Renewal { after: AFTER, renewed: renewed.clone() }.due().await;
        assert_eq!(begun.elapsed(), AFTER, "at once");
        drop(renew);
        let mut seen = renewed;
        seen.mark_unchanged();
        Renewal { after: AFTER, renewed: seen }.due().await;
        assert_eq!(begun.elapsed(), AFTER * 2, "when nothing can change any more, the time still counts");
    }
}
