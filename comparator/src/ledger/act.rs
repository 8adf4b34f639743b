//! What people did about a divergence, beside what the comparator saw of it.
//!
//! The comparator writes the table `divergence` and people write `act`, so neither overwrites the other. Both raise the
//! divergence's revision and leave an entry in its history. They meet once: what opens again is in nobody's hand, and whoever
//! ignored it goes on doing so.

use super::database::{DatabaseError, Row, Transaction};
use super::history::{self, Note};
use super::row::DivergenceId;
use rusqlite::params;
use serde::Serialize;

const FOUND: &str = "SELECT row, revision, act, who, why, at_unix_ns, until_unix_ns FROM divergence
    LEFT JOIN act ON act.divergence = row AND (until_unix_ns IS NULL OR until_unix_ns > ?2) WHERE id = ?1";

const REVISE: &str = "UPDATE divergence SET revision = revision + 1 WHERE row = ?1 RETURNING revision";

const KEEP: &str = "INSERT INTO act (divergence, act, who, why, at_unix_ns, until_unix_ns)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (divergence) DO UPDATE SET act = excluded.act, who = excluded.who, why = excluded.why,
    at_unix_ns = excluded.at_unix_ns, until_unix_ns = excluded.until_unix_ns";

const TAKE_BACK: &str = "DELETE FROM act WHERE divergence = ?1";

const OPENED_AGAIN: &str = "DELETE FROM act WHERE divergence = ?1
    AND (act <> 'ignored' OR until_unix_ns <= ?2)";

/// What somebody does about a divergence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Has it in hand, until it is resolved and opens again.
    Acknowledge,
    /// Lets it not count, even if it opens again.
    Ignore {
        /// Wall-clock time in nanoseconds since 1970 at which that is over; `None` for good.
        until_unix_ns: Option<i64>,
    },
    /// Takes back what was done.
    Reopen,
}

impl Act {
    /// What stands beside the divergence afterwards.
    fn mark(self) -> Option<Mark> {
        match self {
            Self::Acknowledge => Some(Mark::Acknowledged),
            Self::Ignore { .. } => Some(Mark::Ignored),
            Self::Reopen => None,
        }
    }

    fn until_unix_ns(self) -> Option<i64> {
        match self {
            Self::Ignore { until_unix_ns } => until_unix_ns,
            Self::Acknowledge | Self::Reopen => None,
        }
    }

    /// What was done, by name.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.mark().map_or("reopened", Mark::as_str)
    }
}

/// An act, by whom, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acting {
    /// About which divergence.
    pub id: DivergenceId,
    /// What is done.
    pub act: Act,
    /// Who does it.
    pub by: String,
    /// Why.
    pub why: String,
    /// The revision of the divergence that it was decided on.
    pub revision: u32,
    /// Wall-clock time, nanoseconds since 1970.
    pub at_unix_ns: i64,
}

impl Acting {
    /// Whether it makes no difference to what stands there.
    fn is_done(&self, found: Option<&Acted>) -> bool {
        match (self.act.mark(), found) {
            (None, found) => found.is_none(),
            (Some(mark), Some(found)) => {
                let same = found.what == mark && found.until_unix_ns == self.act.until_unix_ns();
                same && found.by == self.by && found.why == self.why
            }
            (Some(_), None) => false,
        }
    }
}

/// What became of an act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done, and stands so in the file.
    Done,
    /// It was done before.
    Already,
    /// The divergence has changed since the revision that the act names: nothing is done.
    Stale,
    /// There is no such divergence.
    Unknown,
}

/// What may stand beside a divergence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Somebody has it in hand.
    Acknowledged,
    /// It does not count.
    Ignored,
}

impl Mark {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Acknowledged, Self::Ignored];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Ignored => "ignored",
        }
    }

    /// The one of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mark| mark.as_str() == name)
    }
}

/// What somebody did about a divergence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Acted {
    /// What.
    pub what: Mark,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// Wall-clock time, nanoseconds since 1970.
    pub at_unix_ns: i64,
    /// When it is over; `None` for good.
    pub until_unix_ns: Option<i64>,
}

impl Acted {
    /// What the columns of `act` say, if there is a row.
    pub(super) fn of(row: &Row<'_>) -> Result<Option<Self>, DatabaseError> {
        let Some(name) = row.get::<Option<String>>("act")? else { return Ok(None) };
        Ok(Some(Self {
            what: Mark::of(&name).ok_or_else(|| DatabaseError::column("act"))?,
            by: row.get("who")?,
            why: row.get("why")?,
            at_unix_ns: row.get("at_unix_ns")?,
            until_unix_ns: row.get("until_unix_ns")?,
        }))
    }
}

/// Writes an act down, unless it was decided on something else than what is there.
pub(super) fn apply(transaction: &Transaction<'_>, acting: &Acting) -> Result<Answer, DatabaseError> {
    let found = |row: &Row<'_>| Ok((row.get("row")?, row.get("revision")?, Acted::of(row)?));
    let found = transaction.first(FOUND, params![acting.id.0, acting.at_unix_ns], found)?;
    let Some((place, revision, acted)): Option<(i64, u32, _)> = found else {
        return Ok(Answer::Unknown);
    };
    if acting.is_done(acted.as_ref()) {
        return Ok(Answer::Already);
    }
    if revision != acting.revision {
        return Ok(Answer::Stale);
    }
    write(transaction, place, acting)?;
    Ok(Answer::Done)
}

fn write(transaction: &Transaction<'_>, place: i64, acting: &Acting) -> Result<(), DatabaseError> {
    let Acting { act, by, why, at_unix_ns, .. } = acting;
    let until_unix_ns = act.until_unix_ns();
    match act.mark() {
        Some(mark) => {
            transaction.execute(KEEP, params![place, mark.as_str(), by, why, at_unix_ns, until_unix_ns])?
        }
        None => transaction.execute(TAKE_BACK, params![place])?,
    };
    let revision = transaction.one(REVISE, params![place], |row| row.get(0))?;
    let note = Note { until_unix_ns, by: Some(by), why: Some(why), ..Note::new(act.label(), *at_unix_ns) };
    history::write(transaction, place, revision, &note)
}

/// Lets go of what was done about a divergence that opens again, unless it is still to be ignored.
pub(super) fn opened_again(
    transaction: &Transaction<'_>,
    place: i64,
    at_unix_ns: i64,
) -> Result<(), DatabaseError> {
    transaction.execute(OPENED_AGAIN, params![place, at_unix_ns])?;
    Ok(())
}
