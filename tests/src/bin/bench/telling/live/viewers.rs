//! Whoever watches: a connection each, on which everything is read and nothing is done with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What an event begins with.
const EVENT: &[u8] = b"data: ";
/// Bytes of a read: more than an event has.
const READ_BYTES: usize = 65_536;

/// Viewers that watch until this is dropped.
pub(super) struct Viewers {
    sent: Arc<Sent>,
    _watching: JoinSet<()>,
}

/// What they were sent together.
#[derive(Default)]
struct Sent {
    events: AtomicU64,
    bytes: AtomicU64,
}

impl Viewers {
    /// So many, each with a connection to this port.
    pub(super) async fn of(port: u16, count: usize) -> Self {
        let sent = Arc::<Sent>::default();
        let mut watching = JoinSet::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the comparator listens");
            let request = format!("GET /dashboard/live HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("the comparator listens");
            watching.spawn(watch(stream, sent.clone()));
        }
        Self { sent, _watching: watching }
    }

    /// How many events they were sent together, and how many bytes.
    pub(super) fn sent(&self) -> (f64, f64) {
        let Sent { events, bytes } = &*self.sent;
        let [events, bytes] = [events, bytes].map(|count| count.load(Ordering::Relaxed) as f64);
        (events, bytes)
    }
}

async fn watch(mut stream: TcpStream, sent: Arc<Sent>) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let bytes = stream.read(&mut buffer).await.expect("the comparator goes on");
        assert!(bytes > 0, "the comparator goes on");
        let text = buffer.get(..bytes).unwrap_or_default();
        let events = text.windows(EVENT.len()).filter(|window| *window == EVENT).count();
        sent.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        sent.events.fetch_add(events as u64, Ordering::Relaxed);
    }
}
