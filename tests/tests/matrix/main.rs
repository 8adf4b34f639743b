//! The matrix of stores: each kind of store there is, and what has to hold with each of them.
//!
//! The whole system runs: an application with an emitter and a store, a sidecar and a comparator. Each row is one scenario that
//! knows nothing of the kind of store; [`stores`] has what the kinds differ in.

mod failover;
mod outage;
mod planted;
#[allow(clippy::unwrap_used, reason = "a test may panic")]
#[path = "../../../comparator/src/store/tests/relay.rs"]
mod relay;
mod stores;
mod system;
#[allow(dead_code, reason = "forms are the readers' own")]
#[path = "../../../comparator/src/store/tests/types/table.rs"]
mod table;
mod trouble;
mod types;

/// A module for each store, with a test for each row.
macro_rules! matrix {
    ($($module:ident: $kind:ident),*) => { $(
        mod $module {
            use crate::stores::Kind::$kind;

            #[test]
            fn what_agrees_is_confirmed_and_each_planted_divergence_is_found_and_nothing_else() {
                crate::planted::row($kind);
            }

            #[test]
            fn a_store_that_goes_away_makes_verdicts_undetermined_and_checks_resume_by_themselves() {
                crate::outage::row($kind);
            }

            #[test]
            fn whatever_is_wrong_in_a_store_is_told_and_checks_resume_by_themselves() {
                crate::trouble::row($kind);
            }

            #[test]
            fn a_failover_raises_no_false_alarm_and_checks_resume_by_themselves() {
                crate::failover::row($kind);
            }
        }
    )* };
}

matrix!(sqlite: Sqlite, postgres: Postgres, mariadb: Mariadb, redis: Redis, grpc: Grpc);
