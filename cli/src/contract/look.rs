//! Asks a store what the comparator will ask it, for a few keys, and then what it says of itself.

use bytes::Bytes;
use counterfoil_comparator::contract::Contract;
use counterfoil_comparator::store::{Answer, Description, Reader, StoreError};

/// How many keys are looked up if none is named.
const SAMPLE_KEYS: usize = 5;

/// Where the keys came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Chosen {
    /// They were given.
    Given,
    /// The contract's scan gave them.
    Scanned,
    /// The scan gave none: there are no rows.
    NoRows,
    /// Nothing says how to find any.
    NoScan,
    /// The scan does not work.
    ScanFailed(StoreError),
}

/// What one store answered.
pub(super) struct Seen {
    pub(super) chosen: Chosen,
    pub(super) keys: Vec<Bytes>,
    /// What was read; empty if there were no keys.
    pub(super) answers: Result<Vec<Answer>, StoreError>,
    /// What was read of the same keys at once after that; empty if there were none, or the store did not answer.
    pub(super) again: Vec<Answer>,
    /// How long it took to read all keys, with a connection that was there already.
    pub(super) read_ms: Option<f64>,
    pub(super) description: Result<Description, StoreError>,
}

/// Looks `given` keys up, or else some that the contract's scan gives.
pub(super) async fn look(contract: &Contract, reader: &Reader, given: &[Bytes]) -> Seen {
    let (chosen, keys) = keys(contract, reader, given).await;
    let mut answers = read(contract, reader, &keys).await;
    let (mut again, mut read_ms) = (Vec::new(), None);
    if answers.is_ok() && !keys.is_empty() {
        let begin = counterfoil_clock::now();
        match read(contract, reader, &keys).await {
            Ok(read) => again = read,
            Err(error) => answers = Err(error),
        }
        let us = i32::try_from(counterfoil_clock::now().since(begin) / 1_000).unwrap_or(i32::MAX);
        read_ms = Some(f64::from(us) / 1_000.0);
    }
    let of_one_read = batches(reader, &keys).next().unwrap_or_default();
    let description = reader.describe(&contract.lookup, of_one_read).await;
    Seen { chosen, keys, answers, again, read_ms, description }
}

/// Looks all keys up, as many at a time as one read may ask for.
async fn read(contract: &Contract, reader: &Reader, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
    let mut answers = Vec::with_capacity(keys.len());
    for batch in batches(reader, keys) {
        answers.extend(reader.read_many(&contract.lookup, batch).await.told?);
    }
    Ok(answers)
}

fn batches<'k>(reader: &Reader, keys: &'k [Bytes]) -> std::slice::Chunks<'k, Bytes> {
    keys.chunks(reader.bounds().keys_per_read_max.max(1))
}

async fn keys(contract: &Contract, reader: &Reader, given: &[Bytes]) -> (Chosen, Vec<Bytes>) {
    if !given.is_empty() {
        return (Chosen::Given, given.to_vec());
    }
    let Some(scan) = &contract.scan else { return (Chosen::NoScan, Vec::new()) };
    let wanted = SAMPLE_KEYS.min(reader.bounds().keys_per_read_max);
    let mut after = None;
    loop {
        let page = match reader.scan(scan, after.as_deref(), wanted).await.told {
            Ok(page) => page,
            Err(error) => return (Chosen::ScanFailed(error), Vec::new()),
        };
        let keys: Vec<_> = page.rows.into_iter().take(wanted).map(|(key, _)| Bytes::from(key)).collect();
        // A page of Redis may be empty though there are more to come.
        match page.next {
            next @ Some(_) if keys.is_empty() => after = next,
            _ if keys.is_empty() => return (Chosen::NoRows, keys),
            _ => return (Chosen::Scanned, keys),
        }
    }
}
