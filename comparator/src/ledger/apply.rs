//! How a transition changes the file.

use super::act;
use super::database::{DatabaseError, Row, Transaction};
use super::history::{self, Note};
use super::outbox::Standing;
use super::transition::{Opened, Transition, Turned};
use counterfoil_digest::Differing;
use rusqlite::params;

const OPEN: &str = "
INSERT INTO divergence (id, map, store, key, kind, state, times, source, seq, opened_at_unix_ns, store_digest, map_digest,
    stale_versions, stale_at_least_ns, write_ended_ns, seen_after_ns, trace_id, fields, fields_missing, revision)
VALUES (?1, ?2, ?3, ?4, ?5, 'opened', 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 1)
ON CONFLICT (id) DO UPDATE SET state = 'opened', times = divergence.times + 1, revision = divergence.revision + 1,
    store = excluded.store, source = excluded.source, seq = excluded.seq,
    opened_at_unix_ns = excluded.opened_at_unix_ns, confirmed_at_unix_ns = NULL, resolved_at_unix_ns = NULL,
    resolved_how = NULL, store_digest = excluded.store_digest, map_digest = excluded.map_digest,
    stale_versions = excluded.stale_versions, stale_at_least_ns = excluded.stale_at_least_ns,
    write_ended_ns = excluded.write_ended_ns, seen_after_ns = excluded.seen_after_ns, trace_id = excluded.trace_id,
    fields = excluded.fields, fields_missing = excluded.fields_missing
WHERE divergence.state = 'resolved' RETURNING row, revision, map, store, kind, trace_id, confirmed_at_unix_ns";

const CONFIRM: &str = "
UPDATE divergence SET state = 'confirmed', revision = revision + 1, confirmed_at_unix_ns = ?2,
    fields = coalesce(?3, fields), fields_missing = coalesce(?4, fields_missing)
WHERE id = ?1 AND state = 'opened' RETURNING row, revision, map, store, kind, trace_id, confirmed_at_unix_ns";

const RESOLVE: &str = "
UPDATE divergence SET state = 'resolved', revision = revision + 1, resolved_at_unix_ns = ?2, resolved_how = ?3
WHERE id = ?1 AND state <> 'resolved' RETURNING row, revision, map, store, kind, trace_id, confirmed_at_unix_ns";

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
    fn of(row: &Row<'_>) -> Result<Self, DatabaseError> {
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
pub(super) fn apply(
    transaction: &Transaction<'_>,
    transition: &Transition,
) -> Result<Applied, DatabaseError> {
    let id = transition.id();
    let Some(changed) = change(transaction, transition)? else {
        let is_known = transaction.one(KNOWN, params![id.0], |row| row.get(0))?;
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

fn change(transaction: &Transaction<'_>, transition: &Transition) -> Result<Option<Changed>, DatabaseError> {
    match transition {
        Transition::Opened(opened) => open(transaction, opened),
        Transition::Confirmed { id, at_unix_ns, fields } => {
            let (fields, missing) = columns(fields.as_deref());
            transaction.first(CONFIRM, params![id.0, at_unix_ns, fields, missing], Changed::of)
        }
        Transition::Resolved { id, at_unix_ns, how } => {
            transaction.first(RESOLVE, params![id.0, at_unix_ns, how], Changed::of)
        }
    }
}

fn open(transaction: &Transaction<'_>, opened: &Opened) -> Result<Option<Changed>, DatabaseError> {
    let (fields, fields_missing) = columns(opened.fields.as_deref());
    let parameters = params![
        opened.id.0,
        opened.map,
        opened.store,
        opened.key,
        opened.kind,
        opened.source,
        opened.seq.cast_signed(),
        opened.opened_at_unix_ns,
        opened.store_digest.to_string(),
        opened.map_digest.to_string(),
        opened.stale_versions,
        opened.stale_at_least_ns,
        opened.write_ended_ns,
        opened.seen_after_ns,
        opened.trace_id,
        fields,
        fields_missing,
    ];
    transaction.first(OPEN, parameters, Changed::of)
}

/// What the two columns about fields hold.
fn columns(fields: Option<&Differing>) -> (Option<String>, Option<u32>) {
    let names = fields.map(|fields| fields.names.iter().map(|name| &**name).collect::<serde_json::Value>());
    let missing = fields.map(|fields| u32::try_from(fields.only_there).unwrap_or(u32::MAX));
    (names.map(|names| names.to_string()), missing)
}
