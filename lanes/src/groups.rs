//! Messages by how many blocks they have, until there are enough of them to go side by side.

use crate::alone;
use crate::avx2::{BLOCK_BYTES, LANES, Lane, hash};

/// The longest message that has one chunk, in blocks.
const BLOCKS_MAX: usize = 1_024 / BLOCK_BYTES;

/// Fewer messages than this are hashed sooner one by one.
const WORTH_LANES: usize = 3;

/// The processor has AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// `None` if it has not.
    pub(crate) fn here() -> Option<Self> {
        std::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// The keyed hash of each message, in their order.
    pub(crate) fn hashes(self, messages: &[(&[u8; 32], &[u8])]) -> Vec<[u8; 32]> {
        let mut hashes = vec![[0; 32]; messages.len()];
        let mut groups: [Group<'_>; BLOCKS_MAX] = Default::default();
        for (&(key, message), hash) in messages.iter().zip(&mut hashes) {
            match groups.get_mut(blocks(message) - 1) {
                Some(group) => group.push(Lane { key, message }, hash, self),
                None => *hash = alone(key, message),
            }
        }
        groups.into_iter().for_each(|group| group.finish(self));
        hashes
    }

    #[allow(unsafe_code, reason = "no compiler can check what the processor has")]
    fn hash(self, lanes: &[Lane<'_>; LANES], blocks: usize) -> [[u8; 32]; LANES] {
        // SAFETY: the processor has AVX2, or there were no `self`.
        unsafe { hash(lanes, blocks) }
    }
}

/// Into how many blocks a message falls: one at least.
fn blocks(message: &[u8]) -> usize {
    message.len().div_ceil(BLOCK_BYTES).max(1)
}

/// Messages of equally many blocks that wait until there is one for each lane, and where their hashes go.
#[derive(Default)]
struct Group<'a> {
    waiting: Vec<(Lane<'a>, &'a mut [u8; 32])>,
}

impl<'a> Group<'a> {
    fn push(&mut self, lane: Lane<'a>, hash: &'a mut [u8; 32], avx2: Avx2) {
        self.waiting.push((lane, hash));
        if self.waiting.len() == LANES {
            self.hash(avx2);
        }
    }

    fn finish(mut self, avx2: Avx2) {
        if self.waiting.len() >= WORTH_LANES {
            self.hash(avx2);
        }
        self.waiting.into_iter().for_each(|(lane, hash)| *hash = alone(lane.key, lane.message));
    }

    /// Hashes all that wait; lanes that are left go along with the last message.
    fn hash(&mut self, avx2: Avx2) {
        let Some((last, _)) = self.waiting.last() else { return };
        let mut lanes = [*last; LANES];
        lanes.iter_mut().zip(&self.waiting).for_each(|(lane, (message, _))| *lane = *message);
        let hashes = avx2.hash(&lanes, blocks(last.message));
        self.waiting.drain(..).zip(hashes).for_each(|((_, hash), of)| *hash = of);
    }
}
