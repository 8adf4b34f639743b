//! Taking a repair back: from what was kept of it.

use super::Repairs;
use super::book::Turn;
use super::carry::{come_to, swap};
use super::row::{Repair, RepairState};
use crate::ledger::LedgerError;
use crate::store::{StoreError, Swapped};

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

impl Repairs {
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
        if terms.is_some_and(|terms| terms.means.is_webhook()) {
            let why = "it was handed over, and the comparator may not write to the store; take it back where it was done";
            return Err(UndoError::Refused(why.to_owned()));
        }
        let own = terms.and_then(|terms| terms.means.own());
        let contract = terms.and_then(|terms| self.parts.engine.contracts().get(terms.id));
        let (Some(terms), Some(own), Some(contract), Some(sealed)) = (terms, own, contract, &repair.former)
        else {
            return Err(UndoError::Refused("what the store held before is not kept any more".to_owned()));
        };
        let former = self.sealer.open(&contract.tenant, &repair.id, sealed);
        let former = former
            .ok_or_else(|| UndoError::Refused("the key that it was sealed under is gone".to_owned()))?;
        let mut back = swap(&repair, contract, former);
        std::mem::swap(&mut back.is_expected, &mut back.is_wanted);
        match own.changer.swap(&own.writing, &back, |_| async { true }).await? {
            Swapped::Written | Swapped::Already => {}
            other => return Err(UndoError::Refused(come_to(other, None).why())),
        }
        let turn = Turn { from: repair.state, to: RepairState::Undone, why: None, by: by.to_owned() };
        self.book.turn(&repair, turn).await?;
        self.look_now(terms, &repair);
        self.book.get(id).await?.ok_or(UndoError::Unknown)
    }
}
