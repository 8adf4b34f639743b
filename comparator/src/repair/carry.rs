//! Carrying one repair out: from `approved` or `applying` to what became of it.

use super::book::Turn;
use super::row::{Repair, RepairState};
use super::{Action, Repairs, Terms};
use crate::contract::Contract;
use crate::ledger::{LedgerError, State, digest_of};
use crate::recall::NoValue;
use crate::store::{Found, SETTLE_MAX, StoreError, Swap, Swapped};
use bytes::Bytes;
use counterfoil_clock::{now, wall_unix_ns};
use counterfoil_digest::MapDigesters;
use counterfoil_judge::{Digest, Time};
use counterfoil_keys::KeyNumber;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// From one look at what the sources have told to the next.
const SETTLE_EVERY: Duration = Duration::from_millis(20);

/// How long a repair is tried whose store does not answer, in nanoseconds: 10 minutes.
const TRIED_NS: i64 = 600_000_000_000;

/// What a repair comes to, and why.
type Ended = (RepairState, Option<String>);

fn ended(state: RepairState, why: &str) -> Ended {
    (state, Some(why.to_owned()))
}

impl Repairs {
    /// Carries a repair out; gives what it came to, or nothing if it is to be tried again later.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the book cannot be written.
    pub(super) async fn carry(&self, repair: &Repair) -> Result<Option<RepairState>, LedgerError> {
        if repair.state == RepairState::Approved {
            let begun = Turn::new(RepairState::Approved, RepairState::Applying, None);
            if !self.book.turn(repair, begun).await? {
                return Ok(None);
            }
        }
        let come = match self.maps.get(repair.map.as_str()) {
            Some(terms) => self.make(repair, terms).await,
            None => Ok(ended(RepairState::Refused, "the map has no section `repair` any more")),
        };
        let (to, why) = match come {
            Ok(come) => come,
            Err(error) if wall_unix_ns().saturating_sub(repair.approved_at_unix_ns) < TRIED_NS => {
                tracing::warn!(repair = repair.id, %error, "a repair is tried again: the store does not answer");
                return Ok(None);
            }
            Err(error) => (RepairState::Failed, Some(error.to_string())),
        };
        self.let_go(&repair.id);
        self.book.turn(repair, Turn::new(RepairState::Applying, to, why)).await?;
        Ok(Some(to))
    }

    async fn make(&self, repair: &Repair, terms: &Terms) -> Result<Ended, StoreError> {
        let contracts = self.parts.engine.contracts();
        let Some(contract) = contracts.get(terms.id) else {
            return Ok(ended(RepairState::Refused, "the map has no contract any more"));
        };
        let value = match self.value(repair, terms, contract).await {
            Ok(value) => value,
            Err(why) => return self.look_again(repair, terms, contract, why).await,
        };
        let swap = swap(repair, contract, value);
        let held_up = Mutex::new(None);
        let note = &held_up;
        let settle = |found: Found| async move {
            let why = self.settle(repair, terms, contract, &found).await.err();
            let is_settled = why.is_none();
            *note.lock().unwrap_or_else(PoisonError::into_inner) = why;
            is_settled
        };
        let swapped = terms.changer.swap(&terms.writing, &swap, settle).await;
        let held_up = held_up.into_inner().unwrap_or_else(PoisonError::into_inner);
        match swapped {
            // What cannot be asked for cannot be asked for again either.
            Err(error @ StoreError::Query { .. }) => Ok((RepairState::Failed, Some(error.to_string()))),
            swapped => Ok(come_to(swapped?, held_up)),
        }
    }

    /// There is no value. If the repair was under way before, it may have been made.
    async fn look_again(
        &self,
        repair: &Repair,
        terms: &Terms,
        contract: &Contract,
        why: String,
    ) -> Result<Ended, StoreError> {
        let swap = swap(repair, contract, None);
        let swapped = terms.changer.swap(&terms.writing, &swap, |_| async { false }).await?;
        Ok(match swapped {
            Swapped::Already => (RepairState::Applied, None),
            Swapped::Overtaken => come_to(Swapped::Overtaken, None),
            _ => (RepairState::Refused, Some(why)),
        })
    }

    /// What is to be put, seen to have the digest that the map's side reported; `None` to remove the key.
    async fn value(
        &self,
        repair: &Repair,
        terms: &Terms,
        contract: &Contract,
    ) -> Result<Option<Bytes>, String> {
        if repair.action == Action::Remove {
            return Ok(None);
        }
        let handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner).get(&repair.id).cloned();
        let value = match handed {
            Some(value) => value,
            None => self.recalled(repair, terms).await.map_err(|why| why.to_string())?,
        };
        let found = Found::Value(value.to_vec(), None);
        if !has_digest(&contract.digesters, &repair.wanted_digest, &found) {
            return Err(
                "the value is not the one that the map's side reported: its digest is another".to_owned()
            );
        }
        Ok(Some(value))
    }

    /// The value as the sidecar has it that saw the write. One with masked fields is not what was written.
    async fn recalled(&self, repair: &Repair, terms: &Terms) -> Result<Bytes, NoValue> {
        let recall = &self.parts.recall;
        let write = recall.write_of(terms.id, &repair.source, repair.seq).ok_or(NoValue::Gone)?;
        let digest = digest_of(&repair.wanted_digest).ok_or(NoValue::Mismatch)?;
        let recalled = recall.value_of(terms.id, write, digest).await?;
        if recalled.is_masked {
            return Err(NoValue::Masked);
        }
        Ok(Bytes::copy_from_slice(recalled.value.expose()))
    }

    /// Keeps what is to be replaced, and waits until every source has told everything begun before the store was looked at; an
    /// error says why the store is not to be changed.
    async fn settle(
        &self,
        repair: &Repair,
        terms: &Terms,
        contract: &Contract,
        found: &Found,
    ) -> Result<(), String> {
        let looked = now();
        self.keep_former(repair, contract, found).await?;
        let waited = tokio::time::timeout(SETTLE_MAX / 2, self.told_until(contract, looked)).await;
        if waited != Ok(true) {
            return Err(
                "the sources did not tell in time what they had written, or one of them is lost".to_owned()
            );
        }
        self.stands(repair, terms).await
    }

    async fn keep_former(&self, repair: &Repair, contract: &Contract, found: &Found) -> Result<(), String> {
        if self.undo_keep_ns == 0 {
            return Ok(());
        }
        let former = match found {
            Found::Absent => None,
            Found::Value(value, _) => Some(value.as_slice()),
        };
        let sealed = self.sealer.seal(&contract.tenant, &repair.id, former);
        let sealed = sealed.ok_or("what is to be replaced cannot be sealed, and could not be undone")?;
        let until_unix_ns = wall_unix_ns().saturating_add(self.undo_keep_ns);
        self.book.keep(&repair.id, sealed, until_unix_ns).await.map_err(|error| error.to_string())
    }

    /// Waits until every source has told everything begun before `looked`; `false` if one is lost, and may never tell.
    async fn told_until(&self, contract: &Contract, looked: Time) -> bool {
        let engine = &self.parts.engine;
        let place = engine.contracts().tenant_place(&contract.tenant);
        loop {
            if engine.sources().tenants_of_lost().contains(&contract.tenant) {
                return false;
            }
            let horizons = engine.sources().horizons(engine.contracts().tenants(), engine.clocks(), now());
            if place.and_then(|place| horizons.get(place)).is_some_and(|horizon| *horizon > looked) {
                return true;
            }
            tokio::time::sleep(SETTLE_EVERY).await;
        }
    }

    /// Whether the divergence is still what was approved: no newer write of its key waits, and nobody did anything about it.
    async fn stands(&self, repair: &Repair, terms: &Terms) -> Result<(), String> {
        if !self.parts.engine.table().is_only_divergent(terms.id, &repair.key_bytes) {
            return Err("the key was written to since, or the divergence is over".to_owned());
        }
        let told = async {
            self.ledger.catch_up().await?;
            self.ledger.get(repair.divergence).await
        };
        let row = told.await.map_err(|error| error.to_string())?;
        let is_same = row.is_some_and(|row| row.revision == repair.revision && row.state == State::Confirmed);
        if is_same { Ok(()) } else { Err("the divergence changed since it was approved".to_owned()) }
    }

    /// Gives the store back what it held before a repair, if it still holds what the repair wrote.
    ///
    /// # Errors
    ///
    /// Why it is not done.
    pub(crate) async fn undo(&self, id: &str, by: &str) -> Result<Repair, UndoError> {
        let repair = self.book.get(id).await?.ok_or(UndoError::Unknown)?;
        if !matches!(repair.state, RepairState::Applied | RepairState::Confirmed | RepairState::Recurred) {
            return Err(UndoError::Refused(format!(
                "it is {}; only what was applied can be undone",
                repair.state.as_str()
            )));
        }
        let terms = self.maps.get(repair.map.as_str());
        let contract = terms.and_then(|terms| self.parts.engine.contracts().get(terms.id));
        let (Some(terms), Some(contract), Some(sealed)) = (terms, contract, &repair.former) else {
            return Err(UndoError::Refused("what the store held before is not kept any more".to_owned()));
        };
        let former = self.sealer.open(&contract.tenant, &repair.id, sealed);
        let former = former
            .ok_or_else(|| UndoError::Refused("the key that it was sealed under is gone".to_owned()))?;
        let mut back = swap(&repair, contract, former);
        std::mem::swap(&mut back.is_expected, &mut back.is_wanted);
        match terms.changer.swap(&terms.writing, &back, |_| async { true }).await? {
            Swapped::Written | Swapped::Already => {}
            other => return Err(UndoError::Refused(come_to(other, None).1.unwrap_or_default())),
        }
        let turn = Turn { from: repair.state, to: RepairState::Undone, why: None, by: by.to_owned() };
        self.book.turn(&repair, turn).await?;
        self.look_now(terms, &repair);
        self.book.get(id).await?.ok_or(UndoError::Unknown)
    }

    /// Has the key read again at once.
    pub(super) fn look_now(&self, terms: &Terms, repair: &Repair) {
        self.parts.engine.table().rouse_one(terms.id, &repair.key_bytes, now());
    }

    pub(super) fn let_go(&self, id: &str) {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// Why a repair is not undone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UndoError {
    /// There is no such repair.
    #[error("no such repair")]
    Unknown,
    /// It may not or cannot be.
    #[error("{0}")]
    Refused(String),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The book does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What a change of the store came to, for its repair.
fn come_to(swapped: Swapped, held_up: Option<String>) -> Ended {
    match swapped {
        Swapped::Written | Swapped::Already => (RepairState::Applied, None),
        Swapped::Overtaken => {
            ended(RepairState::Overtaken, "the store holds something else than what was seen there")
        }
        Swapped::Unsettled => (RepairState::Overtaken, held_up),
        Swapped::Untold(error) => (RepairState::Failed, Some(error.to_string())),
        Swapped::Rows(rows) => (
            RepairState::Failed,
            Some(format!("the statement changes {rows} rows instead of one, and was rolled back")),
        ),
        Swapped::NotWanted => ended(
            RepairState::Failed,
            "the statement leaves another value than the map's, and was rolled back",
        ),
    }
}

/// The change that a repair is.
fn swap(repair: &Repair, contract: &Contract, value: Option<Bytes>) -> Swap {
    let says = |digest: &str| {
        let (digesters, digest) = (contract.digesters.clone(), digest.to_owned());
        let says: Arc<dyn Fn(&Found) -> bool + Send + Sync> =
            Arc::new(move |found| has_digest(&digesters, &digest, found));
        says
    };
    Swap {
        key: Bytes::copy_from_slice(&repair.key_bytes),
        value,
        is_expected: says(&repair.observed_digest),
        is_wanted: says(&repair.wanted_digest),
    }
}

/// Whether what was found has this digest, under any key that batches are accepted under.
fn has_digest(digesters: &MapDigesters, digest: &str, found: &Found) -> bool {
    let value = match found {
        Found::Absent => return digest_of(digest).is_some_and(Digest::is_absent),
        Found::Value(value, _) => value,
    };
    let mut under = (0..).map_while(|number| digesters.under(KeyNumber::nth(number)?));
    under.any(|digester| digester.digest(Some(value)).is_ok_and(|found| found.to_string() == digest))
}
