//! A comparator that takes everything and compares nothing: what a sidecar is measured against.

use crate::served::Served;
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_proto::wire::intake_server::{Intake, IntakeServer};
use counterfoil_proto::wire::{Batch, IntakeAck, IntakeWelcome, Reply, Upload, reply};
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

const BATCH_BYTES_MAX: u32 = 4 << 20;
const BATCH_EVENTS_MAX: u32 = 65_536;
const REPLIES_MAX: usize = 64;

/// Takes batches in, acknowledges each, and counts their events.
pub struct Sink {
    events: Arc<AtomicU64>,
    served: Served,
}

impl Sink {
    /// Listens on a free port.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let events = Arc::new(AtomicU64::new(0));
        let service = IntakeServer::new(Counting { events: Arc::clone(&events) });
        Self { events, served: Served::start(Server::builder().add_service(service)) }
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.served.url()
    }

    /// How many events it took in.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

struct Counting {
    events: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl Intake for Counting {
    type StreamStream = ReceiverStream<Result<Reply, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<Upload>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (replies, receiver) = mpsc::channel(REPLIES_MAX);
        tokio::spawn(take_in(request.into_inner(), replies, Arc::clone(&self.events)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn take_in(
    mut uploads: Streaming<Upload>,
    replies: mpsc::Sender<Result<Reply, Status>>,
    events: Arc<AtomicU64>,
) {
    let welcome = IntakeWelcome {
        protocol: PROTOCOL,
        batch_bytes_max: BATCH_BYTES_MAX,
        batch_events_max: BATCH_EVENTS_MAX,
        maps: Vec::new(),
        key_ids: vec!["k1".to_owned()],
        forms: Vec::new(),
    };
    let mut body = reply::Body::Welcome(welcome);
    // The stream ends when either side goes.
    while replies.send(Ok(Reply { sent_ns: crate::emit::now_ns(), body: Some(body) })).await.is_ok() {
        let Ok(Some(upload)) = uploads.message().await else { return };
        let Ok(batch) = Batch::decode(upload.batch) else { return };
        events.fetch_add(u64::from(batch.count), Ordering::Relaxed);
        let (level, through_number) = (AckLevel::Accepted.into(), upload.number);
        body = reply::Body::Ack(IntakeAck { level, through_number });
    }
}
