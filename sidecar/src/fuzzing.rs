//! What fuzz targets see of this crate. No part of its interface: there with the feature `fuzzing` only.

use crate::framer::Framer;
use crate::refused::Refused;
use bytes::BytesMut;
use counterfoil_proto::wire::emit::Frame;

/// Events of a frame.
const EVENTS_MAX: u32 = 4_096;

/// What the framer makes of the bytes of a connection.
#[derive(Default)]
pub struct Conversation {
    /// The frames, up to one that was refused.
    pub frames: Vec<Frame>,
    /// Why the connection was refused, as a metric label.
    pub refused: Option<&'static str>,
    /// The most bytes that waited for more, between two pieces.
    pub buffered_max: usize,
}

impl Conversation {
    /// Of bytes that arrive in `pieces`, with this `limits.frame_bytes_max`.
    pub fn of<'a>(pieces: impl Iterator<Item = &'a [u8]>, frame_bytes_max: u32) -> Self {
        let mut conversation = Self::default();
        let ended = conversation.hear(pieces, Framer::new(frame_bytes_max, EVENTS_MAX));
        conversation.refused = ended.err().map(|refused| refused.label());
        conversation
    }

    fn hear<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        mut framer: Framer,
    ) -> Result<(), Refused> {
        let mut buffer = BytesMut::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(frame) = framer.next(&mut buffer)? {
                self.frames.push(frame);
            }
            self.buffered_max = self.buffered_max.max(buffer.len());
        }
        self.frames.extend(framer.last(&mut buffer)?);
        Ok(())
    }
}
