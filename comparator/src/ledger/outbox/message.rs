//! A message as it stands in the file: what is told, whoever is told it and however it is written.

use crate::ledger::row::{DivergenceId, Row, State};
use serde::{Deserialize, Serialize};

/// What a message's id is derived from, besides its parts.
const ID_CONTEXT: &str = "counterfoil 2026 notification id v1";

/// A message to one receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its number among all messages of the ledger.
    pub number: i64,
    /// Its id: the same however often it is sent.
    pub id: String,
    /// When it was made: wall-clock time, nanoseconds since 1970.
    pub made_at_unix_ns: i64,
    /// What it tells, at least one.
    pub groups: Vec<Group>,
}

impl Message {
    /// The id of a message: letters, digits and `_`. The time it was made at keeps the messages of a new ledger apart from
    /// those of one that is gone.
    pub(super) fn id(receiver: &str, number: i64, made_at_unix_ns: i64) -> String {
        let mut hash = blake3::Hasher::new_derive_key(ID_CONTEXT);
        hash.update(receiver.as_bytes());
        hash.update(&number.to_le_bytes());
        hash.update(&made_at_unix_ns.to_le_bytes());
        let mut id = [0; 16];
        hash.finalize_xof().fill(&mut id);
        format!("msg_{:032x}", u128::from_be_bytes(id))
    }

    /// Turns that it tells of which came when their groups were due already.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.groups.iter().map(|group| group.folded).sum()
    }
}

/// What is told of the divergences of one map in one store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// The map.
    pub map: String,
    /// The store; `None` in what an older version wrote: the map's first one.
    pub store: Option<String>,
    /// How many divergences are open now: of those that are told, each once, without what is acknowledged or ignored.
    pub open: u64,
    /// Since when some are, or were: wall-clock time, nanoseconds since 1970.
    pub since_unix_ns: i64,
    /// The turns since the message before, by turn and kind.
    pub turns: Vec<Turns>,
    /// How many of these came when the group was due already, and had to wait for the message before.
    pub folded: u64,
    /// Some of the divergences.
    pub examples: Vec<Example>,
}

impl Group {
    /// How many divergences took a turn.
    #[must_use]
    pub fn count(&self, turn: State) -> u64 {
        self.turns.iter().filter(|turns| turns.turn == turn).map(|turns| turns.count).sum()
    }
}

/// How many divergences of a kind took a turn.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Turns {
    /// The turn.
    pub turn: State,
    /// The verdict.
    pub kind: String,
    /// How many.
    pub count: u64,
}

/// A divergence, as far as it is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Example {
    /// Its name: 32 hex digits.
    pub id: String,
    /// The verdict.
    pub kind: String,
    /// Where it is in its life.
    pub state: State,
    /// When it was opened last: wall-clock time, nanoseconds since 1970.
    pub opened_at_unix_ns: i64,
    /// When it was confirmed after that.
    pub confirmed_at_unix_ns: Option<i64>,
    /// When it was resolved after that.
    pub resolved_at_unix_ns: Option<i64>,
    /// The source of the write that should have shown.
    pub source: String,
    /// The trace in which the write was made: 32 hex digits.
    pub trace_id: Option<String>,
    /// The key, if the receiver is to have it.
    pub key: Option<String>,
}

impl Example {
    pub(super) fn of(row: Row, include_key: bool) -> Self {
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            state: row.state,
            opened_at_unix_ns: row.opened_at_unix_ns,
            confirmed_at_unix_ns: row.confirmed_at_unix_ns,
            resolved_at_unix_ns: row.resolved_at_unix_ns,
            source: row.source,
            trace_id: row.trace_id,
            key: include_key.then_some(row.key),
        }
    }
}

/// The ids that stand one behind the other in `digits`, each once.
pub(super) fn ids(digits: &str) -> Vec<DivergenceId> {
    let mut ids = Vec::new();
    let mut rest = digits;
    while let Some((id, behind)) = rest.split_at_checked(super::count::ID_DIGITS) {
        ids.extend(id.parse::<DivergenceId>().ok().filter(|id| !ids.contains(id)));
        rest = behind;
    }
    ids
}
