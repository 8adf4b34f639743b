//! Lines of JSON become frames: the form of the socket for shells.
#![no_main]

use counterfoil_sidecar::fuzzing::Conversation;
use libfuzzer_sys::{Corpus, fuzz_target};

/// Small, so that inputs of a few kilobytes break it.
const LINE_BYTES_MAX: u32 = 2_048;

/// What one piece has at most. Odd, so that pieces end anywhere.
const PIECE_BYTES: usize = 37;

fuzz_target!(|input: &[u8]| -> Corpus {
    // The first byte decides the form, and the second: the length of a frame that begins as an object does.
    if input.first() != Some(&b'{') || input.get(1) == Some(&b'\n') {
        return Corpus::Reject;
    }
    let whole = Conversation::of([input].into_iter(), LINE_BYTES_MAX);
    let pieces = Conversation::of(input.chunks(PIECE_BYTES), LINE_BYTES_MAX);
    assert_eq!(whole.frames, pieces.frames, "lines are the same however their bytes arrive");
    assert_eq!(whole.refused, pieces.refused, "and so is what is refused");
    let buffered_max = LINE_BYTES_MAX as usize + PIECE_BYTES;
    assert!(pieces.buffered_max <= buffered_max, "{} bytes", pieces.buffered_max);
    Corpus::Keep
});
