//! What is known of a key's life: all that a bundle of evidence holds, or what the ledger's row does where there is none.

mod bundle;

use super::Pages;
use super::timeline::{Bar, Explained, Span, Tick, Timeline};
use crate::api::evidence::bundle;
use crate::ledger::{Entry, Row, State};
use counterfoil_evidence::{Predicate, Trust, verify};

/// A key's life.
pub(super) struct Known {
    pub(super) timeline: Timeline,
    /// Why the ledger's row is all that there is; `None` where there was a bundle.
    pub(super) row_alone: Option<String>,
}

/// What is known of the life of the key of `row`.
pub(super) async fn known(pages: &Pages, row: &Row, history: &[Entry]) -> Known {
    match predicate(pages, row).await {
        Ok(said) => Known { timeline: bundle::timeline(&said, history, &pages.options), row_alone: None },
        Err(why) => Known { timeline: of_row(pages, row, history), row_alone: Some(why) },
    }
}

/// What the bundle of a divergence says, or why there is none that holds.
async fn predicate(pages: &Pages, row: &Row) -> Result<Predicate, String> {
    let bytes = bundle(&pages.api, row).await.map_err(|error| error.message())?;
    // Of whatever key: it lies in the comparator's own folder, and may be older than the key that is used now.
    let trust = Trust { embedded: true, ..Trust::default() };
    let verified = tokio::task::spawn_blocking(move || verify(&bytes, &trust)).await;
    let verified = verified.map_err(|error| error.to_string())?;
    verified
        .map(|verified| verified.predicate)
        .map_err(|refusal| format!("its evidence does not hold: {refusal}"))
}

/// What the ledger's row knows, on the wall clock: the write that should have shown, and the looks since the divergence was
/// opened last.
fn of_row(pages: &Pages, row: &Row, history: &[Entry]) -> Timeline {
    let seen_unix_ns = row.opened_at_unix_ns;
    let write = row.seen_after_ns.map(|after| Bar {
        label: format!("{} #{}", row.source, row.seq),
        map_leg: Some(Span::at(seen_unix_ns.saturating_sub(after))),
        store_leg: None,
        is_due: true,
        trace: row.trace_id.clone().map(|id| pages.options.traced(id)),
        note: None,
    });
    let since_opened = history.iter().filter(|entry| entry.at_unix_ns >= seen_unix_ns);
    let mut looks: Vec<_> = since_opened.filter_map(|entry| turn(entry, &row.kind)).collect();
    if looks.is_empty() {
        let saw = format!("opened: {}", row.kind);
        looks.push(Tick { at: Span::at(seen_unix_ns), saw, explained: Explained::No });
    }
    Timeline { writes: write.into_iter().collect(), looks }
}

/// The look that made a divergence of this kind turn; `None` of what people did.
fn turn(entry: &Entry, kind: &str) -> Option<Tick> {
    let said = entry.why.as_deref().or(entry.kind.as_deref()).unwrap_or(kind);
    let explained = match State::of(&entry.what)? {
        State::Resolved => Explained::Yes,
        State::Opened | State::Confirmed => Explained::No,
    };
    Some(Tick { at: Span::at(entry.at_unix_ns), saw: format!("{}: {said}", entry.what), explained })
}
