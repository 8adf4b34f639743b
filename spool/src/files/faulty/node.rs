//! One file of a disk in memory, and the chance that decides what a power cut leaves of it.

/// What a power cut keeps or loses as a whole, in bytes.
const SECTOR_BYTES: usize = 512;

/// A file: what a process reads, and what is on disk.
#[derive(Clone, Default, Debug)]
pub(super) struct Node {
    pub(super) bytes: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// A sync failed: what was not synced then is never put on disk, though later syncs say so.
    pub(super) is_deaf: bool,
}

impl Node {
    /// Of what is not on disk, keeps each sector or loses it.
    pub(super) fn cut_power(&mut self, random: &mut Random) {
        let length = if random.below(2) == 0 { self.bytes.len() } else { self.durable.len() };
        let mut survived = self.durable.clone();
        survived.resize(length, 0);
        let odds = random.below(5);
        for (to, from) in survived.chunks_mut(SECTOR_BYTES).zip(self.bytes.chunks(SECTOR_BYTES)) {
            if !self.is_deaf && random.below(4) < odds {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
        *self = Node { bytes: survived.clone(), durable: survived, is_deaf: false };
    }
}

/// SplitMix64: the same seed, the same bits, whatever else changes.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound.max(1)
    }
}
