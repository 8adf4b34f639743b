//! Carrying one repair out: from `approved` or `applying` to what became of it.

use super::book::Turn;
use super::row::{Repair, RepairState};
use super::{Action, Means, Own, Repairs, Terms};
use crate::contract::Contract;
use crate::ledger::{LedgerError, Row, State, digest_of};
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

/// What an attempt at a repair came to.
pub(super) enum Attempt {
    /// This, and why.
    Ended(RepairState, Option<String>),
    /// Nothing for now: why, how long to wait at least, and what it comes to if it is tried often enough.
    Later { why: String, wait: Duration, at_last: RepairState },
}

impl Attempt {
    fn ended(state: RepairState, why: &str) -> Self {
        Self::Ended(state, Some(why.to_owned()))
    }

    /// Why it is not done, if it is not.
    pub(super) fn why(self) -> String {
        match self {
            Self::Ended(_, why) => why.unwrap_or_default(),
            Self::Later { why, .. } => why,
        }
    }

    /// There is no value to be put.
    fn without_value(reason: NoValue) -> Self {
        let why = reason.to_string();
        if reason.may_pass() {
            Self::Later { why, wait: Duration::ZERO, at_last: RepairState::Refused }
        } else {
            Self::Ended(RepairState::Refused, Some(why))
        }
    }

    /// It is not known what became of a change.
    fn without_answer(error: &StoreError) -> Self {
        let why = error.to_string();
        match error {
            // What cannot be asked for cannot be asked for again either.
            StoreError::Query { .. } => Self::Ended(RepairState::Failed, Some(why)),
            _ => Self::Later { why, wait: Duration::ZERO, at_last: RepairState::Failed },
        }
    }
}

impl Repairs {
    /// Carries a repair out; gives what it came to, or nothing if it is to be tried again later.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the book cannot be written.
    pub(super) async fn carry(&self, repair: &Repair) -> Result<Option<RepairState>, LedgerError> {
        let mut repair = repair.clone();
        let attempt = match self.maps.get(repair.map.as_str()) {
            Some(terms) => match &terms.means {
                Means::Own(own) => self.make(&mut repair, terms, own).await?,
                Means::Webhook(webhook) => self.hand_over(&repair, terms, webhook).await,
            },
            None => Attempt::ended(RepairState::Refused, "the map has no section `repair` any more"),
        };
        let (to, why) = match attempt {
            Attempt::Ended(to, why) => (to, why),
            Attempt::Later { why, wait, .. } if self.retries.later(&repair.id, wait, now()) => {
                tracing::warn!(repair = repair.id, why, "a repair is tried again later");
                self.book.put_off(&repair.id, why).await?;
                return Ok(None);
            }
            Attempt::Later { why, at_last, .. } => (at_last, Some(why)),
        };
        self.let_go(&repair.id);
        Ok(self.book.turn(&repair, Turn::new(repair.state, to, why)).await?.then_some(to))
    }

    /// Changes the store, once there is the value that is to be put.
    async fn make(&self, repair: &mut Repair, terms: &Terms, own: &Own) -> Result<Attempt, LedgerError> {
        let contracts = self.parts.engine.contracts();
        let Some(contract) = contracts.get(terms.id) else {
            return Ok(Attempt::ended(RepairState::Refused, "the map has no contract any more"));
        };
        let value = match self.value(repair, terms, contract).await {
            Ok(value) => value,
            Err(lack) if repair.state == RepairState::Approved => return Ok(lack),
            Err(lack) => return Ok(look_again(repair, own, contract, lack).await),
        };
        if repair.state == RepairState::Approved {
            let begun = Turn::new(RepairState::Approved, RepairState::Applying, None);
            if !self.book.turn(repair, begun).await? {
                // Somebody turned it, so that the turn that this asks for comes to nothing too.
                return Ok(Attempt::Ended(RepairState::Overtaken, None));
            }
            repair.state = RepairState::Applying;
        }
        Ok(self.change(repair, terms, contract, own, value).await)
    }

    async fn change(
        &self,
        repair: &Repair,
        terms: &Terms,
        contract: &Contract,
        own: &Own,
        value: Option<Bytes>,
    ) -> Attempt {
        let swap = swap(repair, contract, value);
        let held_up = Mutex::new(None);
        let note = &held_up;
        let settle = |found: Found| async move {
            let why = self.settle(repair, terms, contract, &found).await.err();
            let is_settled = why.is_none();
            *note.lock().unwrap_or_else(PoisonError::into_inner) = why;
            is_settled
        };
        let swapped = own.changer.swap(&own.writing, &swap, settle).await;
        let held_up = held_up.into_inner().unwrap_or_else(PoisonError::into_inner);
        swapped.map_or_else(|error| Attempt::without_answer(&error), |swapped| come_to(swapped, held_up))
    }

    /// What is to be put, seen to have the digest that the map's side reported; `None` to remove the key. An error is what the
    /// repair comes to without it.
    async fn value(
        &self,
        repair: &Repair,
        terms: &Terms,
        contract: &Contract,
    ) -> Result<Option<Bytes>, Attempt> {
        if repair.action == Action::Remove {
            return Ok(None);
        }
        let handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner).get(&repair.id).cloned();
        let value = match handed {
            Some(value) => value,
            None => self.recalled(repair, terms).await.map_err(Attempt::without_value)?,
        };
        let found = Found::Value(value.to_vec(), None);
        if !has_digest(&contract.digesters, &repair.wanted_digest, &found) {
            let why = "the value is not the one that the map's side reported: its digest is another";
            return Err(Attempt::ended(RepairState::Refused, why));
        }
        Ok(Some(value))
    }

    /// The value as the sidecar has it that saw the write. One with masked fields is not what was written.
    async fn recalled(&self, repair: &Repair, terms: &Terms) -> Result<Bytes, NoValue> {
        let recall = &self.parts.recall;
        let recalled = recall.reported(terms.id, &repair.source, repair.seq, &repair.wanted_digest).await?;
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
        self.stands(repair, terms).await.map(|_| ())
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

    /// The divergence, if it is still what was approved: no newer write of its key waits, and nobody did anything about it.
    pub(super) async fn stands(&self, repair: &Repair, terms: &Terms) -> Result<Row, String> {
        if !self.parts.engine.table().is_only_divergent(terms.id, &repair.key_bytes) {
            return Err("the key was written to since, or the divergence is over".to_owned());
        }
        let told = async {
            self.ledger.catch_up().await?;
            self.ledger.get(repair.divergence).await
        };
        let row = told.await.map_err(|error| error.to_string())?;
        row.filter(|row| row.revision == repair.revision && row.state == State::Confirmed)
            .ok_or_else(|| "the divergence changed since it was approved".to_owned())
    }

    /// Has the key read again at once.
    pub(super) fn look_now(&self, terms: &Terms, repair: &Repair) {
        self.parts.engine.table().rouse_one(terms.id, &repair.key_bytes, now());
    }

    pub(super) fn let_go(&self, id: &str) {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.retries.forget(id);
    }
}

/// There is no value. If the repair was under way before, it may have been made.
async fn look_again(repair: &Repair, own: &Own, contract: &Contract, lack: Attempt) -> Attempt {
    let swap = swap(repair, contract, None);
    match own.changer.swap(&own.writing, &swap, |_| async { false }).await {
        Ok(swapped @ (Swapped::Already | Swapped::Overtaken)) => come_to(swapped, None),
        Ok(_) => lack,
        Err(error) => Attempt::without_answer(&error),
    }
}

/// What a change of the store came to, for its repair.
pub(super) fn come_to(swapped: Swapped, held_up: Option<String>) -> Attempt {
    use RepairState::{Applied, Failed, Overtaken};
    match swapped {
        Swapped::Written | Swapped::Already => Attempt::Ended(Applied, None),
        Swapped::Overtaken => {
            Attempt::ended(Overtaken, "the store holds something else than what was seen there")
        }
        Swapped::Unsettled => Attempt::Ended(Overtaken, held_up),
        Swapped::Untold(error) => Attempt::Ended(Failed, Some(error.to_string())),
        Swapped::Rows(rows) => {
            let why = format!("the statement changes {rows} rows instead of one, and was rolled back");
            Attempt::Ended(Failed, Some(why))
        }
        Swapped::NotWanted => {
            Attempt::ended(Failed, "the statement leaves another value than the map's, and was rolled back")
        }
    }
}

/// The change that a repair is.
pub(super) fn swap(repair: &Repair, contract: &Contract, value: Option<Bytes>) -> Swap {
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

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_proto::NoValue as OfSidecar;

    #[test]
    fn a_value_that_may_come_later_is_waited_for_and_one_that_never_does_is_not() {
        for (reason, is_waited_for) in [
            (NoValue::Gone, true),
            (NoValue::Late, true),
            (NoValue::Busy, true),
            (NoValue::NotWanted, false),
            (NoValue::Absent, false),
            (NoValue::Sidecar(OfSidecar::Expired), false),
            (NoValue::Sidecar(OfSidecar::Unknown), false),
            (NoValue::Unsupported, false),
            (NoValue::Masked, false),
            (NoValue::Mismatch, false),
        ] {
            let (is_later, state) = match Attempt::without_value(reason) {
                Attempt::Later { at_last, .. } => (true, at_last),
                Attempt::Ended(state, _) => (false, state),
            };
            assert_eq!((is_later, state), (is_waited_for, RepairState::Refused), "{reason:?}");
        }
    }
}
