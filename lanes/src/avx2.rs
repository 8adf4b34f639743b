//! The compression function of BLAKE3 (section 2.2 of its paper), on [`LANES`] states at once: what is one word there is a vector
//! here.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_extract_epi32, _mm256_or_si256, _mm256_permute2x128_si256,
    _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setr_epi32, _mm256_shuffle_epi8, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

/// How many messages go side by side: as many words as a vector has.
pub(crate) const LANES: usize = 8;

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// The first half of the initialization vector; the other is the key's.
const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 1 << 1;
const ROOT: u32 = 1 << 3;
const KEYED_HASH: u32 = 1 << 4;

/// A message and its key.
#[derive(Clone, Copy)]
pub(crate) struct Lane<'a> {
    pub(crate) key: &'a [u8; 32],
    pub(crate) message: &'a [u8],
}

/// The keyed hashes of messages that all have so many blocks, at least one and at most 16.
#[target_feature(enable = "avx2")]
pub(crate) fn hash(lanes: &[Lane<'_>; LANES], blocks: usize) -> [[u8; 32]; LANES] {
    let mut chain = turned(lanes.map(|lane| vector(lane.key)));
    for block in 0..blocks {
        let padded = lanes.map(|lane| padded(lane.message, block));
        let [l0, l1, l2, l3, l4, l5, l6, l7] = padded.map(|(length, _, _)| length);
        let lengths = _mm256_setr_epi32(l0, l1, l2, l3, l4, l5, l6, l7);
        let halves = (turned(padded.map(|(_, first, _)| first)), turned(padded.map(|(_, _, second)| second)));
        let start = if block == 0 { CHUNK_START } else { 0 };
        let end = if block + 1 == blocks { CHUNK_END | ROOT } else { 0 };
        chain = compressed(chain, joined(halves), lengths, all(KEYED_HASH | start | end));
    }
    turned(chain).map(|hash| bytes(hash))
}

/// How long a block of the message is, and its halves, with zeros behind it.
#[inline]
#[target_feature(enable = "avx2")]
fn padded(message: &[u8], block: usize) -> (i32, __m256i, __m256i) {
    let rest = message.split_at_checked(block * BLOCK_BYTES).map_or(&[][..], |(_, rest)| rest);
    if let Some((first, rest)) = rest.split_first_chunk()
        && let Some(second) = rest.first_chunk()
    {
        return (64, vector(first), vector(second));
    }
    let (mut first, mut second) = ([0; 32], [0; 32]);
    first.iter_mut().chain(&mut second).zip(rest).for_each(|(to, byte)| *to = *byte);
    (i32::try_from(rest.len()).unwrap_or(0), vector(&first), vector(&second))
}

/// Bytes as words, the low byte first.
#[inline]
#[target_feature(enable = "avx2")]
fn vector(bytes: &[u8; 32]) -> __m256i {
    let mut words = [0; LANES];
    let (fours, _) = bytes.as_chunks::<4>();
    words.iter_mut().zip(fours).for_each(|(word, four)| *word = i32::from_le_bytes(*four));
    let [w0, w1, w2, w3, w4, w5, w6, w7] = words;
    _mm256_setr_epi32(w0, w1, w2, w3, w4, w5, w6, w7)
}

/// Words as bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes(words: __m256i) -> [u8; 32] {
    let words = [
        _mm256_extract_epi32::<0>(words),
        _mm256_extract_epi32::<1>(words),
        _mm256_extract_epi32::<2>(words),
        _mm256_extract_epi32::<3>(words),
        _mm256_extract_epi32::<4>(words),
        _mm256_extract_epi32::<5>(words),
        _mm256_extract_epi32::<6>(words),
        _mm256_extract_epi32::<7>(words),
    ];
    let mut bytes = [0; 32];
    let (fours, _) = bytes.as_chunks_mut::<4>();
    fours.iter_mut().zip(words).for_each(|(four, word)| *four = word.to_le_bytes());
    bytes
}

/// Rows as columns: eight words of each lane become a word of each lane, eight times, and the other way round.
#[inline]
#[target_feature(enable = "avx2")]
fn turned([r0, r1, r2, r3, r4, r5, r6, r7]: [__m256i; LANES]) -> [__m256i; LANES] {
    let (a0, a1) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
    let (a2, a3) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
    let (a4, a5) = (_mm256_unpacklo_epi32(r4, r5), _mm256_unpackhi_epi32(r4, r5));
    let (a6, a7) = (_mm256_unpacklo_epi32(r6, r7), _mm256_unpackhi_epi32(r6, r7));
    let (b0, b1) = (_mm256_unpacklo_epi64(a0, a2), _mm256_unpackhi_epi64(a0, a2));
    let (b2, b3) = (_mm256_unpacklo_epi64(a1, a3), _mm256_unpackhi_epi64(a1, a3));
    let (b4, b5) = (_mm256_unpacklo_epi64(a4, a6), _mm256_unpackhi_epi64(a4, a6));
    let (b6, b7) = (_mm256_unpacklo_epi64(a5, a7), _mm256_unpackhi_epi64(a5, a7));
    [
        _mm256_permute2x128_si256::<0x20>(b0, b4),
        _mm256_permute2x128_si256::<0x20>(b1, b5),
        _mm256_permute2x128_si256::<0x20>(b2, b6),
        _mm256_permute2x128_si256::<0x20>(b3, b7),
        _mm256_permute2x128_si256::<0x31>(b0, b4),
        _mm256_permute2x128_si256::<0x31>(b1, b5),
        _mm256_permute2x128_si256::<0x31>(b2, b6),
        _mm256_permute2x128_si256::<0x31>(b3, b7),
    ]
}

#[inline]
fn joined((first, second): ([__m256i; 8], [__m256i; 8])) -> [__m256i; 16] {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = first;
    let [b8, b9, b10, b11, b12, b13, b14, b15] = second;
    [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15]
}

#[inline]
#[target_feature(enable = "avx2")]
fn all(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn compressed(
    chain: [__m256i; 8],
    mut block: [__m256i; 16],
    lengths: __m256i,
    flags: __m256i,
) -> [__m256i; 8] {
    let [c0, c1, c2, c3, c4, c5, c6, c7] = chain;
    let [i0, i1, i2, i3] = IV;
    let [i0, i1, i2, i3] = [all(i0), all(i1), all(i2), all(i3)];
    // A message of one chunk is chunk 0.
    let counter = all(0);
    let mut state = [c0, c1, c2, c3, c4, c5, c6, c7, i0, i1, i2, i3, counter, counter, lengths, flags];
    for _ in 0..6 {
        round(&mut state, &block);
        block = permuted(block);
    }
    round(&mut state, &block);
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15] = state;
    [
        _mm256_xor_si256(s0, s8),
        _mm256_xor_si256(s1, s9),
        _mm256_xor_si256(s2, s10),
        _mm256_xor_si256(s3, s11),
        _mm256_xor_si256(s4, s12),
        _mm256_xor_si256(s5, s13),
        _mm256_xor_si256(s6, s14),
        _mm256_xor_si256(s7, s15),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn round(state: &mut [__m256i; 16], block: &[__m256i; 16]) {
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15] = state;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15] = *block;
    mix([s0, s4, s8, s12], b0, b1);
    mix([s1, s5, s9, s13], b2, b3);
    mix([s2, s6, s10, s14], b4, b5);
    mix([s3, s7, s11, s15], b6, b7);
    mix([s0, s5, s10, s15], b8, b9);
    mix([s1, s6, s11, s12], b10, b11);
    mix([s2, s7, s8, s13], b12, b13);
    mix([s3, s4, s9, s14], b14, b15);
}

/// The quarter round `G`.
#[inline]
#[target_feature(enable = "avx2")]
fn mix([a, b, c, d]: [&mut __m256i; 4], first: __m256i, second: __m256i) {
    *a = sum(sum(*a, *b), first);
    *d = rotated_16(_mm256_xor_si256(*d, *a));
    *c = sum(*c, *d);
    *b = rotated::<12, 20>(_mm256_xor_si256(*b, *c));
    *a = sum(sum(*a, *b), second);
    *d = rotated_8(_mm256_xor_si256(*d, *a));
    *c = sum(*c, *d);
    *b = rotated::<7, 25>(_mm256_xor_si256(*b, *c));
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum(one: __m256i, other: __m256i) -> __m256i {
    _mm256_add_epi32(one, other)
}

/// Each word rotated to the right by `BITS`; `LEFT` is 32 less that.
#[inline]
#[target_feature(enable = "avx2")]
fn rotated<const BITS: i32, const LEFT: i32>(words: __m256i) -> __m256i {
    const { assert!(BITS + LEFT == 32, "a word has 32 bits") };
    _mm256_or_si256(_mm256_srli_epi32::<BITS>(words), _mm256_slli_epi32::<LEFT>(words))
}

/// The same by two bytes, which is a matter of moving bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn rotated_16(words: __m256i) -> __m256i {
    let bytes = _mm256_setr_epi8(
        2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15,
        12, 13,
    );
    _mm256_shuffle_epi8(words, bytes)
}

/// The same by one byte.
#[inline]
#[target_feature(enable = "avx2")]
fn rotated_8(words: __m256i) -> __m256i {
    let bytes = _mm256_setr_epi8(
        1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14,
        15, 12,
    );
    _mm256_shuffle_epi8(words, bytes)
}

/// The words in the order of the next round.
#[inline]
fn permuted(block: [__m256i; 16]) -> [__m256i; 16] {
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15] = block;
    [b2, b6, b3, b10, b7, b0, b4, b13, b1, b11, b12, b5, b9, b14, b15, b8]
}
