//! Who signed which batch: of the batches that came last, so that evidence can name the signatures of the writes in it.

use counterfoil_evidence::{Batch, Hex, Number};
use counterfoil_judge::WriteId;
use counterfoil_proto::wire::Upload;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Batches whose signatures are at hand: about 12 MB. A divergence is confirmed soon after the deadline of its write.
const PROOFS_MAX: usize = 1 << 16;

/// The signatures of the batches that came last.
pub(crate) struct Proofs {
    proofs: Mutex<Kept>,
    max: usize,
}

#[derive(Default)]
struct Kept {
    /// Of each source in the order of their first events.
    by_source: HashMap<u32, VecDeque<Batch>>,
    /// Whose batch came when; the oldest one in front.
    order: VecDeque<u32>,
}

impl Proofs {
    /// None yet, and never many.
    pub(crate) fn new() -> Self {
        Self::of_at_most(PROOFS_MAX)
    }

    fn of_at_most(max: usize) -> Self {
        Self { proofs: Mutex::default(), max }
    }

    /// Keeps the signature of a batch of `source` whose `count` events begin with number `first_seq`.
    pub(crate) fn keep(&self, source: u32, first_seq: u64, count: u64, upload: &Upload) {
        let (Some(mac), Some(signer), Some(signature)) =
            (exactly(&upload.mac), exactly(&upload.signer), exactly(&upload.signature))
        else {
            return;
        };
        let (first_seq, count, key_id) = (Number(first_seq), Number(count), upload.key_id.clone());
        let batch = Batch { source, first_seq, count, key_id, mac, signer, signature };
        let mut kept = self.lock();
        let of_source = kept.by_source.entry(source).or_default();
        // A sidecar that was started over may put what it sends again into other batches.
        let at = of_source.partition_point(|other| other.first_seq.0 <= batch.first_seq.0);
        of_source.insert(at, batch);
        kept.order.push_back(source);
        if kept.order.len() > self.max {
            kept.forget_one();
        }
    }

    /// The batch that brought a write, if it is still at hand.
    pub(crate) fn of(&self, write: WriteId) -> Option<Batch> {
        let kept = self.lock();
        let of_source = kept.by_source.get(&write.source)?;
        let begun = of_source.partition_point(|batch| batch.first_seq.0 <= write.seq);
        of_source.range(..begun).next_back().filter(|batch| batch.has(write.into())).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget_one(&mut self) {
        let Some(source) = self.order.pop_front() else { return };
        let Some(of_source) = self.by_source.get_mut(&source) else { return };
        of_source.pop_front();
        if of_source.is_empty() {
            self.by_source.remove(&source);
        }
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Option<Hex<N>> {
    bytes.try_into().ok().map(Hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(byte: u8) -> Upload {
        Upload {
            mac: vec![byte; 32].into(),
            signer: vec![byte; 32].into(),
            signature: vec![byte; 64].into(),
            ..Upload::default()
        }
    }

    #[test]
    fn a_write_has_the_signature_of_its_own_batch_as_long_as_that_is_at_hand() {
        let proofs = Proofs::of_at_most(3);
        for (source, first, count, byte) in [(1, 0, 5, 1), (1, 5, 2, 2), (2, 0, 1, 3)] {
            proofs.keep(source, first, count, &upload(byte));
        }
        let byte = |source, seq| proofs.of(WriteId { source, seq }).map(|batch| batch.mac.0[0]);
        let found = |writes: &[(u32, u64)]| {
            writes.iter().map(|(source, seq)| byte(*source, *seq)).collect::<Vec<_>>()
        };
        assert_eq!(found(&[(1, 0), (1, 4), (1, 5), (1, 6), (2, 0)]), [1, 1, 2, 2, 3].map(Some));
        assert_eq!(found(&[(1, 7), (2, 1), (3, 0)]), [None; 3]);
        proofs.keep(2, 1, 1, &upload(4));
        assert_eq!(found(&[(1, 0), (1, 5), (2, 0), (2, 1)]), [None, Some(2), Some(3), Some(4)]);
        proofs.keep(2, 2, 1, &upload(5));
        assert_eq!(found(&[(1, 5), (2, 2)]), [None, Some(5)]);
    }

    #[test]
    fn what_is_no_signature_is_not_kept() {
        let proofs = Proofs::of_at_most(3);
        proofs.keep(1, 0, 1, &Upload { signature: vec![1; 63].into(), ..upload(1) });
        assert_eq!(proofs.of(WriteId { source: 1, seq: 0 }), None);
    }
}
