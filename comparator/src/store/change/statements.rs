//! How the keys of a map are changed in its store: the statements that a person writes, in the words of the store.

use super::Swap;
use crate::store::lookup::Lookup;
use crate::store::{Found, StoreError, StoreKind};
use counterfoil_settings::Problems;
use std::sync::Arc;

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
pub(in crate::store) enum Marker {
    Key,
    Value,
}

impl Marker {
    const ALL: [(Self, &str); 2] = [(Self::Key, "$key"), (Self::Value, "$value")];
}

/// A statement in the words of its store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store) struct Statement {
    pub(in crate::store) text: Arc<str>,
    /// What is bound, in order.
    pub(in crate::store) markers: Vec<Marker>,
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
    pub(in crate::store) lookup: Lookup,
    pub(in crate::store) locked: Lookup,
    pub(in crate::store) insert: Option<Statement>,
    pub(in crate::store) update: Option<Statement>,
    pub(in crate::store) remove: Option<Statement>,
}

impl Statements {
    /// The statement that makes of `found` what `swap` wants; an error if nobody wrote one.
    pub(in crate::store) fn for_change(&self, found: &Found, swap: &Swap) -> Result<&Statement, StoreError> {
        let (name, statement) = match (found, &swap.value) {
            (Found::Absent, Some(_)) => ("insert", &self.insert),
            (Found::Value(..), Some(_)) => ("update", &self.update),
            (_, None) => ("remove", &self.remove),
        };
        statement
            .as_ref()
            .ok_or_else(|| StoreError::query(format!("repair.{name} of the map is not written")))
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
                problems.add(
                    path,
                    "a reader service cannot be written to; remove this section, or write a webhook",
                );
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

    pub(in crate::store) fn statements(&self) -> Result<&Statements, StoreError> {
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
            let missing = Marker::ALL
                .iter()
                .take(markers)
                .find(|(marker, _)| !Statement::of(written, StoreKind::Mysql).markers.contains(marker));
            if let Some((_, marker)) = missing {
                problems.add(
                    format!("{path}.{key}"),
                    format!("has no {marker} in it; write it where that is bound"),
                );
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
            (_, Some(_)) => {
                problems.add(locked, "locks nothing; write the map's `query` with FOR UPDATE at its end")
            }
            (_, None) => problems.add(locked, "missing; write the map's `query` with FOR UPDATE at its end"),
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
            (
                WrittenStatements { locked_query: Some("SELECT 1"), ..none },
                StoreKind::Mysql,
                Some("repair.locked_query: locks nothing"),
            ),
            (
                WrittenStatements { locked_query: locking, ..none },
                StoreKind::Sqlite,
                Some("repair.locked_query: SQLite locks"),
            ),
            (
                WrittenStatements { insert: Some("INSERT INTO t VALUES ($key)"), ..none },
                StoreKind::Sqlite,
                Some("repair.insert: has no $value"),
            ),
            (
                WrittenStatements { update: Some("UPDATE t SET v = $value"), ..none },
                StoreKind::Sqlite,
                Some("repair.update: has no $key"),
            ),
            (
                WrittenStatements { remove: Some("DELETE FROM t"), ..none },
                StoreKind::Sqlite,
                Some("repair.remove: has no $key"),
            ),
            (
                WrittenStatements { remove: Some("DELETE FROM t"), ..none },
                StoreKind::Redis,
                Some("repair.remove: Redis takes no SQL"),
            ),
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
