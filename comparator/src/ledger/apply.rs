//! How a transition changes the file.

use super::act;
use super::history::{self, Note};
use super::outbox::Standing;
use super::transition::{Opened, Transition, Turned};
use counterfoil_digest::Differing;
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

const OPEN: &str = "
INSERT INTO divergence (id, map, store, key, kind, state, times, source, seq, opened_at_unix_ns, store_digest, map_digest,
    stale_versions, stale_at_least_ns, write_ended_ns, seen_after_ns, trace_id, fields, fields_missing, revision)
VALUES (:id, :map, :store, :key, :kind, 'opened', 1, :source, :seq, :at, :store_digest, :map_digest,
    :stale_versions, :stale_at_least_ns, :write_ended_ns, :seen_after_ns, :trace_id, :fields, :fields_missing, 1)
ON CONFLICT (id) DO UPDATE SET state = 'opened', times = times + 1, revision = revision + 1, store = excluded.store, source = excluded.source, seq = excluded.seq,
    opened_at_unix_ns = excluded.opened_at_unix_ns, confirmed_at_unix_ns = NULL, resolved_at_unix_ns = NULL,
    resolved_how = NULL, store_digest = excluded.store_digest, map_digest = excluded.map_digest,
    stale_versions = excluded.stale_versions, stale_at_least_ns = excluded.stale_at_least_ns,
    write_ended_ns = excluded.write_ended_ns, seen_after_ns = excluded.seen_after_ns, trace_id = excluded.trace_id,
    fields = excluded.fields, fields_missing = excluded.fields_missing
WHERE state = 'resolved' RETURNING row, revision, map, store, kind, trace_id, confirmed_at_unix_ns";

const CONFIRM: &str = "
UPDATE divergence SET state = 'confirmed', revision = revision + 1, confirmed_at_unix_ns = :at,
    fields = coalesce(:fields, fields), fields_missing = coalesce(:fields_missing, fields_missing)
WHERE id = :id AND state = 'opened' RETURNING row, revision, map, store, kind, trace_id, confirmed_at_unix_ns";

const RESOLVE: &str = "
UPDATE divergence SET state = 'resolved', revision = revision + 1, resolved_at_unix_ns = :at, resolved_how = :how
WHERE id = :id AND state <> 'resolved' RETURNING row, revision, map, store, kind, trace_id, confirmed_at_unix_ns";

const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM divergence WHERE id = ?1)";

/// What a transition did.
pub(super) enum Applied {
    /// The divergence is in another state now.
    Changed(Turned, Standing),
    /// It was in that state already.
    Known,
    /// The ledger does not know the divergence.
    Orphan,
}

/// A divergence that a transition changed.
struct Changed {
    place: i64,
    revision: u32,
    was_confirmed: bool,
    map: String,
    store: Option<String>,
    kind: String,
    trace_id: Option<[u8; 16]>,
}

impl Changed {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let confirmed_at_unix_ns: Option<i64> = row.get("confirmed_at_unix_ns")?;
        Ok(Self {
            place: row.get("row")?,
            revision: row.get("revision")?,
            was_confirmed: confirmed_at_unix_ns.is_some(),
            map: row.get("map")?,
            store: row.get("store")?,
            kind: row.get("kind")?,
            trace_id: row.get("trace_id")?,
        })
    }
}

/// Changes the state of a divergence, and adds that to its history. A transition that changes nothing leaves nothing there.
pub(super) fn apply(transaction: &Transaction<'_>, transition: &Transition) -> rusqlite::Result<Applied> {
    let id = transition.id();
    let Some(changed) = change(transaction, transition).optional()? else {
        let is_known = transaction.prepare_cached(KNOWN)?.query_row([id.0], |row| row.get(0))?;
        return Ok(if is_known { Applied::Known } else { Applied::Orphan });
    };
    let Changed { place, revision, was_confirmed, map, store, kind, trace_id } = changed;
    let turn = transition.label();
    let note = match transition {
        Transition::Opened(opened) => {
            if revision > 1 {
                act::opened_again(transaction, place, opened.opened_at_unix_ns)?;
            }
            Note {
                kind: Some(opened.kind),
                store_digest: Some(opened.store_digest.to_string()),
                map_digest: Some(opened.map_digest.to_string()),
                ..Note::new(turn, opened.opened_at_unix_ns)
            }
        }
        Transition::Confirmed { at_unix_ns, .. } => Note::new(turn, *at_unix_ns),
        Transition::Resolved { at_unix_ns, how, .. } => {
            Note { why: Some(how), ..Note::new(turn, *at_unix_ns) }
        }
    };
    history::write(transaction, place, revision, &note)?;
    let turned = Turned { id, map, store, kind, turn, trace_id };
    Ok(Applied::Changed(turned, Standing { place, was_confirmed }))
}

fn change(transaction: &Transaction<'_>, transition: &Transition) -> rusqlite::Result<Changed> {
    match transition {
        Transition::Opened(opened) => open(transaction, opened),
        Transition::Confirmed { id, at_unix_ns, fields } => {
            let (fields, missing) = columns(fields.as_deref());
            transaction.prepare_cached(CONFIRM)?.query_row(
                named_params! { ":id": id.0, ":at": at_unix_ns, ":fields": fields, ":fields_missing": missing },
                Changed::of,
            )
        }
        Transition::Resolved { id, at_unix_ns, how } => transaction
            .prepare_cached(RESOLVE)?
            .query_row(named_params! { ":id": id.0, ":at": at_unix_ns, ":how": how }, Changed::of),
    }
}

fn open(transaction: &Transaction<'_>, opened: &Opened) -> rusqlite::Result<Changed> {
    let (fields, fields_missing) = columns(opened.fields.as_deref());
    let parameters = named_params! {
        ":id": opened.id.0,
        ":map": opened.map,
        ":store": opened.store,
        ":key": opened.key,
        ":kind": opened.kind,
        ":source": opened.source,
        ":seq": opened.seq.cast_signed(),
        ":at": opened.opened_at_unix_ns,
        ":store_digest": opened.store_digest.to_string(),
        ":map_digest": opened.map_digest.to_string(),
        ":stale_versions": opened.stale_versions,
        ":stale_at_least_ns": opened.stale_at_least_ns,
        ":write_ended_ns": opened.write_ended_ns,
        ":seen_after_ns": opened.seen_after_ns,
        ":trace_id": opened.trace_id,
        ":fields": fields,
        ":fields_missing": fields_missing,
    };
    transaction.prepare_cached(OPEN)?.query_row(parameters, Changed::of)
}

/// What the two columns about fields hold.
fn columns(fields: Option<&Differing>) -> (Option<String>, Option<u32>) {
    let names = fields.map(|fields| fields.names.iter().map(|name| &**name).collect::<serde_json::Value>());
    let missing = fields.map(|fields| u32::try_from(fields.only_there).unwrap_or(u32::MAX));
    (names.map(|names| names.to_string()), missing)
}
