//! Repair: writing to a store what a divergence says is missing there, and only if nobody else wrote meanwhile.
//!
//! ```text
//! ledger ─▶ plan ─▶ (an operator looks at it) ─▶ book: approved ─▶ worker: look, settle, set ─▶ book: applied ─▶ read again ─▶ confirmed
//! ```
//!
//! A *plan* says what would be done about each confirmed divergence, and does nothing. Who *approves* some of it names the
//! revision of each divergence that he saw. What is approved stands in the book, the ledger's own database, before anything is
//! written; a worker carries it out, or hands it to a webhook and waits until the sides agree. Off by default: without a `repair` section in a map's contract none of this is there.
//!
//! # Invariants
//!
//! - The application's write wins, always: see [`crate::store`]'s changes. A key is changed only if the store holds what the
//!   divergence was seen to hold, every source has told everything begun until then, and the divergence is still what it was.
//! - What is written has the digest that the map's side reported, and is seen to have it in the store before it counts.
//! - A repair is in the book before the store is touched, and carried out once: one that was under way when the comparator ended
//!   is looked at again, and is applied if the store holds what was wanted.
//! - A store is written to with a credential of its own, never with that of its reader.
//! - No value stands in the book, but sealed what was replaced, so that it can be undone; none in the audit log, nor any key.
//! - Where several comparators share a ledger, each carries out what is approved about keys that it watches, as it alone knows
//!   whether their sources have told everything; whichever of them it was approved at.
//! - Who acts is what a token proves; each act and each turn is an entry of a chain that cannot be changed unseen.

mod audit;
mod book;
mod breaker;
mod carry;
mod hand;
mod means;
mod plan;
mod retry;
mod row;
mod seal;
mod undo;
mod worker;

pub use audit::{AuditEntry, Broken, of_file as audit_of_file, verify as verify_audit};
pub use breaker::BreakerTerms;
pub use plan::{Action, Direction};
pub use row::RepairState;

pub(crate) use book::{Approved, BreakerRow, Page};
pub(crate) use hand::Webhook;
pub(crate) use means::{Means, Own};
pub(crate) use plan::Planned;
pub(crate) use row::Repair;
pub(crate) use undo::UndoError;
pub(crate) use worker::Worker;

use crate::Parts;
use crate::contract::MapId;
use crate::ledger::{ActedOn, DivergenceId, Filter, Ledger, LedgerError, Row, State};
use crate::restart;
use crate::telling::NOBODY_NAME;
use book::Book;
use bytes::Bytes;
use counterfoil_clock::wall_unix_ns;
use counterfoil_keys::{DeploymentKey, Keyring, SigningKey};
use retry::Retries;
use seal::Sealer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Divergences that a plan may have.
pub(crate) const PLAN_MAX: u32 = 1_000;

/// Values that wait, handed in by whoever applies a plan, in bytes.
const HANDED_BYTES_MAX: usize = 64 << 20;

/// The name under which the comparator acts by itself. No caller's token has it, for it has a space in it.
pub(crate) const COMPARATOR: &str = "the comparator";

/// Everything repairs need.
#[derive(Debug)]
pub struct Settings {
    /// The maps that may be repaired.
    pub(crate) maps: Vec<Terms>,
    /// Signs the audit log.
    pub(crate) signing: Option<SigningKey>,
    /// How long what was replaced is kept; 0 for not at all.
    pub(crate) undo_keep_ns: i64,
    /// Seal what was replaced.
    pub(crate) keys: Keyring<DeploymentKey>,
}

/// How one map is repaired.
#[derive(Debug)]
pub struct Terms {
    pub(crate) id: MapId,
    pub(crate) name: Arc<str>,
    pub(crate) store: String,
    pub(crate) direction: Direction,
    pub(crate) is_automatic: bool,
    pub(crate) means: Means,
    pub(crate) rate_per_minute_max: usize,
    pub(crate) breaker: BreakerTerms,
}

/// The repairs of a comparator.
pub(crate) struct Repairs {
    parts: Arc<Parts>,
    ledger: Ledger,
    book: Book,
    maps: HashMap<Arc<str>, Terms>,
    sealer: Sealer,
    undo_keep_ns: i64,
    /// What whoever approved a repair handed in, until it is carried out.
    handed: Mutex<HashMap<String, Bytes>>,
    retries: Retries,
}

/// What somebody approves of a plan.
pub(crate) struct Approval {
    pub(crate) id: DivergenceId,
    /// The revision of the divergence that the plan names.
    pub(crate) revision: u32,
    /// Which side is right, where the contract leaves that to whoever applies.
    pub(crate) direction: Option<Direction>,
    /// The value to put, where nobody else has it.
    pub(crate) value: Option<Bytes>,
}

/// What became of an approval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It stands in the book.
    Approved(String),
    /// It stood there before, in this state.
    Already(String, RepairState),
    /// The divergence changed since the revision that was named: this is its present one.
    Stale(u32),
    /// There is no such divergence.
    Unknown,
    /// It is not done, and why.
    Refused(String),
}

impl Repairs {
    /// With the book in the ledger's database.
    pub(crate) fn new(settings: Settings, parts: Arc<Parts>, ledger: Ledger) -> Self {
        let Settings { maps, signing, undo_keep_ns, keys } = settings;
        let book = Book::new(ledger.database(), signing);
        Self {
            parts,
            ledger,
            book,
            maps: maps.into_iter().map(|terms| (terms.name.clone(), terms)).collect(),
            sealer: Sealer::new(keys),
            undo_keep_ns,
            handed: Mutex::default(),
            retries: Retries::default(),
        }
    }

    /// Whether values of the map may be recalled from sidecars.
    fn may_recall(&self, terms: &Terms) -> bool {
        self.parts.engine.contracts().get(terms.id).is_some_and(|contract| contract.values.is_some())
    }

    /// What would be done about the confirmed divergences of `map`, or of all maps that may be repaired, that nobody ignores and
    /// that are of `kind`; the newest [`PLAN_MAX`] of them, and whether there are more.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub(crate) async fn plan(
        &self,
        map: Option<String>,
        kind: Option<String>,
    ) -> Result<(Vec<Planned>, bool), LedgerError> {
        self.ledger.catch_up().await?;
        let maps = self.maps.keys().map(|name| name.to_string()).collect();
        let filter = Filter {
            map,
            maps: Some(maps),
            kind,
            state: Some(State::Confirmed),
            limit: PLAN_MAX,
            ..Filter::default()
        };
        let page = self.ledger.list(filter).await?;
        let planned = page.rows.into_iter().filter_map(|row| {
            let terms = self.maps.get(row.map.as_str())?;
            Some(plan::of(&row, terms, terms.direction, self.may_recall(terms)))
        });
        Ok((planned.collect(), page.next.is_some()))
    }

    /// Approves what `by` wants done, one after the other.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the book cannot be written; what came before is approved.
    pub(crate) async fn approve(&self, by: &str, approval: Approval) -> Result<Answer, LedgerError> {
        let Some(row) = self.ledger.get(approval.id).await? else { return Ok(Answer::Unknown) };
        if row.revision != approval.revision || row.state != State::Confirmed {
            return Ok(Answer::Stale(row.revision));
        }
        let Some(terms) = self.maps.get(row.map.as_str()) else {
            return Ok(Answer::Refused(format!("map `{}` has no section `repair`", row.map)));
        };
        let planned = match self.planned(&row, terms, &approval) {
            Ok(planned) => planned,
            Err(why) => return Ok(Answer::Refused(why)),
        };
        if let Some(why) = self.book.breaker(&terms.name).await? {
            return Ok(Answer::Refused(format!("the breaker of the map is open: {why}")));
        }
        let repair = Repair::new(&row, &planned, terms, by, wall_unix_ns());
        let id = repair.id.clone();
        if approval.value.is_some() && self.ours(vec![repair.clone()]).is_empty() {
            let why = "value_base64: another comparator watches the key; apply it there, or without a value";
            return Ok(Answer::Refused(why.to_owned()));
        }
        if let Some(value) = approval.value
            && !self.hand_in(&id, value)
        {
            return Ok(Answer::Refused(format!(
                "values that wait have {HANDED_BYTES_MAX} bytes; apply fewer at a time"
            )));
        }
        Ok(match self.book.approve(repair).await? {
            Approved::Now => Answer::Approved(id),
            Approved::Before(state) => {
                if !matches!(state, RepairState::Approved | RepairState::Applying) {
                    self.let_go(&id);
                }
                Answer::Already(id, state)
            }
        })
    }

    /// What is to be done by an approval, if it may be.
    fn planned(&self, row: &Row, terms: &Terms, approval: &Approval) -> Result<Planned, String> {
        let direction = match (terms.direction, approval.direction) {
            (Direction::Ask, Some(chosen)) => chosen,
            (written, None) => written,
            (written, Some(chosen)) if written == chosen => written,
            (written, Some(_)) => {
                return Err(format!("direction: the contract says {}; leave it out", written.label()));
            }
        };
        if terms.means.is_webhook() && approval.value.is_some() {
            return Err(
                "value_base64: the task is handed over, and no value with it; leave it out".to_owned()
            );
        }
        let has_value = self.may_recall(terms) || approval.value.is_some();
        let planned = plan::of(row, terms, direction, has_value);
        match &planned.why_not {
            Some(why) => Err(why.clone()),
            None => Ok(planned),
        }
    }

    /// Those of `repairs` whose keys this comparator watches: all of them, where it has the ledger alone.
    fn ours(&self, repairs: Vec<Repair>) -> Vec<Repair> {
        if !self.ledger.database().is_shared() || repairs.is_empty() {
            return repairs;
        }
        let sources = restart::ids(self.parts.engine.sources());
        let is_ours =
            |repair: &Repair| self.watches(&sources, &repair.source, &repair.map, &repair.key_bytes);
        repairs.into_iter().filter(is_ours).collect()
    }

    /// Whether this comparator judges a key by the source of the write that its divergence names. What no source told of is
    /// watched by who has the divergence in its table.
    fn watches(&self, sources: &HashMap<String, u32>, source: &str, map: &str, key: &[u8]) -> bool {
        let is_divergent = |terms: &Terms| self.parts.engine.table().is_only_divergent(terms.id, key);
        match source {
            NOBODY_NAME => self.maps.get(map).is_some_and(is_divergent),
            _ => sources.contains_key(source),
        }
    }

    /// Keeps a value until its repair is carried out, if there is room.
    fn hand_in(&self, id: &str, value: Bytes) -> bool {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = handed.values().map(Bytes::len).sum();
        let fits = bytes.saturating_add(value.len()) <= HANDED_BYTES_MAX;
        if fits {
            handed.insert(id.to_owned(), value);
        }
        fits
    }

    /// The book of what was approved and what became of it.
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// What automatic maps would have done, that nobody has looked at and nothing is missing for.
    async fn plan_automatic(&self, terms: &Terms) -> Result<Vec<Approval>, LedgerError> {
        let limit = u32::try_from(terms.rate_per_minute_max).unwrap_or(PLAN_MAX).min(PLAN_MAX);
        let filter = Filter {
            map: Some(terms.name.to_string()),
            state: Some(State::Confirmed),
            acted: Some(ActedOn::ByNobody),
            limit,
            ..Filter::default()
        };
        let rows = self.ledger.list(filter).await?.rows;
        let may = |row: &Row| {
            plan::may_be_automatic(&row.kind)
                && plan::of(row, terms, terms.direction, self.may_recall(terms)).why_not.is_none()
        };
        let approval =
            |row: Row| Approval { id: row.id, revision: row.revision, direction: None, value: None };
        Ok(rows.into_iter().filter(may).map(approval).collect())
    }
}
