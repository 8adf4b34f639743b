//! A repair as the book has it.

use super::Terms;
use super::plan::{Action, Planned};
use crate::ledger::{DatabaseError, DatabaseRow, DivergenceId, Row, shown};
use serde::Serialize;

/// Where a repair is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairState {
    /// Somebody wants it; nothing was done yet.
    Approved,
    /// The store is being written to.
    Applying,
    /// The store holds what was wanted.
    Applied,
    /// Somebody else has the task.
    Handed,
    /// Somebody else wrote to the key: nothing was done.
    Overtaken,
    /// It may not be done.
    Refused,
    /// It could not be done.
    Failed,
    /// The divergence was seen to be over.
    Confirmed,
    /// The divergence came back.
    Recurred,
    /// The store was given back what it held.
    Undone,
}

impl RepairState {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::Approved,
        Self::Applying,
        Self::Applied,
        Self::Handed,
        Self::Overtaken,
        Self::Refused,
        Self::Failed,
        Self::Confirmed,
        Self::Recurred,
        Self::Undone,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Handed => "handed",
            Self::Overtaken => "overtaken",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Confirmed => "confirmed",
            Self::Recurred => "recurred",
            Self::Undone => "undone",
        }
    }

    /// The state of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether it was tried and nothing was written: it may be tried again.
    pub(super) fn came_to_nothing(self) -> bool {
        matches!(self, Self::Overtaken | Self::Refused | Self::Failed)
    }
}

/// One repair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Repair {
    /// The divergence's id, and which time it was opened: a divergence that came back is another repair.
    pub(crate) id: String,
    pub(crate) divergence: DivergenceId,
    pub(crate) times: u32,
    pub(crate) revision: u32,
    pub(crate) map: String,
    pub(crate) store: String,
    /// As the ledger shows it.
    pub(crate) key: String,
    #[serde(skip)]
    pub(crate) key_bytes: Vec<u8>,
    pub(crate) kind: String,
    pub(crate) action: Action,
    pub(crate) observed_digest: String,
    pub(crate) wanted_digest: String,
    pub(crate) source: String,
    pub(crate) seq: u64,
    pub(crate) state: RepairState,
    /// Why it is in that state, where there is something to be said.
    pub(crate) why: Option<String>,
    /// Who approved it.
    pub(crate) by: String,
    pub(crate) approved_at_unix_ns: i64,
    pub(crate) changed_at_unix_ns: i64,
    /// Until when it can be undone; `null` if it cannot be.
    pub(crate) undo_until_unix_ns: Option<i64>,
    /// What the store held, sealed.
    #[serde(skip)]
    pub(crate) former: Option<Vec<u8>>,
}

impl Repair {
    /// What `by` approved of a plan.
    pub(super) fn new(row: &Row, planned: &Planned, terms: &Terms, by: &str, now_unix_ns: i64) -> Self {
        Self {
            id: format!("{}-{}", row.id, row.times),
            divergence: row.id,
            times: row.times,
            revision: row.revision,
            map: row.map.clone(),
            store: terms.store.clone(),
            key: row.key.clone(),
            key_bytes: row.key_bytes.clone(),
            kind: row.kind.clone(),
            action: planned.action,
            observed_digest: planned.observed_digest.clone(),
            wanted_digest: planned.wanted_digest.clone(),
            source: row.source.clone(),
            seq: row.seq,
            state: RepairState::Approved,
            why: None,
            by: by.to_owned(),
            approved_at_unix_ns: now_unix_ns,
            changed_at_unix_ns: now_unix_ns,
            undo_until_unix_ns: None,
            former: None,
        }
    }

    pub(super) fn of(row: &DatabaseRow<'_>) -> Result<Self, DatabaseError> {
        let unknown = DatabaseError::column;
        let (state, action): (String, String) = (row.get("state")?, row.get("action")?);
        let (key_bytes, seq): (Vec<u8>, i64) = (row.get("key")?, row.get("seq")?);
        Ok(Self {
            id: row.get("id")?,
            divergence: DivergenceId(row.get("divergence")?),
            times: row.get("times")?,
            revision: row.get("revision")?,
            map: row.get("map")?,
            store: row.get("store")?,
            key: shown(&key_bytes),
            key_bytes,
            kind: row.get("kind")?,
            action: Action::of(&action).ok_or_else(|| unknown("action"))?,
            observed_digest: row.get("observed")?,
            wanted_digest: row.get("wanted")?,
            source: row.get("source")?,
            seq: seq.cast_unsigned(),
            state: RepairState::of(&state).ok_or_else(|| unknown("state"))?,
            why: row.get("why")?,
            by: row.get("who")?,
            approved_at_unix_ns: row.get("approved_at_unix_ns")?,
            changed_at_unix_ns: row.get("changed_at_unix_ns")?,
            undo_until_unix_ns: row.get("former_until_unix_ns")?,
            former: row.get("former")?,
        })
    }
}
