//! A shop's carts, kept in a map of the process and in a store, and wired to Counterfoil.
//!
//! ```text
//! cargo run -p counterfoil-emitter --example cart -- /run/counterfoil/emit.sock
//! ```
//!
//! The store is a hash map that stands in for a database, so that the example needs none: what it shows is where the
//! emitter goes. It runs without a sidecar too; then it says at its end that nothing was acknowledged.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use counterfoil_emitter::{ConnectError, Emitter, Identity, StoreOutcome, WatchedMap};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const USERS: u32 = 100;
const WRITES: u32 = 1_000;

/// Stands in for a database.
#[derive(Default)]
struct Store {
    rows: Mutex<HashMap<String, String>>,
}

#[derive(Debug)]
enum StoreError {
    /// The store looked at the row and did not want it: nothing was written.
    Rejected,
}

impl Store {
    fn write(&self, key: &str, row: &str) -> Result<(), StoreError> {
        if row.is_empty() {
            return Err(StoreError::Rejected);
        }
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), row.to_owned());
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }
}

fn main() -> Result<(), ConnectError> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/run/counterfoil/emit.sock".to_owned());
    let emitter = Emitter::connect(&path, Identity::new("shop"))?;
    let carts = WatchedMap::<String, String>::new(emitter.map("cart"));
    let store = Store::default();
    for write in 0..WRITES {
        let user = format!("user-{}", write % USERS);
        if write % 10 == 9 {
            carts.dual_write_remove(&user, || store.delete(&user)).unwrap_or_else(|error| complain(&error));
        } else {
            put(&carts, &store, &user, format!("{write} apples"));
        }
    }
    let acknowledged = emitter.flush(Duration::from_secs(2));
    println!("{} carts, all writes acknowledged: {acknowledged}, {:?}", carts.len(), emitter.stats());
    Ok(())
}

/// The long form of `dual_write_put`, for a store whose errors tell more than "nobody knows".
fn put(carts: &WatchedMap<String, String>, store: &Store, user: &str, cart: String) {
    let (mut write, _before) = carts.begin_put(user.to_owned(), cart.clone());
    let outcome_of = |error: &StoreError| match error {
        StoreError::Rejected => StoreOutcome::Failed,
    };
    write.store_with(|| store.write(user, &cart), outcome_of).unwrap_or_else(|error| complain(&error));
}

fn complain(error: &StoreError) {
    eprintln!("the store said {error:?}");
}
