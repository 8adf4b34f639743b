//! The verdict as it stands in a bundle, and judging again.

use crate::predicate::Predicate;
use crate::text::{Digest, Instant, Nanoseconds, Number};
use counterfoil_judge as judge;
use counterfoil_judge::{Divergence, ImageError, Judgement, Kind, Legality, judge};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names a write: the comparator's number for its source, and its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteName {
    /// Who reported it: the `number` of one of the sources.
    pub source: u32,
    /// Its sequence number there.
    pub seq: Number,
}

impl From<judge::WriteId> for WriteName {
    fn from(id: judge::WriteId) -> Self {
        Self { source: id.source, seq: Number(id.seq) }
    }
}

impl From<WriteName> for judge::WriteId {
    fn from(name: WriteName) -> Self {
        Self { source: name.source, seq: name.seq.0 }
    }
}

/// What the read proves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether some order of the writes explains the read: `legal`, `unknowable` or `illegal`.
    pub legality: String,
    /// How the two sides differ.
    pub kind: String,
    /// For `stale`: acknowledged writes between the one that was read and the read.
    pub stale_versions: Option<u32>,
    /// For `stale`: for how long at least the value had been out of date.
    pub stale_at_least_ns: Option<Nanoseconds>,
    /// Whether it outlived the deadline.
    pub confirmed: bool,
    /// The write that should have shown.
    pub named: WriteName,
    /// What that write wrote.
    pub expected: Digest,
    /// When its last leg had ended.
    pub ended_ns: Instant,
}

impl Verdict {
    /// The verdict about a divergence.
    #[must_use]
    pub fn new(legality: Legality, divergence: &Divergence) -> Self {
        let (stale_versions, stale_at_least_ns) = match divergence.kind {
            Kind::Stale { versions, at_least } => (Some(versions), Some(Nanoseconds(at_least))),
            _ => (None, None),
        };
        Self {
            legality: match legality {
                Legality::Legal => "legal",
                Legality::Unknowable => "unknowable",
                Legality::Illegal => "illegal",
            }
            .to_owned(),
            kind: divergence.kind.label().to_owned(),
            stale_versions,
            stale_at_least_ns,
            confirmed: divergence.confirmed,
            named: divergence.named.into(),
            expected: Digest(divergence.expected),
            ended_ns: Instant(divergence.ended),
        }
    }

    /// The same in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let confirmed = if self.confirmed { "confirmed" } else { "opened" };
        let versions =
            self.stale_versions.map(|versions| format!(" by {versions} writes")).unwrap_or_default();
        format!("{confirmed} {}{versions}, the read is {}", self.kind, self.legality)
    }
}

/// Why a bundle cannot be judged again, or is judged otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ReplayError {
    /// What the key was blind for is no reason.
    #[error("history.blind_for is `{0}`, which is no reason")]
    Reason(String),
    /// There is no such history.
    #[error("history: {0}")]
    Image(#[from] ImageError),
    /// The read ends before it begins.
    #[error("read: it ends before it begins")]
    Read,
    /// The judge finds no divergence.
    #[error("the judge (version {judge}) finds `{found}`, where the bundle says: {written}")]
    Otherwise {
        /// What the judge finds.
        found: String,
        /// What stands in the bundle.
        written: String,
        /// The judge's version here.
        judge: &'static str,
    },
}

impl Predicate {
    /// Judges the read again.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the history or the read make no sense.
    pub fn judge_again(&self) -> Result<Judgement, ReplayError> {
        let image =
            self.history.image().ok_or_else(|| ReplayError::Reason(self.history.blind_for.clone()))?;
        let history = judge::History::of_image(image)?;
        let read = judge::Observation::from(&self.read);
        if read.at.begin > read.at.end {
            return Err(ReplayError::Read);
        }
        Ok(judge(&history, &read, &self.contract.terms()))
    }

    /// Judges the read again, and holds the verdict against the one that is written here.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if it cannot be judged, or is judged otherwise.
    pub fn replay(&self) -> Result<(), ReplayError> {
        let judgement = self.judge_again()?;
        let found = match judgement.verdict {
            judge::Verdict::Divergent(divergence) => Ok(Verdict::new(judgement.legality, &divergence)),
            other => Err(other.label()),
        };
        if found.as_ref() == Ok(&self.verdict) {
            return Ok(());
        }
        let found = found.map_or_else(str::to_owned, |verdict| verdict.in_words());
        Err(ReplayError::Otherwise { found, written: self.verdict.in_words(), judge: judge::VERSION })
    }
}
