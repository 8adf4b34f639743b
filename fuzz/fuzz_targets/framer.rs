//! Bytes in arbitrary pieces become frames: the protobuf form of the socket.
//!
//! The input is the number of pieces, their lengths, a byte each, which are used by turns, and then the bytes.
#![no_main]

use counterfoil_sidecar::fuzzing::Conversation;
use libfuzzer_sys::{Corpus, fuzz_target};

/// Small, so that inputs of a few kilobytes break it.
const FRAME_BYTES_MAX: u32 = 2_048;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&count, rest)) = input.split_first() else { return Corpus::Reject };
    let Some((lengths, bytes)) = rest.split_at_checked(usize::from(count)) else { return Corpus::Reject };
    let whole = Conversation::of([bytes].into_iter(), FRAME_BYTES_MAX);
    let pieces = Conversation::of(pieces(lengths, bytes), FRAME_BYTES_MAX);
    assert_eq!(whole.frames, pieces.frames, "frames are the same however their bytes arrive");
    assert_eq!(whole.refused, pieces.refused, "and so is what is refused");
    // What is left of a frame, its length, and one piece.
    let buffered_max = FRAME_BYTES_MAX as usize + 5 + usize::from(u8::MAX);
    assert!(lengths.is_empty() || pieces.buffered_max <= buffered_max, "{} bytes", pieces.buffered_max);
    Corpus::Keep
});

/// Cuts `bytes` into pieces of these lengths, by turns.
fn pieces<'a>(lengths: &'a [u8], bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = lengths.iter().cycle().map(|&length| usize::from(length).max(1));
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = lengths.next().unwrap_or(usize::MAX).min(rest.len());
        let (piece, after) = rest.split_at_checked(length)?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
