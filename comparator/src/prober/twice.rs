//! Keys that are read twice in a row, as long as it is not known whether their check's values ever agree: a store that gives
//! another value for the same row each time is told by that.

use super::Place;
use crate::contract::Contract;
use crate::store::{Answer, Reading, differing};
use crate::table::Probe;
use bytes::Bytes;
use counterfoil_digest::Hint;

impl Place {
    /// Reads those of `probes` once more that are to be read twice, in their order; nothing if the store does not answer. It is
    /// called at once after the first read.
    pub(super) async fn read_again(&self, contract: &Contract, probes: &[Probe]) -> Vec<Answer> {
        let twice = probes.iter().filter(|probe| probe.is_read_twice);
        let keys: Vec<Bytes> = twice.map(|probe| probe.key.clone()).collect();
        if keys.is_empty() {
            return Vec::new();
        }
        let Reading { at, told } = self.reader.read_many(&contract.lookup, &keys).await;
        self.series.read(keys.len(), at);
        told.unwrap_or_else(|error| {
            self.failed(contract, &error);
            Vec::new()
        })
    }
}

/// Where the two answers of each key differ that was read twice, `again` being the second ones. Keys of which they say nothing are
/// left out.
pub(super) fn compared<'a>(
    contract: &Contract,
    first: impl Iterator<Item = (&'a Probe, &'a Answer)>,
    again: &[Answer],
) -> Vec<Vec<Hint>> {
    let first = first.filter(|(probe, _)| probe.is_read_twice).map(|(_, answer)| answer);
    let form = contract.digesters.form();
    first.zip(again).filter_map(|(first, second)| differing(first, second, form)).collect()
}
