//! What a divergence was confirmed from, for whoever wants to judge it again.

use super::Calibration;
use counterfoil_judge::{HistoryImage, Legality, Observation, Time, WriteId};
use counterfoil_keys::KeyNumber;
use counterfoil_proto::TraceRef;

/// What a divergence was confirmed from. The verdict is the divergence's own: whatever is asked besides the judge, such as whether values
/// have the same form, can only turn a divergence into doubt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// All that was known of the key before the judgement.
    pub history: HistoryImage,
    /// What was read.
    pub read: Observation,
    /// Whether some order of the writes explains the read.
    pub legality: Legality,
    /// When it was judged.
    pub at: Time,
    /// The deployment key that all digests are under.
    pub digested_under: KeyNumber,
    /// Whether the values of both sides were seen to have the same form.
    pub calibration: Calibration,
    /// The spans of the writes whose events waited for an outcome, where those are known.
    pub traces: Vec<(WriteId, TraceRef)>,
}
