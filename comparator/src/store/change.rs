//! Changing one key of a store, and only if it still holds what was seen there.
//!
//! A [`Changer`] is what a repair writes through. It has a connection and a credential of its own; a [`super::Reader`] never
//! writes. A change goes in three steps: it *looks* what the store holds, it lets its caller *settle* whether that is still to be
//! changed, and it *sets* the key, all of it only if nobody wrote to the key since the look.
//!
//! # How a write that comes between is noticed
//!
//! | store | a row that is there | a row that is not |
//! |---|---|---|
//! | Postgres | `REPEATABLE READ` since the look: a lock on a row that changed meanwhile fails (40001), even if it holds the same again | a unique violation, or 40001 |
//! | MariaDB | the same, with `innodb_snapshot_isolation`; MySQL has none: there the locked row must hold the same value and version | a duplicate key |
//! | SQLite | `BEGIN IMMEDIATE`, and the same value and version | the same |
//! | Redis, a string | `WATCH` since the look | `WATCH`, and `SET NX` |
//! | Redis, a hash | `WATCH` since the look, or, where other fields changed, the same value | the same |
//!
//! Where a value is compared, a writer that changed the key and changed it back between look and set is not seen. A version in the
//! third column of the query lets it be seen in MySQL and SQLite.
//!
//! # Invariants
//!
//! - A statement changes exactly one row, and afterwards the query gives what was wanted; otherwise it is rolled back.
//! - No row is locked while the caller settles.
//! - Whatever ends early leaves the store as it was: the connection is closed, and with it the transaction.

use super::lookup::Lookup;
use super::{Found, KeyError, Store, StoreError, StoreKind, WrittenStore, mysql, postgres, redis, sqlite};
use bytes::Bytes;
use counterfoil_settings::Problems;
use std::sync::Arc;
use std::time::Duration;

/// How long a caller may take to settle whether a key is still to be changed.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(10);

/// Says something about what a store holds.
pub(crate) type Says = Arc<dyn Fn(&Found) -> bool + Send + Sync>;

/// One change.
#[derive(Clone)]
pub(crate) struct Swap {
    /// Of this key.
    pub(crate) key: Bytes,
    /// To this value; `None` removes it.
    pub(crate) value: Option<Bytes>,
    /// Whether the store holds what is to be changed.
    pub(crate) is_expected: Says,
    /// Whether the store holds what it is to hold afterwards.
    pub(crate) is_wanted: Says,
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Swapped {
    /// It is made.
    Written,
    /// The store held what was wanted already.
    Already,
    /// The store holds something else than what was expected, or somebody wrote to the key meanwhile: nothing was written.
    Overtaken,
    /// The caller did not settle it: nothing was written.
    Unsettled,
    /// The store cannot tell about the key: nothing was written.
    Untold(KeyError),
    /// The statement changed another number of rows than one: it was rolled back.
    Rows(u64),
    /// The statement left another value than the wanted one: it was rolled back.
    NotWanted,
}

/// What a first look at the store says.
pub(super) enum Looked {
    /// It is to be changed.
    Expected(Found),
    /// There is nothing to be done.
    Done(Swapped),
}

impl Swap {
    /// What `answer`, of a first look, says.
    pub(super) fn looked(&self, answer: Option<super::Answer>) -> Looked {
        match answer {
            Some(Ok(found)) if (self.is_wanted)(&found) => Looked::Done(Swapped::Already),
            Some(Ok(found)) if (self.is_expected)(&found) => Looked::Expected(found),
            Some(Ok(_)) | None => Looked::Done(Swapped::Overtaken),
            Some(Err(error)) => Looked::Done(Swapped::Untold(error)),
        }
    }

    /// What the answer after a statement says that changed so many `rows`.
    pub(super) fn written(&self, rows: u64, answer: Option<super::Answer>) -> Swapped {
        match answer {
            _ if rows != 1 => Swapped::Rows(rows),
            Some(Ok(found)) if (self.is_wanted)(&found) => Swapped::Written,
            _ => Swapped::NotWanted,
        }
    }
}

/// Whether a second look shows what a first one did.
pub(super) fn is_same(answer: Option<super::Answer>, before: &Found) -> bool {
    answer.is_some_and(|answer| answer.as_ref() == Ok(before))
}

/// The statements of an SQL store that change one key, as a person writes them, with `$key` and `$value` in them.
#[derive(Clone, Copy, Default)]
pub(crate) struct WrittenStatements<'a> {
    /// For a key without a row.
    pub(crate) insert: Option<&'a str>,
    /// For a key with one.
    pub(crate) update: Option<&'a str>,
    /// Takes the row away.
    pub(crate) remove: Option<&'a str>,
    /// The query of the lookup, so that it locks the rows that it gives.
    pub(crate) locked_query: Option<&'a str>,
}

/// What stands in a statement for something that is bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Marker {
    Key,
    Value,
}

impl Marker {
    const ALL: [(Self, &str); 2] = [(Self::Key, "$key"), (Self::Value, "$value")];
}

/// A statement in the words of its store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Statement {
    pub(super) text: Arc<str>,
    /// What is bound, in order.
    pub(super) markers: Vec<Marker>,
}

impl Statement {
    /// `$key` and `$value` become `$1` and `$2` in Postgres, `?1` and `?2` in SQLite, and a `?` each in MySQL.
    fn of(written: &str, kind: StoreKind) -> Self {
        let (mut text, mut markers, mut rest) = (String::new(), Vec::new(), written);
        while let Some((before, marker, after)) = next_marker(rest) {
            text.push_str(before);
            match (kind, marker) {
                (StoreKind::Postgres, Marker::Key) => text.push_str("$1"),
                (StoreKind::Postgres, Marker::Value) => text.push_str("$2"),
                (StoreKind::Sqlite, Marker::Key) => text.push_str("?1"),
                (StoreKind::Sqlite, Marker::Value) => text.push_str("?2"),
                _ => text.push('?'),
            }
            if kind == StoreKind::Mysql || !markers.contains(&marker) {
                markers.push(marker);
            }
            rest = after;
        }
        text.push_str(rest);
        if kind != StoreKind::Mysql {
            // Numbered places are bound by their numbers, wherever they stand.
            markers.sort_by_key(|marker| *marker == Marker::Value);
        }
        Self { text: text.into(), markers }
    }
}

/// The first marker, and what is before and behind it.
fn next_marker(text: &str) -> Option<(&str, Marker, &str)> {
    let is_whole = |after: &str| !after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let found = Marker::ALL.iter().flat_map(|(marker, name)| {
        text.match_indices(name).filter_map(|(at, _)| {
            let (before, after) = (text.get(..at)?, text.get(at + name.len()..)?);
            is_whole(after).then_some((before, *marker, after))
        })
    });
    found.min_by_key(|(before, _, _)| before.len())
}

/// How the keys of a map are changed in its store.
#[derive(Clone, Debug)]
pub(crate) enum Writing {
    /// By statements.
    Sql(Box<Statements>),
    /// By `SET`, `DEL`, `HSET` and `HDEL`.
    Redis(Lookup),
}

/// The statements of one map.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pub(super) lookup: Lookup,
    pub(super) locked: Lookup,
    pub(super) insert: Option<Statement>,
    pub(super) update: Option<Statement>,
    pub(super) remove: Option<Statement>,
}

impl Statements {
    /// The statement that makes of `found` what `swap` wants; an error if nobody wrote one.
    pub(super) fn for_change(&self, found: &Found, swap: &Swap) -> Result<&Statement, StoreError> {
        let (name, statement) = match (found, &swap.value) {
            (Found::Absent, Some(_)) => ("insert", &self.insert),
            (Found::Value(..), Some(_)) => ("update", &self.update),
            (_, None) => ("remove", &self.remove),
        };
        statement.as_ref().ok_or_else(|| StoreError::query(format!("repair.{name} of the map is not written")))
    }
}

impl Writing {
    /// How the keys that `lookup` finds in a store of this kind are changed. Problems are added below `path`; with any, there is
    /// none.
    pub(crate) fn new(
        written: WrittenStatements<'_>,
        lookup: &Lookup,
        kind: StoreKind,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.0.len();
        match kind {
            StoreKind::Grpc => {
                problems.add(path, "a reader service cannot be written to; remove this section, or write a webhook");
            }
            StoreKind::Redis => written.refuse_all(path, problems),
            StoreKind::Sqlite | StoreKind::Postgres | StoreKind::Mysql => written.check(kind, path, problems),
        }
        if problems.0.len() > before {
            return None;
        }
        let statement = |text: Option<&str>| text.map(|text| Statement::of(text, kind));
        Some(match lookup {
            Lookup::Sql { key_type, shape, .. } => {
                let locked = written.locked_query.map(|query| Lookup::Sql {
                    query: query.into(),
                    key_type: *key_type,
                    shape: shape.clone(),
                });
                Self::Sql(Box::new(Statements {
                    locked: locked.unwrap_or_else(|| lookup.clone()),
                    lookup: lookup.clone(),
                    insert: statement(written.insert),
                    update: statement(written.update),
                    remove: statement(written.remove),
                }))
            }
            Lookup::Prefix(_) | Lookup::Hash(_) | Lookup::Collection(_) => Self::Redis(lookup.clone()),
        })
    }

    /// Whether a key can be put, and whether it can be removed.
    pub(crate) fn can(&self) -> (bool, bool) {
        match self {
            Self::Redis(_) => (true, true),
            Self::Sql(sql) => (sql.insert.is_some() && sql.update.is_some(), sql.remove.is_some()),
        }
    }

    pub(super) fn statements(&self) -> Result<&Statements, StoreError> {
        match self {
            Self::Sql(statements) => Ok(statements),
            Self::Redis(_) => Err(Lookup::unfit()),
        }
    }
}

impl WrittenStatements<'_> {
    fn named(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("insert", self.insert),
            ("update", self.update),
            ("remove", self.remove),
            ("locked_query", self.locked_query),
        ]
    }

    fn refuse_all(&self, path: &str, problems: &mut Problems) {
        for (key, _) in self.named().into_iter().filter(|(_, written)| written.is_some()) {
            problems.add(format!("{path}.{key}"), "Redis takes no SQL; remove this key");
        }
    }

    fn check(&self, kind: StoreKind, path: &str, problems: &mut Problems) {
        let [insert, update, remove, _] = self.named();
        for ((key, written), markers) in [(insert, 2), (update, 2), (remove, 1)] {
            let Some(written) = written else { continue };
            let missing = Marker::ALL.iter().take(markers).find(|(marker, _)| {
                !Statement::of(written, StoreKind::Mysql).markers.contains(marker)
            });
            if let Some((_, marker)) = missing {
                problems.add(format!("{path}.{key}"), format!("has no {marker} in it; write it where that is bound"));
            }
        }
        let is_locking = |query: &str| query.to_ascii_uppercase().contains("FOR UPDATE");
        let locked = format!("{path}.locked_query");
        match (kind, self.locked_query) {
            (StoreKind::Sqlite, Some(_)) => {
                problems.add(locked, "SQLite locks the whole file; remove this key");
            }
            (StoreKind::Sqlite, None) => {}
            (_, Some(query)) if is_locking(query) => {}
            (_, Some(_)) => problems.add(locked, "locks nothing; write the map's `query` with FOR UPDATE at its end"),
            (_, None) => problems.add(locked, "missing; write the map's `query` with FOR UPDATE at its end"),
        }
    }
}

/// Changes one store. Shared by reference among as many tasks as like.
#[derive(Debug)]
pub(crate) struct Changer {
    timeout: Duration,
    store: Store,
}

impl Changer {
    /// A changer of the store that is `written`. Does not connect: the first change does.
    ///
    /// # Errors
    ///
    /// Every problem of `written`, each with a path relative to it, such as `url`.
    pub(crate) fn new(written: &WrittenStore) -> Result<Self, Problems> {
        let reader = super::Reader::new("repair", written)?;
        let is_cluster = matches!(&reader.store, Store::Redis(redis) if redis.is_cluster());
        if is_cluster || reader.kind() == StoreKind::Grpc {
            let mut problems = Problems::default();
            problems.add("url", "a cluster or a reader service cannot be written to key by key; write a webhook");
            return Err(problems);
        }
        Ok(Self { timeout: reader.timeout, store: reader.store })
    }

    /// What kind of store it is.
    pub(crate) fn kind(&self) -> StoreKind {
        self.store.kind()
    }

    /// Makes a change, if the store holds what is expected and goes on doing so until it is made. `settle` is told what the store
    /// holds, and says whether that is still to be changed; it may take [`SETTLE_MAX`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it is not known what became of it: look again.
    pub(crate) async fn swap<F, S>(&self, writing: &Writing, swap: &Swap, settle: F) -> Result<Swapped, StoreError>
    where
        F: FnOnce(Found) -> S + Send,
        S: Future<Output = bool> + Send,
    {
        let made = async {
            match &self.store {
                Store::Sqlite(store) => sqlite::change::swap(store, writing, swap, settle).await,
                Store::Postgres(store) => postgres::change::swap(store, writing, swap, settle).await,
                Store::Mysql(store) => mysql::change::swap(store, writing, swap, settle).await,
                Store::Redis(store) => redis::change::swap(store, writing, swap, settle).await,
                Store::Grpc(_) => Err(Lookup::unfit()),
            }
        };
        let limit = self.timeout.saturating_mul(2).saturating_add(SETTLE_MAX);
        match tokio::time::timeout(limit, made).await.unwrap_or(Err(StoreError::Timeout)) {
            Err(StoreError::Conflict) => Ok(Swapped::Overtaken),
            made => made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_become_the_places_of_the_store_and_words_that_begin_like_them_do_not() {
        use Marker::{Key, Value};
        let written = "UPDATE t SET v = $value, n = length($value), x = '$values' WHERE k = $key";
        for (kind, text, markers) in [
            (
                StoreKind::Postgres,
                "UPDATE t SET v = $2, n = length($2), x = '$values' WHERE k = $1",
                vec![Key, Value],
            ),
            (
                StoreKind::Sqlite,
                "UPDATE t SET v = ?2, n = length(?2), x = '$values' WHERE k = ?1",
                vec![Key, Value],
            ),
            (
                StoreKind::Mysql,
                "UPDATE t SET v = ?, n = length(?), x = '$values' WHERE k = ?",
                vec![Value, Value, Key],
            ),
        ] {
            assert_eq!(Statement::of(written, kind), Statement { text: text.into(), markers });
        }
    }

    fn problems(written: WrittenStatements<'_>, kind: StoreKind) -> Vec<String> {
        let mut problems = Problems::default();
        let lookup = Lookup::Prefix("".into());
        Writing::new(written, &lookup, kind, "repair", &mut problems);
        problems.0.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    #[test]
    fn what_cannot_be_written_safely_is_refused_with_what_to_write() {
        let locking = Some("SELECT k, v FROM t WHERE k = ANY($1) for update");
        let none = WrittenStatements::default();
        for (written, kind, expected) in [
            (WrittenStatements { locked_query: locking, ..none }, StoreKind::Postgres, None),
            (none, StoreKind::Sqlite, None),
            (none, StoreKind::Redis, None),
            (none, StoreKind::Postgres, Some("repair.locked_query: missing")),
            (none, StoreKind::Mysql, Some("repair.locked_query: missing")),
            (WrittenStatements { locked_query: Some("SELECT 1"), ..none }, StoreKind::Mysql, Some("repair.locked_query: locks nothing")),
            (WrittenStatements { locked_query: locking, ..none }, StoreKind::Sqlite, Some("repair.locked_query: SQLite locks")),
            (WrittenStatements { insert: Some("INSERT INTO t VALUES ($key)"), ..none }, StoreKind::Sqlite, Some("repair.insert: has no $value")),
            (WrittenStatements { update: Some("UPDATE t SET v = $value"), ..none }, StoreKind::Sqlite, Some("repair.update: has no $key")),
            (WrittenStatements { remove: Some("DELETE FROM t"), ..none }, StoreKind::Sqlite, Some("repair.remove: has no $key")),
            (WrittenStatements { remove: Some("DELETE FROM t"), ..none }, StoreKind::Redis, Some("repair.remove: Redis takes no SQL")),
            (none, StoreKind::Grpc, Some("repair: a reader service cannot be written to")),
        ] {
            let found = problems(written, kind);
            let is_told = match expected {
                None => found.is_empty(),
                Some(expected) => found.len() == 1 && found.iter().all(|told| told.starts_with(expected)),
            };
            assert!(is_told, "{expected:?} {found:?}");
        }
    }
}
