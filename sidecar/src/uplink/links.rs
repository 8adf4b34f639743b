//! Whether a batch from the spool follows the one before it of its source. Pure.
//!
//! Each batch names the code of the one before it, and the comparator refuses one that does not name the last one it has. So
//! where the spool has lost batches, the next one of each source that they were of is sealed anew: as the first of a new
//! chain, because nobody knows which of the lost ones the comparator had got, and with the missing numbers declared lost. The
//! batches behind it name the code that it had before; they are sealed anew too, one behind the other, until the source's
//! batcher has begun a new chain.
//!
//! What is decided about a batch depends on what the comparator has accepted and on the batches before it alone: sent again,
//! it has the same bytes.

use crate::batcher::{About, Sealed, SourceId};
use bytes::Bytes;
use counterfoil_judge::{Interval, Time};
use counterfoil_proto::{BucketSet, Loss, LossReason};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Sources remembered. A batch of one that was forgotten is taken as it is.
const SOURCES_MAX: usize = 4_096;

/// The last batch of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    /// Its code when it was sealed first: the next one in the spool names it.
    pub(crate) original: Bytes,
    /// Its code as it was sent: the comparator knows it by this one.
    pub(crate) sent: Bytes,
    /// The number after the last one that it tells of.
    pub(crate) next_seq: u64,
    /// Everything begun before this was reported by then.
    pub(crate) watermark: Time,
}

/// How a batch is to be sealed anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Anew {
    /// The code of the batch before it; empty to begin a chain.
    pub(crate) previous_mac: Bytes,
    /// What is missing before it.
    pub(crate) loss: Option<Loss>,
}

/// A batch on its way, and the tail of its source behind it; `None` when the source has ended.
struct UnderWay {
    number: u64,
    source: Arc<SourceId>,
    tail: Option<Tail>,
}

/// What is known of the sources' chains.
#[derive(Default)]
pub(crate) struct Links {
    accepted: HashMap<Arc<SourceId>, Tail>,
    sent: HashMap<Arc<SourceId>, Tail>,
    under_way: VecDeque<UnderWay>,
    /// The spool has lost something, perhaps of a source that is not known here.
    has_gaps: bool,
    /// Batches, by number, that the comparator did not find to follow.
    refused: HashMap<Arc<SourceId>, u64>,
}

impl Links {
    /// Notes the last batch of a source that certainly needs not be sent.
    pub(crate) fn learn(&mut self, source: Arc<SourceId>, tail: Option<Tail>) {
        match tail {
            Some(tail) if self.accepted.len() < SOURCES_MAX || self.accepted.contains_key(&source) => {
                self.accepted.insert(source, tail);
            }
            Some(_) => {}
            None => _ = self.accepted.remove(&source),
        }
    }

    /// Notes that the spool has lost batches.
    pub(crate) fn note_gap(&mut self) {
        self.has_gaps = true;
    }

    /// The comparator refuses the batch `number` of a source: one before it is missing there.
    pub(crate) fn refuse(&mut self, number: u64, source: &Arc<SourceId>) {
        self.refused.insert(source.clone(), number);
    }

    /// How the batch `number` is to be sealed anew; `None`: it is sent as it is.
    pub(crate) fn judge(&self, number: u64, about: &About) -> Option<Anew> {
        let known = self.sent.get(&about.source).or_else(|| self.accepted.get(&about.source));
        let missing_from = match known {
            Some(tail) => tail.next_seq,
            None if self.has_gaps => 0,
            None => about.from_seq,
        };
        let loss = (missing_from < about.from_seq).then(|| missing(missing_from, about, known));
        let is_refused = self.refused.get(&about.source) == Some(&number);
        let begins = |loss| Some(Anew { previous_mac: Bytes::new(), loss });
        match known {
            _ if loss.is_some() || is_refused => begins(loss),
            _ if about.previous_mac.is_empty() => None,
            None if self.has_gaps => begins(None),
            None => None,
            Some(tail) if tail.original != about.previous_mac => begins(None),
            Some(tail) if tail.sent == tail.original => None,
            Some(tail) => Some(Anew { previous_mac: tail.sent.clone(), loss: None }),
        }
    }

    /// Notes that the batch `number`, which had the code `original` in the spool, is sent as `sealed`.
    pub(crate) fn note_sent(&mut self, number: u64, original: Bytes, sealed: &Sealed) {
        let About { source, next_seq, watermark, ended, .. } = &sealed.about;
        let (source, sent) = (source.clone(), sealed.mac.clone());
        let tail = Tail { original, sent, next_seq: *next_seq, watermark: *watermark };
        self.sent.insert(source.clone(), tail.clone());
        self.under_way.push_back(UnderWay { number, source, tail: (!ended).then_some(tail) });
    }

    /// Notes that the comparator has accepted every batch up to `number`.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        while let Some(way) = self.under_way.pop_front_if(|way| way.number <= number) {
            if self.sent.get(&way.source).map(|tail| &tail.sent) == way.tail.as_ref().map(|tail| &tail.sent)
                || way.tail.is_none()
            {
                self.sent.remove(&way.source);
            }
            self.learn(way.source, way.tail);
        }
        self.refused.retain(|_, refused| *refused > number);
    }

    /// A new stream: what was not accepted is sent again.
    pub(crate) fn rewind(&mut self) {
        self.sent.clear();
        self.under_way.clear();
    }
}

/// The loss of the numbers from `from` on before a batch: of any key, and until the batch arrived at the latest.
fn missing(from: u64, about: &About, known: Option<&Tail>) -> Loss {
    let begin = known.map_or(about.watermark, |tail| tail.watermark);
    Loss {
        first_seq: from,
        count: about.from_seq - from,
        reason: LossReason::Sidecar,
        during: Interval::new(begin, Time::MAX),
        buckets: BucketSet::All,
    }
}

/// Batches for tests.
#[cfg(test)]
pub(crate) mod trial {
    use super::*;
    use counterfoil_clock::Domain;
    use counterfoil_keys::TenantName;

    /// A batch of `instance` that tells of the numbers from `from_seq` to before `next_seq` behind the one with the code
    /// `previous`; its own code is that of its last number.
    pub(crate) fn sealed(instance: &str, from_seq: u64, next_seq: u64, previous: &[u8]) -> Sealed {
        let source = SourceId { service: "s".to_owned(), instance: instance.to_owned(), epoch: 1 };
        Sealed {
            batch: Bytes::new(),
            mac: Bytes::from(next_seq.to_string()),
            signature: Bytes::new(),
            signer: Bytes::new(),
            key_id: "k".into(),
            tenant: TenantName::default(),
            events: next_seq - from_seq,
            about: About {
                source: Arc::new(source),
                clock: Domain { boot_id: "b".to_owned(), offset_ns: 0 },
                from_seq,
                next_seq,
                issued: next_seq,
                watermark: Time(5),
                ended: false,
                anonymous: false,
                previous_mac: Bytes::copy_from_slice(previous),
            },
        }
    }
}

#[cfg(test)]
mod tests;
