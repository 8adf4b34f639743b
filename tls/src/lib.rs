//! Who may talk to whom: mutual TLS, and nothing older than TLS 1.3.
//!
//! ```text
//! files ─▶ Identity ─▶ Watched ─┬─▶ Acceptor ─▶ Connection with its Peer ─▶ Rules ─▶ Grant
//!                               └─▶ Dialer ─▶ a connection to the one server that was named
//! ```
//!
//! Both sides show a certificate. A chain to one of the configured authorities proves that a peer is somebody; who it is
//! stands in the certificate's SPIFFE id or DNS names ([`Name`]), and what it may do in [`Rules`].
//!
//! # Invariants
//!
//! - Names are compared whole. No wildcard, prefix or common name ever matches.
//! - A handshake has a time limit, and their number has one too. A peer that is slow or silent costs nobody else a place
//!   for longer than [`AcceptLimits::patience`].
//! - New files that do not parse, or do not fit together, change nothing: the old ones stay in use, and that is reported.
//! - A reload touches no connection that exists. It holds for every handshake that begins after it.
//! - No session is resumed: each connection proves anew, against the authorities of that moment, who it is.
//! - Nothing of a key stands in an error or in `Debug`.
//! - The cryptography is named wherever it is used; nothing depends on a default of the process.

mod acceptor;
mod called;
mod connection;
mod current;
mod dialer;
mod files;
mod handshake;
mod identity;
mod name;
mod redial;
mod refusal;
mod rules;
mod under_way;
mod verifier;
mod watched;

pub use acceptor::{AcceptLimits, Acceptor};
pub use called::Called;
pub use connection::{Connection, Peer};
pub use current::{INSECURE, RELOADS, REMAINING, keep_current, tell_insecure, unix_seconds};
pub use dialer::{DialError, Dialer};
pub use files::{Cause, Files, LoadError};
pub use identity::Identity;
pub use name::{Misnamed, Name};
pub use redial::{REDIAL_MIN, redial_after};
pub use refusal::{Reason, Refusal};
pub use rules::{Grant, Rule, Rules};
pub use watched::{Reload, Watched};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::{Arc, LazyLock};

/// Versions spoken here.
pub(crate) const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The protocol above, as TLS names it: gRPC is HTTP/2.
pub(crate) const HTTP2: &[u8] = b"h2";

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The cryptography that everything in this crate uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    PROVIDER.clone()
}

/// Makes aws-lc the default cryptography of the process, for libraries that ask for a default; this crate does not. Call
/// it first in `main`. If there is a default already, that one stays.
pub fn install() {
    if aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("the process has a default for TLS already");
    }
}
