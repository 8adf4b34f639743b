//! Adds turns to what is to be told of their groups.
//!
//! The turns of a transaction are summed up in memory first, so a thousand of one group cost a few statements.

use super::{EXAMPLES_MAX, Route};
use crate::ledger::database::{DatabaseError, Transaction};
use crate::ledger::row::{DivergenceId, State};
use crate::ledger::transition::Turned;
use rusqlite::params;
use std::collections::BTreeMap;

/// Hex digits of an id.
pub(super) const ID_DIGITS: usize = 32;
/// Hex digits of the examples of one turn and kind.
const DIGITS_MAX: u16 = 320;

const _: () = assert!(DIGITS_MAX as usize == EXAMPLES_MAX as usize * ID_DIGITS, "whole ids are kept");

const IS_MUTED: &str = "SELECT EXISTS (SELECT 1 FROM act WHERE divergence = ?1
    AND (until_unix_ns IS NULL OR until_unix_ns > ?2))";

const ADD: &str = "
INSERT INTO outbox_count (receiver, map, store, turn, kind, count, examples) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (receiver, map, store, turn, kind) DO UPDATE SET count = outbox_count.count + excluded.count,
    examples = substr(outbox_count.examples || excluded.examples, 1, ?8)";

/// How a divergence stands that took a turn.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct Standing {
    /// Its row.
    pub(in crate::ledger) place: i64,
    /// Whether it was confirmed since it was opened last.
    pub(in crate::ledger) was_confirmed: bool,
}

/// The turns of a transaction, by group.
#[derive(Default)]
pub(in crate::ledger) struct Counted(BTreeMap<Place, Counts>);

/// A group: the place of its route, its map and its store.
type Place = (usize, String, String);

/// The counts of a group, by turn and kind.
type Counts = BTreeMap<(&'static str, String), Count>;

#[derive(Default)]
struct Count {
    turns: u64,
    /// Some ids.
    examples: Vec<DivergenceId>,
}

impl Counted {
    /// Whether nothing was counted.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts a turn for each receiver that is to be told of it.
    pub(in crate::ledger) fn add(
        &mut self,
        transaction: &Transaction<'_>,
        routes: &[Route],
        (turned, standing): (&Turned, Standing),
        now_unix_ns: i64,
    ) -> Result<(), DatabaseError> {
        let Some(turn) = State::of(turned.turn) else { return Ok(()) };
        let concerns = |route: &&Route| {
            let was_told = turn != State::Resolved || route.tells_of(standing.was_confirmed);
            route.maps.contains(&turned.map) && was_told
        };
        let mut concerned = routes.iter().enumerate().filter(|(_, route)| concerns(route)).peekable();
        if concerned.peek().is_none() || is_muted(transaction, standing.place, now_unix_ns)? {
            return Ok(());
        }
        for (place, route) in concerned {
            self.count(place, route, turn, turned);
        }
        Ok(())
    }

    fn count(&mut self, place: usize, route: &Route, turn: State, turned: &Turned) {
        let is_told = route.on.contains(&turn);
        // One that is resolved changes what is open, even if that is not told by itself.
        if !is_told && turn != State::Resolved {
            return;
        }
        let place = (place, turned.map.clone(), turned.store.clone().unwrap_or_default());
        let group = self.0.entry(place).or_default();
        if is_told {
            let count = group.entry((turned.turn, turned.kind.clone())).or_default();
            count.turns += 1;
            if count.examples.len() < EXAMPLES_MAX.into() {
                count.examples.push(turned.id);
            }
        }
    }

    /// Writes down what was counted.
    pub(in crate::ledger) fn write(
        &self,
        transaction: &Transaction<'_>,
        routes: &[Route],
        now_unix_ns: i64,
    ) -> Result<(), DatabaseError> {
        for ((place, map, store), counts) in &self.0 {
            let Some(route) = routes.get(*place) else { continue };
            let turns = counts.values().map(|count| count.turns).sum();
            route.stir(transaction, (map, store), now_unix_ns, turns)?;
            for ((turn, kind), Count { turns, examples }) in counts {
                let turns = i64::try_from(*turns).unwrap_or(i64::MAX);
                let ids: String = examples.iter().map(ToString::to_string).collect();
                let parameters = params![&*route.receiver, map, store, turn, kind, turns, ids, DIGITS_MAX];
                transaction.execute(ADD, parameters)?;
            }
        }
        Ok(())
    }
}

/// Whether somebody acknowledged the divergence, or ignores it.
fn is_muted(transaction: &Transaction<'_>, place: i64, now_unix_ns: i64) -> Result<bool, DatabaseError> {
    transaction.one(IS_MUTED, params![place, now_unix_ns], |row| row.get(0))
}
