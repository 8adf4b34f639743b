//! The first of two passes over a workload: checks every line before anything is written, and chooses where bugs are
//! planted.
//!
//! A bug is planted on the last write to its key, so that it lasts: nothing covers it up afterwards. Where bugs are to be
//! planted, the pass remembers each key; otherwise it remembers nothing.

use super::trace::{BadLine, Change, TraceWrite};
use crate::plant::Plant;
use crate::random::stream;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use thiserror::Error;

/// Values of fewer bytes may repeat by chance, and a repeated value that is lost shows nowhere.
const DISTINCT_BYTES_MIN: usize = 16;

const STREAM: u64 = 2_000;

/// How many bugs of a kind are wanted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Wanted {
    /// So many for each write of the workload.
    Share(f64),
    /// So many.
    Count(u64),
}

/// Why a workload cannot be used.
#[derive(Debug, Error)]
pub(super) enum SurveyError {
    /// A line is malformed.
    #[error(transparent)]
    Line(#[from] BadLine),
    /// There are not so many keys on which the bug would show.
    #[error(
        "{wanted} bugs of kind {plant} are wanted, but only {possible} keys are left on which one would show"
    )]
    TooMany {
        /// The kind.
        plant: Plant,
        /// How many are wanted.
        wanted: u64,
        /// How many are possible.
        possible: usize,
    },
}

/// What the first pass found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Writes in all.
    pub(super) writes: u64,
    /// Bugs by the number of the write they are planted on, from 0.
    pub(super) plants: BTreeMap<u64, Plant>,
}

/// The last write to a key.
struct Last {
    number: u64,
    value: Option<Value>,
    /// What the write before it left, if there was one.
    before: Option<Value>,
}

/// What is remembered of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Equal to no other.
    Distinct,
    /// Equal to those with the same fingerprint.
    Known(u64),
    /// Perhaps equal to others.
    Small,
}

/// Goes through the workload, of whose values only the first `value_bytes_max` bytes will be written.
pub(super) fn survey(
    writes: impl Iterator<Item = Result<TraceWrite, BadLine>>,
    wanted: &BTreeMap<Plant, Wanted>,
    value_bytes_max: usize,
    seed: u64,
) -> Result<Survey, SurveyError> {
    let mut count = 0;
    let mut last = HashMap::<String, Last>::new();
    for write in writes {
        let write = write?;
        if !wanted.is_empty() {
            let value = value(&write.change, value_bytes_max);
            let before = last.get(&write.key).and_then(|last| last.value);
            last.insert(write.key, Last { number: count, value, before });
        }
        count += 1;
    }
    let plants = choose(last.into_values().collect(), wanted, count, seed)?;
    Ok(Survey { writes: count, plants })
}

fn value(change: &Change, bytes_max: usize) -> Option<Value> {
    match change {
        Change::Remove => None,
        Change::PutSized(bytes) if (*bytes).min(bytes_max) >= DISTINCT_BYTES_MIN => Some(Value::Distinct),
        Change::PutSized(_) => Some(Value::Small),
        Change::Put(text) => {
            let mut hasher = DefaultHasher::new();
            text.as_bytes().get(..bytes_max).unwrap_or(text.as_bytes()).hash(&mut hasher);
            Some(Value::Known(hasher.finish()))
        }
    }
}

fn choose(
    mut last: Vec<Last>,
    wanted: &BTreeMap<Plant, Wanted>,
    writes: u64,
    seed: u64,
) -> Result<BTreeMap<u64, Plant>, SurveyError> {
    last.sort_by_key(|last| last.number);
    last.shuffle(&mut stream(seed, STREAM));
    let mut plants = BTreeMap::new();
    for (&plant, wanted) in wanted {
        let wanted = wanted.of(writes);
        let free = last.iter().filter(|last| last.would_show(plant) && !plants.contains_key(&last.number));
        let numbers = free.map(|last| last.number).collect::<Vec<_>>();
        let chosen = usize::try_from(wanted).ok().and_then(|wanted| numbers.get(..wanted));
        let chosen = chosen.ok_or(SurveyError::TooMany { plant, wanted, possible: numbers.len() })?;
        plants.extend(chosen.iter().map(|&number| (number, plant)));
    }
    Ok(plants)
}

impl Wanted {
    fn of(self, writes: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            // A share is at most 1, so the product is a count of writes.
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a share of a count far below 2^53 is such a count"
            )]
            Self::Share(share) => (share * writes as f64).round() as u64,
        }
    }
}

impl Last {
    /// Whether the two sides would differ.
    fn would_show(&self, plant: Plant) -> bool {
        match plant {
            Plant::RemoveLost => self.value.is_none() && self.before.is_some(),
            _ => match self.value {
                Some(Value::Distinct) => true,
                Some(value @ Value::Known(_)) => self.before != Some(value),
                Some(Value::Small) | None => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::load::trace::Format;

    fn surveyed(text: &str, wanted: &[(Plant, Wanted)]) -> Result<Survey, SurveyError> {
        survey(Format::Ycsb.writes(text.as_bytes()), &wanted.iter().copied().collect(), 4, 1)
    }

    const TEXT: &str = "INSERT t a [ 1 ]\nINSERT t b [ 2 ]\nUPDATE t a [ 3 ]\nUPDATE t b [ 2 ]\nINSERT t c [ 4 ]\nDELETE t c\n";

    #[test]
    fn bugs_are_planted_on_last_writes_that_change_something() {
        let survey = surveyed(TEXT, &[(Plant::Dropped, Wanted::Count(1))]).unwrap();
        assert_eq!(survey.writes, 6);
        assert_eq!(survey.plants, BTreeMap::from([(2, Plant::Dropped)]));
        let survey = surveyed(TEXT, &[(Plant::RemoveLost, Wanted::Count(1))]).unwrap();
        assert_eq!(survey.plants, BTreeMap::from([(5, Plant::RemoveLost)]));
    }

    #[test]
    fn kinds_do_not_share_keys_and_more_than_there_are_is_refused() {
        let text = (0..100).map(|n| format!("INSERT t k{n} [ v{n} ]\n")).collect::<String>();
        let wanted = [(Plant::Dropped, Wanted::Share(0.3)), (Plant::Corrupted, Wanted::Count(70))];
        let survey = surveyed(&text, &wanted).unwrap();
        let of = |plant| survey.plants.values().filter(|&&other| other == plant).count();
        assert_eq!((of(Plant::Dropped), of(Plant::Corrupted)), (30, 70));
        let refused =
            surveyed(&text, &[wanted[0], (Plant::Corrupted, Wanted::Count(71))]).unwrap_err().to_string();
        assert!(
            refused.contains("71 bugs of kind corrupted") && refused.contains("only 70 keys"),
            "{refused}"
        );
    }

    #[test]
    fn a_value_too_small_to_be_unlike_others_carries_no_bug() {
        let text = "1,1,2a,0,1\n1,1,2a,512,2\n";
        let wanted = BTreeMap::from([(Plant::Dropped, Wanted::Count(1))]);
        let survey = survey(Format::Cloudphysics.writes(text.as_bytes()), &wanted, 4096, 1).unwrap();
        assert_eq!(survey.plants.keys().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn values_that_are_equal_once_they_are_cut_carry_no_bug() {
        let text = "INSERT t a [ longer ]\nUPDATE t a [ longest ]\n";
        let refused = surveyed(text, &[(Plant::Dropped, Wanted::Count(1))]).unwrap_err().to_string();
        assert!(refused.contains("only 0 keys"), "{refused}");
    }

    #[test]
    fn a_bad_line_is_found_before_anything_is_written() {
        let refused = surveyed("INSERT t a [ 1 ]\nbad\n", &[]).unwrap_err().to_string();
        assert!(refused.starts_with("line 2: "), "{refused}");
    }
}
