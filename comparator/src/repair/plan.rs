//! What would be done about a divergence: pure, from what the ledger has and what the contract says.

use super::Terms;
use crate::ledger::{DivergenceId, Mark, Row, digest_of};
use counterfoil_judge::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which side is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The map: the store is made to follow it.
    MapWins,
    /// The store: the map would have to follow, which nobody but the application can do.
    StoreWins,
    /// The map where the store holds an older write of it; else somebody is asked.
    NewestWins,
    /// Whoever applies a repair says which.
    Ask,
}

impl Direction {
    /// As it is written.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::MapWins => "map_wins",
            Self::StoreWins => "store_wins",
            Self::NewestWins => "newest_wins",
            Self::Ask => "ask",
        }
    }
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The map's value is put into the store.
    Put,
    /// The key is removed from the store.
    Remove,
    /// The map is made to follow the store, by whoever is handed the task.
    Follow,
    /// Somebody has to say which side is right.
    Ask,
    /// Nothing.
    Nothing,
}

impl Action {
    /// Its name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Remove => "remove",
            Self::Follow => "follow",
            Self::Ask => "ask",
            Self::Nothing => "nothing",
        }
    }

    /// The one of this name.
    pub(crate) fn of(label: &str) -> Option<Self> {
        [Self::Put, Self::Remove, Self::Follow, Self::Ask, Self::Nothing]
            .into_iter()
            .find(|action| action.label() == label)
    }
}

/// What would be done about one divergence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Planned {
    pub(crate) id: DivergenceId,
    /// The divergence's; it is done only as long as this holds.
    pub(crate) revision: u32,
    pub(crate) map: String,
    pub(crate) store: String,
    /// As the ledger shows it.
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) action: Action,
    pub(crate) direction: Direction,
    /// What the store was seen to hold, and has to hold still.
    pub(crate) observed_digest: String,
    /// What both sides are to hold.
    pub(crate) wanted_digest: String,
    /// `value` where somebody has to hand in what is to be put.
    pub(crate) needs: Option<&'static str>,
    /// Why it would not be done as it is; `null` if it would.
    pub(crate) why_not: Option<String>,
}

/// Kinds of disagreement of which it is known that the store holds an older write of the map, or none.
const MAP_IS_NEWER: [&str; 6] = ["missing", "stale", "resurrected", "inverted", "partial", "reverted"];

/// What would be done about the divergence `row`; `has_value` says whether there is somebody who may have the map's value.
pub(super) fn of(row: &Row, terms: &Terms, direction: Direction, has_value: bool) -> Planned {
    let is_handed = terms.means.is_webhook();
    let action = action(&row.kind, &row.map_digest, direction, is_handed);
    let needs = (action == Action::Put && !has_value && !is_handed).then_some("value");
    let wanted_digest = if action == Action::Follow { &row.store_digest } else { &row.map_digest };
    Planned {
        id: row.id,
        revision: row.revision,
        map: row.map.clone(),
        store: terms.store.clone(),
        key: row.key.clone(),
        kind: row.kind.clone(),
        action,
        direction,
        observed_digest: row.store_digest.clone(),
        wanted_digest: wanted_digest.clone(),
        needs,
        why_not: why_not(row, terms, action, needs),
    }
}

fn action(kind: &str, map_digest: &str, direction: Direction, is_handed: bool) -> Action {
    let as_the_map =
        if digest_of(map_digest).is_some_and(Digest::is_absent) { Action::Remove } else { Action::Put };
    match direction {
        Direction::MapWins => as_the_map,
        Direction::NewestWins if MAP_IS_NEWER.contains(&kind) => as_the_map,
        Direction::NewestWins | Direction::Ask => Action::Ask,
        Direction::StoreWins if is_handed => Action::Follow,
        Direction::StoreWins => Action::Nothing,
    }
}

fn why_not(row: &Row, terms: &Terms, action: Action, needs: Option<&str>) -> Option<String> {
    let (can_put, can_remove) = terms.means.can();
    let why = match action {
        _ if row.acted.as_ref().is_some_and(|acted| acted.what == Mark::Ignored) => {
            "somebody ignores the divergence"
        }
        _ if row.store.as_deref().is_some_and(|store| store != terms.store) => {
            "it is of a store that the map has no more"
        }
        Action::Nothing => {
            "the store is right, and only the application can make its map follow; write a webhook that is handed the task"
        }
        Action::Ask => "say which side is right: apply it with the direction map_wins or store_wins",
        Action::Put if !can_put => "repair.insert and repair.update of the map are not written",
        Action::Remove if !can_remove => "repair.remove of the map is not written",
        Action::Put if needs.is_some() => "nobody has the value; apply it with the value",
        Action::Put | Action::Remove | Action::Follow => return None,
    };
    Some(why.to_owned())
}

/// Whether a divergence of this kind may be repaired without anybody looking: a row that no map knows may be anybody's.
pub(super) fn may_be_automatic(kind: &str) -> bool {
    kind != "orphan"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_follows_from_the_kind_the_map_s_side_and_the_direction() {
        let (value, absent) = ("07".repeat(16), Digest::ABSENT.to_string());
        for (kind, map_digest, direction, expected) in [
            ("missing", &value, Direction::MapWins, Action::Put),
            ("stale", &value, Direction::MapWins, Action::Put),
            ("foreign", &value, Direction::MapWins, Action::Put),
            ("foreign", &absent, Direction::MapWins, Action::Remove),
            ("resurrected", &absent, Direction::MapWins, Action::Remove),
            ("resurrected", &absent, Direction::NewestWins, Action::Remove),
            ("stale", &value, Direction::NewestWins, Action::Put),
            ("foreign", &value, Direction::NewestWins, Action::Ask),
            ("corrupt", &value, Direction::NewestWins, Action::Ask),
            ("orphan", &absent, Direction::NewestWins, Action::Ask),
            ("stale", &value, Direction::StoreWins, Action::Nothing),
            ("stale", &value, Direction::Ask, Action::Ask),
        ] {
            assert_eq!(action(kind, map_digest, direction, false), expected, "{kind} {direction:?}");
            let handed = if expected == Action::Nothing { Action::Follow } else { expected };
            assert_eq!(action(kind, map_digest, direction, true), handed, "{kind} {direction:?}");
        }
    }
}
