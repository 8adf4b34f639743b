//! What the comparator is told about a map: its contract.

use super::MapPlan;
use counterfoil_judge::Terms;

/// The contract's terms of a map.
#[must_use]
pub fn terms(map: &MapPlan) -> Terms {
    Terms {
        deadline: map.deadline,
        lead: map.lead,
        give_up: map.give_up,
        patience: map.deadline,
        expires: map.expires_after.is_some(),
        scope: map.scope,
    }
}
