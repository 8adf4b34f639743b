//! The least that a sidecar must do: read the bytes from a Unix socket, 64 KiB at a time, and digest the values.

use crate::usage::thread_cpu_ns;
use crate::workload::{EVENTS_PER_FRAME, MAP, Workload};
use counterfoil_digest::{Codec, MapDigester, digest_many};
use counterfoil_keys::{DeploymentKey, TenantName};
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

/// Bytes of a read.
const READ_BYTES: usize = 65_536;
/// Frames that are sent.
const FRAMES: usize = 8_000;

/// CPU time per event of a loop that does nothing else, in nanoseconds.
pub(crate) fn cpu_ns_per_event(workload: &Workload) -> f64 {
    let (mut writer, mut reader) = UnixStream::pair().expect("a pair of sockets");
    let key = DeploymentKey::new("k1", [7; 32]).tenant(&TenantName::default());
    let digester = MapDigester::new(&key, MAP, Codec::Bytes);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut frame = Vec::new();
            for number in 0..FRAMES {
                frame.clear();
                workload.append_frame(number * EVENTS_PER_FRAME, &mut frame);
                writer.write_all(&frame).expect("the reader reads");
            }
        });
        let begun = thread_cpu_ns();
        let mut buffer = vec![0; READ_BYTES];
        let mut digests = Vec::with_capacity(EVENTS_PER_FRAME);
        let (mut bytes, mut digested) = (0, 0);
        let frame_bytes = frame_bytes(workload);
        loop {
            let read = reader.read(&mut buffer).expect("the writer writes");
            if read == 0 {
                break;
            }
            bytes += read;
            // As many values as whole frames have come; where each stands in the bytes is taken as known.
            while digested < bytes / frame_bytes {
                digests.clear();
                let values = workload.values.iter().map(|value| (&digester, Some(&value[..])));
                digest_many(values, &mut digests);
                black_box(&digests);
                digested += 1;
            }
        }
        assert!(digested >= FRAMES - 1, "{digested} of {FRAMES} frames were digested");
        (thread_cpu_ns() - begun) / (FRAMES * EVENTS_PER_FRAME) as f64
    })
}

/// Bytes of a frame with a large sequence number.
fn frame_bytes(workload: &Workload) -> usize {
    let mut frame = Vec::new();
    workload.append_frame(FRAMES * EVENTS_PER_FRAME, &mut frame);
    frame.len()
}
