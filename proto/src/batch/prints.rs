//! The prints in a batch: of the fields of values, and of the spellings of samples.

use super::BatchError;
use crate::wire;
use counterfoil_digest::{PRINTS_MAX, Print, SPELLINGS_MAX};

/// What more is known of the value of one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Index of the event in the batch.
    pub row: usize,
    /// The prints of the value's spellings, in no order.
    pub spellings: Box<[Print]>,
}

/// Prints as they travel.
pub(super) fn packed(prints: &[Print]) -> impl Iterator<Item = u8> {
    prints.iter().flat_map(|print| print.0)
}

/// The prints that travelled as `bytes`; those that are left over are not looked at.
fn unpacked(bytes: &[u8]) -> impl Iterator<Item = Print> {
    bytes.as_chunks().0.iter().copied().map(Print)
}

/// Takes the prints of all fields out of a batch, end to end.
///
/// # Errors
///
/// [`BatchError`] if they are not as many as the events have fields.
pub(super) fn fields(batch: &mut wire::Batch) -> Result<Vec<Print>, BatchError> {
    if let Some(&count) = batch.field_counts.iter().find(|&&count| count as usize > PRINTS_MAX) {
        return Err(BatchError::Fields { count, max: PRINTS_MAX });
    }
    let bytes = std::mem::take(&mut batch.field_prints);
    let sum = batch.field_counts.iter().map(|&count| u64::from(count)).sum();
    if bytes.len() as u64 != sum * size_of::<Print>() as u64 {
        return Err(BatchError::Prints { sum, bytes: bytes.len() });
    }
    Ok(unpacked(&bytes).collect())
}

/// Takes the samples out of a batch.
///
/// # Errors
///
/// [`BatchError`] if one is of no event, or has no prints or too many.
pub(super) fn samples(batch: &mut wire::Batch) -> Result<Vec<Sample>, BatchError> {
    let count = batch.count as usize;
    let mut next = 0;
    let samples = std::mem::take(&mut batch.samples).into_iter().enumerate();
    let read = samples.map(|(place, wire::Sample { row, prints })| {
        let at = row as usize;
        if at < next || at >= count {
            return Err(BatchError::SampleRow { place, row, count });
        }
        next = at + 1;
        let bytes = prints.len();
        let is_whole = bytes.is_multiple_of(size_of::<Print>());
        if bytes == 0 || !is_whole || bytes > SPELLINGS_MAX * size_of::<Print>() {
            return Err(BatchError::SamplePrints { place, bytes, max: SPELLINGS_MAX });
        }
        Ok(Sample { row: at, spellings: unpacked(&prints).collect() })
    });
    read.collect()
}
