//! Makes a message of the groups that are due.

use super::message::{Example, Group, Message, Turns, ids};
use super::{EXAMPLES_MAX, Route};
use crate::ledger::database::{DatabaseError, Row, Transaction};
use crate::ledger::query;
use crate::ledger::row::{DivergenceId, State};
use counterfoil_judge::Kind;
use rusqlite::params;

/// Groups that are looked at for one message. Most of them have something to tell.
const LOOKED_AT_MAX: u32 = 1000;

const NOT_SETTLED: &str = "SELECT number, made_at_unix_ns, content FROM outbox_message WHERE receiver = ?1";

const DUE: &str = "
SELECT map, store, pending_since_unix_ns, folded, open_since_unix_ns, told_at_unix_ns FROM outbox_group
WHERE receiver = ?1 AND (pending_since_unix_ns + ?2 <= ?3 OR pending_since_unix_ns > ?3
    OR (CAST(?4 AS BIGINT) IS NOT NULL AND open_since_unix_ns IS NOT NULL AND (told_at_unix_ns + ?4 <= ?3 OR told_at_unix_ns > ?3)))
ORDER BY coalesce(pending_since_unix_ns, told_at_unix_ns), map, store LIMIT ?5";

const NEXT: &str = "
SELECT min(pending_since_unix_ns), min(told_at_unix_ns) FILTER (WHERE open_since_unix_ns IS NOT NULL)
FROM outbox_group WHERE receiver = ?1";

const COUNTS: &str = "SELECT turn, kind, count, examples FROM outbox_count
    WHERE receiver = ?1 AND map = ?2 AND store = ?3 ORDER BY turn, kind";

const EMPTY: &str = "DELETE FROM outbox_count WHERE receiver = ?1 AND map = ?2 AND store = ?3";

const TOLD: &str =
    "UPDATE outbox_group SET pending_since_unix_ns = NULL, folded = 0, open_since_unix_ns = ?4,
    told_at_unix_ns = coalesce(?5, told_at_unix_ns) WHERE receiver = ?1 AND map = ?2 AND store = ?3";

const KEEP: &str = "INSERT INTO outbox_message (receiver, made_at_unix_ns, since_unix_ns, turns, content)
    VALUES (?1, ?2, ?3, ?4, ?5) RETURNING number";

/// What came of asking for a message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sealed {
    /// The message.
    pub message: Option<Message>,
    /// When the next one is due, if no turn comes before: wall-clock time, nanoseconds since 1970.
    pub next_due_unix_ns: Option<i64>,
}

/// The receiver's message that is not settled, or one of what is due now.
pub(in crate::ledger) fn seal(
    transaction: &Transaction<'_>,
    route: &Route,
    now_unix_ns: i64,
) -> Result<Sealed, DatabaseError> {
    if let Some(message) = not_settled(transaction, route)? {
        return Ok(Sealed { message: Some(message), next_due_unix_ns: None });
    }
    let mut parts = Vec::new();
    for due in due(transaction, route, now_unix_ns)? {
        if parts.len() >= route.groups_max {
            break;
        }
        parts.extend(due.told(transaction, route, now_unix_ns)?);
    }
    let message = keep(transaction, route, parts, now_unix_ns)?;
    Ok(Sealed { message, next_due_unix_ns: next(transaction, route)? })
}

fn not_settled(transaction: &Transaction<'_>, route: &Route) -> Result<Option<Message>, DatabaseError> {
    let message = |row: &Row<'_>| {
        let (number, made_at_unix_ns) = (row.get(0)?, row.get(1)?);
        let content: String = row.get(2)?;
        let groups = serde_json::from_str(&content).map_err(|_| DatabaseError::column("content"))?;
        Ok(Message {
            number,
            id: Message::id(&route.receiver, number, made_at_unix_ns),
            made_at_unix_ns,
            groups,
        })
    };
    transaction.first(NOT_SETTLED, params![&*route.receiver], message)
}

/// When the next group is due.
fn next(transaction: &Transaction<'_>, route: &Route) -> Result<Option<i64>, DatabaseError> {
    let of = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (pending, told): (Option<i64>, Option<i64>) = transaction.one(NEXT, params![&*route.receiver], of)?;
    let pending = pending.map(|since| since.saturating_add(route.group_wait_ns));
    let repeated = told.zip(route.repeat_ns).map(|(at, repeat)| at.saturating_add(repeat));
    Ok([pending, repeated].into_iter().flatten().min())
}

/// A group that is due.
struct Due {
    map: String,
    store: String,
    pending_since_unix_ns: Option<i64>,
    folded: i64,
    open_since_unix_ns: Option<i64>,
}

fn due(transaction: &Transaction<'_>, route: &Route, now_unix_ns: i64) -> Result<Vec<Due>, DatabaseError> {
    let group = |row: &Row<'_>| {
        Ok(Due {
            map: row.get(0)?,
            store: row.get(1)?,
            pending_since_unix_ns: row.get(2)?,
            folded: row.get(3)?,
            open_since_unix_ns: row.get(4)?,
        })
    };
    let parameters =
        params![&*route.receiver, route.group_wait_ns, now_unix_ns, route.repeat_ns, LOOKED_AT_MAX];
    transaction.query(DUE, parameters, group)
}

/// A part of a message, and when the oldest turn in it came.
type Part = (Group, i64);

impl Due {
    /// Takes everything out of the group, and gives what is to be told of it, if anything is.
    fn told(
        self,
        transaction: &Transaction<'_>,
        route: &Route,
        now_unix_ns: i64,
    ) -> Result<Option<Part>, DatabaseError> {
        let open = self.open(transaction, route, now_unix_ns)?;
        let counts = self.counts(transaction, route)?;
        let (was_open, is_open) = (self.open_since_unix_ns.is_some(), open > 0);
        let ends = was_open && !is_open && route.on.contains(&State::Resolved);
        let begins = !was_open && is_open;
        // What is due without anything pending is due to be repeated.
        let repeats = is_open && self.pending_since_unix_ns.is_none();
        let pending_since_unix_ns = self.pending_since_unix_ns.unwrap_or(now_unix_ns);
        let since_unix_ns = self.open_since_unix_ns.unwrap_or(pending_since_unix_ns);
        let is_told = !counts.is_empty() || begins || ends || repeats;
        self.empty(transaction, route, is_open.then_some(since_unix_ns), is_told.then_some(now_unix_ns))?;
        if !is_told {
            return Ok(None);
        }
        let examples = self.examples(transaction, route, &counts, is_open)?;
        let group = Group {
            store: Some(self.store).filter(|store| !store.is_empty()),
            map: self.map,
            open,
            since_unix_ns,
            turns: counts.into_iter().map(|(turns, _)| turns).collect(),
            folded: self.folded.unsigned_abs(),
            examples,
        };
        Ok(Some((group, pending_since_unix_ns)))
    }

    /// How many divergences of the group are open in nobody's hand. In a map that is not told any more there are none.
    fn open(
        &self,
        transaction: &Transaction<'_>,
        route: &Route,
        now_unix_ns: i64,
    ) -> Result<u64, DatabaseError> {
        if !route.maps.contains(&self.map) {
            return Ok(0);
        }
        let (kinds, states) = (kinds(), route.open_states());
        let of_group = "map = ?1 AND store IS NOT DISTINCT FROM nullif(?2, '')";
        // Each kind and state is a range of the index, so that what is resolved is passed over.
        let all = format!(
            "SELECT count(*) FROM divergence WHERE {of_group} AND kind IN ({kinds}) AND state IN ({states})"
        );
        let muted = format!(
            "SELECT count(*) FROM act JOIN divergence ON row = act.divergence WHERE {of_group} AND state IN ({states})
             AND (until_unix_ns IS NULL OR until_unix_ns > ?3)"
        );
        let count = |row: &Row<'_>| row.get::<i64>(0);
        let all = transaction.one(&all, params![self.map, self.store], count)?;
        let muted = transaction.one(&muted, params![self.map, self.store, now_unix_ns], count)?;
        Ok(u64::try_from(all - muted).unwrap_or(0))
    }

    /// What the group has counted, each with ids of some divergences.
    fn counts(
        &self,
        transaction: &Transaction<'_>,
        route: &Route,
    ) -> Result<Vec<(Turns, Vec<DivergenceId>)>, DatabaseError> {
        let counted = |row: &Row<'_>| {
            let turn: String = row.get(0)?;
            let count: i64 = row.get(2)?;
            let turn = State::of(&turn).ok_or_else(|| DatabaseError::column("turn"))?;
            let digits: String = row.get(3)?;
            Ok((Turns { turn, kind: row.get(1)?, count: count.unsigned_abs() }, ids(&digits)))
        };
        let mut counts =
            transaction.query(COUNTS, params![&*route.receiver, self.map, self.store], counted)?;
        counts.sort_by_key(|(turns, _)| turns.turn);
        Ok(counts)
    }

    fn empty(
        &self,
        transaction: &Transaction<'_>,
        route: &Route,
        open_since_unix_ns: Option<i64>,
        told_at_unix_ns: Option<i64>,
    ) -> Result<(), DatabaseError> {
        let Self { map, store, .. } = self;
        transaction.execute(EMPTY, params![&*route.receiver, map, store])?;
        let parameters = params![&*route.receiver, map, store, open_since_unix_ns, told_at_unix_ns];
        transaction.execute(TOLD, parameters)?;
        Ok(())
    }

    /// Some of the divergences that took a turn, of each kind one in turn, and then some that are open.
    fn examples(
        &self,
        transaction: &Transaction<'_>,
        route: &Route,
        counts: &[(Turns, Vec<DivergenceId>)],
        is_open: bool,
    ) -> Result<Vec<Example>, DatabaseError> {
        let mut chosen: Vec<DivergenceId> = Vec::new();
        let of_turns = (0..usize::from(EXAMPLES_MAX))
            .flat_map(|nth| counts.iter().filter_map(move |(_, ids)| ids.get(nth)));
        let open = if is_open { self.some_open(transaction, route)? } else { Vec::new() };
        for id in of_turns.chain(&open) {
            if chosen.len() < EXAMPLES_MAX.into() && !chosen.contains(id) {
                chosen.push(*id);
            }
        }
        let example = |id: DivergenceId| {
            let row = query::get(transaction, id, i64::MAX)?;
            Ok(row.map(|row| Example::of(row, route.include_key)))
        };
        chosen.into_iter().filter_map(|id| example(id).transpose()).collect()
    }

    fn some_open(
        &self,
        transaction: &Transaction<'_>,
        route: &Route,
    ) -> Result<Vec<DivergenceId>, DatabaseError> {
        let (kinds, states) = (kinds(), route.open_states());
        let some = format!(
            "SELECT id FROM divergence LEFT JOIN act ON act.divergence = row WHERE map = ?1 AND store IS NOT DISTINCT FROM nullif(?2, '')
             AND kind IN ({kinds}) AND state IN ({states}) AND act IS NULL LIMIT ?3"
        );
        let id = |row: &Row<'_>| row.get(0).map(DivergenceId);
        transaction.query(&some, params![self.map, self.store, EXAMPLES_MAX], id)
    }
}

/// All kinds, as they stand in a statement.
fn kinds() -> String {
    Kind::LABELS.map(|kind| format!("'{kind}'")).join(", ")
}

fn keep(
    transaction: &Transaction<'_>,
    route: &Route,
    parts: Vec<Part>,
    made_at_unix_ns: i64,
) -> Result<Option<Message>, DatabaseError> {
    let Some(since_unix_ns) = parts.iter().map(|(_, since)| *since).min() else { return Ok(None) };
    let groups: Vec<_> = parts.into_iter().map(|(group, _)| group).collect();
    let turns: u64 = groups.iter().flat_map(|group| &group.turns).map(|turns| turns.count).sum();
    let turns = i64::try_from(turns).unwrap_or(i64::MAX);
    let content = serde_json::to_string(&groups).map_err(|_| DatabaseError::column("content"))?;
    let parameters = params![&*route.receiver, made_at_unix_ns, since_unix_ns, turns, content];
    let number = transaction.one(KEEP, parameters, |row| row.get(0))?;
    let id = Message::id(&route.receiver, number, made_at_unix_ns);
    Ok(Some(Message { number, id, made_at_unix_ns, groups }))
}
