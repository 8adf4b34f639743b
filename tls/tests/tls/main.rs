//! The crate over real sockets, with authorities and certificates made for each test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod authority;
mod crowds;
mod door;
mod grpc;
mod handshakes;
mod identities;
mod rotation;
