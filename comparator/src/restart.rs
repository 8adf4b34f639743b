//! What a comparator that is started over goes on with: the journal's batches, then the ledger's unresolved divergences.
//!
//! A divergence that was open is open again, in the table as in the ledger: that it is still there is no news, that it is not
//! is. Its key is looked at at once.
//!
//! Of a ledger that other comparators share, only those are taken up whose source is one of this comparator's, by its journal:
//! the others are watched by whom their sources report to. What no source told of is taken up by each comparator that makes its
//! check; which of them sees first that it is over says so, and the word of the next one changes nothing.

use crate::Parts;
use crate::contract::{Contracts, MapId};
use crate::journal::{Past, Replayed};
use crate::ledger::{Filter, Ledger, LedgerError, Row, State, digest_of};
use crate::metrics;
use crate::sources::Sources;
use crate::table::{Change, NOBODY, Unresolved};
use crate::telling::{NOBODY_NAME, divergence_id};
use counterfoil_clock::{Domain, now};
use counterfoil_digest::key_hash;
use counterfoil_judge::{Divergence, Kind, Time, WriteId};
use counterfoil_spool::ReadError;
use std::collections::HashMap;
use std::sync::Arc;

/// Divergences that are looked at again. Of more, the newest ones are; the others stay in the ledger as they are.
const REOPENED_MAX: usize = 100_000;

/// Why the comparator cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// The journal cannot be read at present.
    #[error("journal.path: {0}")]
    Journal(#[from] ReadError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A part of the program panicked.
    #[error("taking up the journal ended early")]
    Ended,
}

/// Takes up what `past` tells and what is unresolved in `ledger`.
///
/// # Errors
///
/// [`RestartError`].
pub(crate) async fn go_on(past: Past, parts: &Arc<Parts>, ledger: &Ledger) -> Result<(), RestartError> {
    let engine = parts.engine.clone();
    let replaying = tokio::task::spawn_blocking(move || {
        let mut effects = Vec::new();
        let own_clock = Domain::of_this_process();
        past.replay(&engine, own_clock, now(), |more| effects.push(more)).map(|replayed| (replayed, effects))
    });
    let (replayed, effects) = replaying.await.map_err(|_| RestartError::Ended)??;
    for effects in effects {
        parts.telling.tell(effects).await;
    }
    let reopened = reopen(parts, ledger).await?;
    tell(replayed, reopened);
    Ok(())
}

fn tell(replayed: Replayed, reopened: usize) {
    let Replayed { entries, open, lost, refused } = replayed;
    let counts = [("open", open), ("over", entries - open), ("lost", lost), ("refused", refused)];
    for (events, count) in counts {
        metrics::JOURNAL_REPLAYED.counter(&[("events", events)]).increment(count);
    }
    if lost > 0 {
        tracing::error!(lost, "entries of the journal are lost; keys are in doubt as of then");
    }
    tracing::info!(entries, open, refused, reopened, "the journal was taken up");
}

async fn reopen(parts: &Parts, ledger: &Ledger) -> Result<usize, LedgerError> {
    let sources = ids(parts.engine.sources());
    let mut unresolved = Vec::new();
    for state in [State::Confirmed, State::Opened] {
        let filter = Filter { state: Some(state), ..Filter::default() };
        let rows = ledger.newest(filter, REOPENED_MAX).await?;
        unresolved.extend(rows.iter().filter_map(|row| unresolved_of(row, parts, &sources)));
    }
    let count = unresolved.len();
    let effects = parts.engine.table().apply(Change::Reopen(unresolved), now());
    parts.telling.tell(effects).await;
    Ok(count)
}

/// The numbers of the sources by their names.
pub(crate) fn ids(sources: &Sources) -> HashMap<String, u32> {
    let named = sources.all().into_iter().map(|source| (source.name.to_string(), source.id));
    named.chain([(NOBODY_NAME.to_owned(), NOBODY.source)]).collect()
}

/// The check of a row and the write that it names, if the check is still made and the source is known.
pub(crate) fn named(
    row: &Row,
    contracts: &Contracts,
    sources: &HashMap<String, u32>,
) -> Option<(MapId, WriteId)> {
    let named = WriteId { source: *sources.get(&row.source)?, seq: row.seq };
    let map = contracts.named(&row.map, row.store.as_deref())?;
    let id = divergence_id(contracts, map, &row.key_bytes, &row.source, row.seq);
    (id == row.id).then_some((map, named))
}

/// The divergence of a row, if its check is still made and its source is known. A check whose place among its map's stores
/// has changed gives its divergences other ids; what was open stays in the ledger as it is then. So does what is open about a
/// key that is not in the contract's sample any more: its later writes are not taken.
fn unresolved_of(row: &Row, parts: &Parts, sources: &HashMap<String, u32>) -> Option<Unresolved> {
    let contracts = parts.engine.contracts();
    let (map, named) = named(row, contracts, sources)?;
    let divergence = Divergence {
        kind: kind(row)?,
        confirmed: row.state == State::Confirmed,
        named,
        expected: digest_of(&row.map_digest)?,
        ended: row.write_ended_ns.map_or(Time::MIN, Time),
    };
    let is_sampled = contracts.get(map)?.sample.has(key_hash(&row.map, &row.key_bytes));
    is_sampled.then(|| Unresolved { map, key: row.key_bytes.clone(), divergence })
}

fn kind(row: &Row) -> Option<Kind> {
    let versions = row.stale_versions.unwrap_or(0);
    let stale = Kind::Stale { versions, at_least: row.stale_at_least_ns.unwrap_or(0) };
    let others =
        [Kind::Missing, Kind::Resurrected, Kind::Inverted, Kind::Foreign, Kind::Corrupt, Kind::Partial];
    let of_copies = [Kind::MapBehind, Kind::Reverted, Kind::Orphan, stale];
    others.into_iter().chain(of_copies).find(|kind| kind.label() == row.kind)
}
