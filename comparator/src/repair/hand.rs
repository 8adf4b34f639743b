//! Handing a repair over: a webhook is told what is to be done, and has it done.
//!
//! What is posted is an event of CloudEvents 1.0 of the type [`TASK`], signed as in Standard Webhooks. Its data are
//!
//! | field | what |
//! |---|---|
//! | `repair` | the repair's id: the same however often the task comes |
//! | `divergence`, `map`, `store`, `kind`, `source`, `seq` | the divergence, as the ledger has it |
//! | `key_base64` | the key |
//! | `direction` | `map_wins`: the store is to follow, `store_wins`: the map is |
//! | `action` | `put` or `remove` the key in the store; `follow`: let the map take what the store holds |
//! | `map_digest`, `store_digest` | what the sides hold: whoever acts later finds out whether that is still so |
//! | `trace_id` | the trace in which the write was made, if there is one |
//! | `approved_by` | who wants it done |
//!
//! The id of the event is that of the repair and the time of its approval: what is approved once more is another event.
//!
//! # Invariants
//!
//! - No value is handed over.
//! - It is handed over only while the divergence is what was approved, and at least once: whoever looks at the id does it once.

use super::carry::Attempt;
use super::plan::{Action, Direction};
use super::row::{Repair, RepairState};
use super::{Repairs, Terms};
use crate::ledger::Row;
use crate::notify::{Event, SigningSecret, signed_headers};
use crate::outbound::{Address, PostError, Posted, Poster, Verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use counterfoil_clock::wall_unix_ns;
use serde_json::json;
use std::time::Duration;

/// The type of the event.
const TASK: &str = "counterfoil.repair.task";

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Nanoseconds in a second.
const S: i64 = 1_000_000_000;

/// Who is handed the tasks of a map.
#[derive(Debug)]
pub(crate) struct Webhook {
    poster: Poster,
    secret: SigningSecret,
    /// Which comparator speaks.
    source: String,
}

impl Webhook {
    /// Will hand tasks to `address`, signed with `secret`, in the name of the comparator `source`.
    ///
    /// # Errors
    ///
    /// [`PostError::Client`].
    pub(crate) fn new(address: Address, secret: SigningSecret, source: &str) -> Result<Self, PostError> {
        Ok(Self { poster: Poster::new(address, ANSWER_WITHIN)?, secret, source: source.to_owned() })
    }

    async fn post(&self, repair: &Repair, row: &Row) -> Result<Posted, PostError> {
        let id = format!("{}-{}", repair.id, repair.approved_at_unix_ns);
        let body = Bytes::from(self.task(&id, repair, row));
        let headers = signed_headers(&self.secret, &id, wall_unix_ns() / S, &body);
        self.poster.post(headers, body).await
    }

    fn task(&self, id: &str, repair: &Repair, row: &Row) -> String {
        let direction =
            if repair.action == Action::Follow { Direction::StoreWins } else { Direction::MapWins };
        let data = json!({
            "repair": repair.id,
            "divergence": repair.divergence,
            "map": repair.map,
            "store": repair.store,
            "key_base64": STANDARD.encode(&repair.key_bytes),
            "kind": repair.kind,
            "direction": direction,
            "action": repair.action,
            "map_digest": row.map_digest,
            "store_digest": row.store_digest,
            "source": repair.source,
            "seq": repair.seq,
            "trace_id": row.trace_id,
            "approved_by": repair.by,
        });
        let event = Event {
            id,
            source: &self.source,
            kind: TASK,
            map: &repair.map,
            store: Some(&repair.store),
            at_unix_ns: repair.approved_at_unix_ns,
            data,
        };
        event.body().to_string()
    }
}

impl Repairs {
    /// Hands a repair over, if its divergence is still what was approved.
    pub(super) async fn hand_over(&self, repair: &Repair, terms: &Terms, webhook: &Webhook) -> Attempt {
        let row = match self.stands(repair, terms).await {
            Ok(row) => row,
            Err(why) => return Attempt::Ended(RepairState::Overtaken, Some(why)),
        };
        match Verdict::of(&webhook.post(repair, &row).await) {
            Verdict::Delivered => Attempt::Ended(RepairState::Handed, None),
            Verdict::Never(why) => {
                Attempt::Ended(RepairState::Failed, Some(format!("the webhook does not take it: {why}")))
            }
            Verdict::Later(why, wait) => Attempt::Later {
                why: format!("the webhook did not take it: {why}"),
                wait: wait.unwrap_or_default(),
                at_last: RepairState::Failed,
            },
        }
    }
}
