//! Why a connection did not come about.

use rustls::{CertificateError, Error, InvalidMessage, PeerIncompatible};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A connection that was not accepted: one for a counter by [`Reason::label`], and a line in a log of details.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Who called, if that is known.
    pub address: Option<SocketAddr>,
    /// More about it, for people.
    pub error: Option<Arc<io::Error>>,
}

/// Why a connection did not come about, in as many words as a metric may have labels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// The handshake took too long.
    Timeout,
    /// Too many handshakes were under way, and this one had begun first of them.
    Crowded,
    /// As many connections as there may be.
    Full,
    /// The peer showed no certificate.
    NoCertificate,
    /// Its certificate comes from none of the authorities.
    UnknownAuthority,
    /// Its certificate has ended.
    Expired,
    /// Its certificate has not begun.
    NotYetValid,
    /// It does not speak TLS 1.3.
    ProtocolVersion,
    /// It does not speak TLS.
    NotTls,
    /// It refused our certificate, or something else of ours.
    RefusedByPeer,
    /// It went away during the handshake, as probes of a port do.
    Left,
    /// The system could not accept a connection, most likely for want of file descriptors.
    System,
    /// Anything else.
    Other,
}

impl Reason {
    /// Every reason, for counters that begin at 0.
    pub const ALL: [Self; 13] = [
        Self::Timeout,
        Self::Crowded,
        Self::Full,
        Self::NoCertificate,
        Self::UnknownAuthority,
        Self::Expired,
        Self::NotYetValid,
        Self::ProtocolVersion,
        Self::NotTls,
        Self::RefusedByPeer,
        Self::Left,
        Self::System,
        Self::Other,
    ];

    /// The reason as a label of a metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Crowded => "crowded",
            Self::Full => "full",
            Self::NoCertificate => "no_certificate",
            Self::UnknownAuthority => "unknown_authority",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::ProtocolVersion => "protocol_version",
            Self::NotTls => "not_tls",
            Self::RefusedByPeer => "refused_by_peer",
            Self::Left => "left",
            Self::System => "system",
            Self::Other => "other",
        }
    }

    /// The reason in what a handshake ended with.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => Self::of_tls(error),
            None => Self::of_kind(error.kind()),
        }
    }

    fn of_tls(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::PeerIncompatible(error) => Self::of_incompatible(error),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            Error::AlertReceived(_) => Self::RefusedByPeer,
            _ => Self::Other,
        }
    }

    /// A signature is bad when an authority has the name of ours, but another key.
    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            _ => Self::Other,
        }
    }

    fn of_incompatible(error: &PeerIncompatible) -> Self {
        match error {
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Self::ProtocolVersion,
            _ => Self::Other,
        }
    }

    fn of_kind(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::BrokenPipe => Self::Left,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_is_listed_once_and_has_a_label_of_its_own() {
        let labels: BTreeSet<_> = Reason::ALL.map(Reason::label).into();
        assert_eq!(labels.len(), Reason::ALL.len());
        assert_eq!(BTreeSet::from(Reason::ALL).len(), Reason::ALL.len());
    }

    #[test]
    fn a_peer_that_went_away_is_not_an_intruder() {
        let reason = |kind: io::ErrorKind| Reason::of(&kind.into());
        assert_eq!(reason(io::ErrorKind::UnexpectedEof), Reason::Left);
        assert_eq!(reason(io::ErrorKind::ConnectionReset), Reason::Left);
        assert_eq!(reason(io::ErrorKind::InvalidInput), Reason::Other);
    }
}
