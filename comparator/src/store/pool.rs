//! Connections at rest. How many reads there may be at a time, and so how many connections, is the reader's.
//!
//! # Invariants
//!
//! - Only [`Lease::give_back`] puts a connection to rest. Whoever drops it instead, for instance because the future
//!   that held it was dropped in the middle of a query, closes it: a connection at rest has no query on its way.

use super::StoreError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections of type `C` that wait for their next read.
pub(super) struct Pool<C> {
    idle: Arc<Mutex<Vec<C>>>,
}

impl<C> Pool<C> {
    pub(super) fn new() -> Self {
        Self { idle: Arc::default() }
    }

    /// A connection: the one that was used last of those at rest that are alive, or else the one that `connect`
    /// makes. Those that are found dead on the way are closed.
    ///
    /// # Errors
    ///
    /// Those of `connect`.
    pub(super) async fn connection(
        &self,
        is_alive: impl Fn(&C) -> bool,
        connect: impl Future<Output = Result<C, StoreError>>,
    ) -> Result<(Lease<C>, C), StoreError> {
        let lease = self.lease();
        let alive = std::iter::from_fn(|| lease.take()).find(is_alive);
        let connection = match alive {
            Some(connection) => connection,
            None => connect.await?,
        };
        Ok((lease, connection))
    }

    fn lease(&self) -> Lease<C> {
        Lease { idle: Arc::clone(&self.idle) }
    }
}

impl<C> std::fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} at rest)", self.lease().idle().len())
    }
}

/// Where a connection came from, and goes back to after its read.
pub(super) struct Lease<C> {
    idle: Arc<Mutex<Vec<C>>>,
}

impl<C> Lease<C> {
    /// The connection that was used last, if one is at rest.
    fn take(&self) -> Option<C> {
        self.idle().pop()
    }

    /// Puts a connection whose read came to its end to rest.
    fn give_back(self, connection: C) {
        self.idle().push(connection);
    }

    /// Puts a connection to rest if its read came to its end, else closes it. Where the store seems to have gone, those at
    /// rest are closed too: each would cost a read to find that out.
    pub(super) fn settle<T>(self, connection: C, read: Result<T, StoreError>) -> Result<T, StoreError> {
        match &read {
            Ok(_) => self.give_back(connection),
            Err(StoreError::Connect { .. }) => self.close_idle(),
            Err(_) => {}
        }
        read
    }

    fn close_idle(self) {
        let closed = std::mem::take(&mut *self.idle());
        drop(closed);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_back_is_used_again() {
        let pool = Pool::new();
        let lease = pool.lease();
        assert_eq!(lease.take(), None);
        lease.give_back("one");
        let lease = pool.lease();
        assert_eq!(lease.take(), Some("one"));
        drop(lease);
        assert_eq!(pool.lease().take(), None);
    }

    #[test]
    fn after_a_lost_connection_those_at_rest_are_not_used_again() {
        let pool = Pool::new();
        let (one, two, three) = (pool.lease(), pool.lease(), pool.lease());
        one.give_back("one");
        assert_eq!(two.settle("two", Ok(2)), Ok(2));
        let lost = StoreError::connect("gone");
        assert_eq!(three.settle("three", Err::<(), _>(lost.clone())), Err(lost));
        assert_eq!(pool.lease().take(), None);
    }

    #[test]
    fn a_connection_whose_read_did_not_end_is_closed_and_no_other() {
        let pool = Pool::new();
        let (one, two) = (pool.lease(), pool.lease());
        one.give_back("one");
        assert_eq!(two.settle("two", Err::<(), _>(StoreError::Timeout)), Err(StoreError::Timeout));
        let lease = pool.lease();
        assert_eq!((lease.take(), lease.take()), (Some("one"), None));
    }
}
