//! What an emitter sends to a sidecar, as fast as it is taken or at a pace.

use crate::workload::{EVENTS_PER_FRAME, Workload};
use counterfoil_proto::wire::emit::{AckLevel, Heartbeat, Hello, frame::Body};
use counterfoil_tests::emit::{Client, hello, now_ns};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// Frames between two heartbeats.
const HEARTBEAT_EVERY: usize = 16;

/// A source that sends the events of a workload over and over.
pub(crate) struct Load<'a> {
    workload: &'a Workload,
    client: Client,
    acknowledged: Arc<AtomicU64>,
    frames: usize,
}

impl<'a> Load<'a> {
    /// Connects, and is to be acknowledged at `level`.
    pub(crate) fn connect(workload: &'a Workload, socket: &Path, level: AckLevel) -> Self {
        let mut client = Client::connect(socket);
        client.send(Body::Hello(Hello { ack: level.into(), ..hello("bench") }));
        match client.receive() {
            Some(Body::Welcome(welcome)) => assert_eq!(welcome.ack(), level, "the level is granted"),
            other => panic!("no welcome but {other:?}"),
        }
        let acknowledged = client.acknowledged();
        Self { workload, client, acknowledged, frames: 0 }
    }

    /// Sends frames, each `pace` after the one before.
    pub(crate) fn send(&mut self, frames: usize, pace: Duration) {
        let mut bytes = Vec::new();
        for _ in 0..frames {
            bytes.clear();
            self.workload.append_frame(self.frames * EVENTS_PER_FRAME, &mut bytes);
            self.client.send_bytes(&bytes);
            self.frames += 1;
            if self.frames.is_multiple_of(HEARTBEAT_EVERY) {
                let (next_seq, watermark_ns) = (self.events(), now_ns());
                self.client.send(Body::Heartbeat(Heartbeat { next_seq, watermark_ns, ..Default::default() }));
            }
            if !pace.is_zero() {
                sleep(pace);
            }
        }
    }

    /// Events sent so far.
    pub(crate) fn events(&self) -> u64 {
        (self.frames * EVENTS_PER_FRAME) as u64
    }

    /// Whether each of them is acknowledged.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.acknowledged.load(Ordering::Relaxed) == self.events()
    }
}
