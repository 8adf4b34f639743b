//! The one connection that all reads of a server share: they follow one another on it without waiting for the answers of those
//! before them, so that the server works on the next while an answer is taken apart.
//!
//! # Invariants
//!
//! - A connection is used again only while each read over it came to its end. After any other, for instance one whose future was
//!   dropped, the next read makes a new one, and those that are on their way over the old one end there.

use super::{Connection, Session};
use crate::store::StoreError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connection, once there is one.
#[derive(Default)]
pub(super) struct Shared {
    current: Mutex<Option<Arc<Session>>>,
}

impl Shared {
    /// The connection, or else the one that `connect` makes.
    ///
    /// # Errors
    ///
    /// Those of `connect`.
    pub(super) async fn connection(
        &self,
        connect: impl Future<Output = Result<Session, StoreError>>,
    ) -> Result<Use<'_>, StoreError> {
        let current = self.current().clone();
        let session = match current {
            Some(session) => session,
            None => {
                let made = Arc::new(connect.await?);
                // Another read may have made one meanwhile.
                Arc::clone(self.current().get_or_insert(made))
            }
        };
        let connection = session.connection.clone();
        Ok(Use { connection, session, shared: self, is_over: false })
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read that is on its way.
pub(super) struct Use<'s> {
    pub(super) connection: Connection,
    session: Arc<Session>,
    shared: &'s Shared,
    is_over: bool,
}

impl Use<'_> {
    /// Ends the read. After one that failed the connection is not used again.
    pub(super) fn settle<T>(mut self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        self.is_over = read.is_ok();
        read
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut current = self.shared.current();
        if !self.is_over && current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &self.session)) {
            *current = None;
        }
    }
}
