//! Which of the comparators that share a ledger leads: it alone does what is to be done once over all of them.
//!
//! Each has a session of its own for this and asks for a lock of the schema. The one that gets it leads, for as long as the
//! session lives. It asks once a second whether it does, and stops leading at once if the server does not say so; the server
//! lets go of a session that fell silent later than that, so two never lead knowingly. One that is cut off in the middle of
//! something may still end it: what the leader does is done at least once, under the same name.
//!
//! A ledger in a file has one comparator, which leads.

use super::LedgerError;
use super::database::{Database, DatabaseError, Session};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// From one question to the next.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Seeks the lead until it is dropped.
#[derive(Debug)]
pub(super) struct Seeker {
    lead: watch::Receiver<bool>,
    /// Keeps the word of who never asks.
    _always: Option<watch::Sender<bool>>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Seeker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that seeks the ledger's lead panicked");
        }
    }
}

impl Seeker {
    /// Seeks the lead of the comparators that share `database`. While it has it, `changed` is told once a second, as others may
    /// have put something into the outbox.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Thread`].
    pub(super) fn new(database: Arc<Database>, changed: watch::Sender<()>) -> Result<Self, LedgerError> {
        let (leads, lead) = watch::channel(!database.is_shared());
        if !database.is_shared() {
            return Ok(Self { lead, _always: Some(leads), stop: None, thread: None });
        }
        let (stop, stopped) = sync_channel::<()>(0);
        let seek = move || {
            let mut session = None;
            loop {
                let is_leading = ask(&database, &mut session).unwrap_or_else(|error| {
                    tracing::debug!(%error, "the ledger's lead cannot be sought");
                    false
                });
                if leads.send_if_modified(|before| std::mem::replace(before, is_leading) != is_leading) {
                    tracing::info!(is_leading, "of the comparators that share the ledger");
                }
                if is_leading {
                    changed.send_replace(());
                }
                if stopped.recv_timeout(ASK_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("ledger-lead".into()).spawn(seek);
        let thread = thread.map_err(LedgerError::Thread)?;
        Ok(Self { lead, _always: None, stop: Some(stop), thread: Some(thread) })
    }

    /// Whether it has the lead, and when that changes.
    pub(super) fn lead(&self) -> watch::Receiver<bool> {
        self.lead.clone()
    }
}

/// A session, and whether it has the lead.
type Asked = Option<(Session, bool)>;

/// Whether the lead is held, over the session that there is or a new one.
fn ask(database: &Database, asked: &mut Asked) -> Result<bool, DatabaseError> {
    let (session, has_lead) = match asked.take() {
        Some(asked) => asked,
        None => match database.contender()? {
            Some(session) => (session, false),
            None => return Ok(false),
        },
    };
    // One that does not answer is not asked again: whether the server still believes in it is not known.
    let has_lead = if has_lead { session.keeps_lead() } else { session.takes_lead()? };
    if session.is_usable() {
        *asked = Some((session, has_lead));
    }
    Ok(has_lead)
}
