//! What is told of a group, in words.

use crate::ledger::State;
use crate::ledger::outbox::Group;
use std::collections::BTreeMap;

/// Nanoseconds in a microsecond: finer times help nobody.
const US: i64 = 1000;

/// A wall-clock time, in nanoseconds since 1970, as RFC 3339 has it.
pub(super) fn time(unix_ns: i64) -> String {
    jiff::Timestamp::from_microsecond(unix_ns / US).unwrap_or_default().to_string()
}

/// The map and the store of a group.
pub(super) fn place(group: &Group) -> String {
    match &group.store {
        Some(store) => format!("map {} in store {store}", group.map),
        None => format!("map {}", group.map),
    }
}

/// One sentence: what happened, and how many are open.
pub(super) fn summary(group: &Group) -> String {
    let place = place(group);
    match group.open {
        0 => format!("no divergence of {place} is open any more"),
        1 => format!("1 divergence of {place} is open"),
        open => format!("{open} divergences of {place} are open"),
    }
}

/// What happened since the message before: `3 confirmed (2 missing, 1 stale), 1 resolved (1 stale)`.
pub(super) fn turns(group: &Group) -> String {
    let told = |turn: State| {
        let mut kinds = BTreeMap::new();
        for of_kind in group.turns.iter().filter(|turns| turns.turn == turn) {
            *kinds.entry(of_kind.kind.as_str()).or_insert(0) += of_kind.count;
        }
        let kinds: Vec<_> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let count = group.count(turn);
        (count > 0).then(|| format!("{count} {} ({})", turn.as_str(), kinds.join(", ")))
    };
    let turns: Vec<_> = State::ALL.into_iter().filter_map(told).collect();
    if turns.is_empty() { "nothing new".to_owned() } else { turns.join(", ") }
}

/// At most so many characters of a text, with a sign where the rest is left out.
pub(super) fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(characters_max.saturating_sub(1)).chain(['…']).collect(),
    }
}
