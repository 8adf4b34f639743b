//! What a client asks of a server's certificate: a chain to an authority, and one exact name.

use crate::{Name, name, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerIncompatible, RootCertStore,
    SignatureScheme,
};
use std::sync::Arc;

/// The server is another than the configured one.
#[derive(Debug, thiserror::Error)]
#[error("the server is {}, not {expected}", .presented.join(" and "))]
pub(crate) struct WrongServer {
    expected: String,
    presented: Vec<String>,
}

/// Verifies the chain as webpki does, then the name. The name is the configured one, wherever the connection goes; it is
/// compared here for both kinds, since webpki knows no SPIFFE ids and lets wildcards match DNS names.
#[derive(Debug)]
pub(crate) struct ExactServer {
    expected: Name,
    authorities: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ExactServer {
    pub(crate) fn new(expected: Name, authorities: Arc<RootCertStore>) -> Self {
        Self { expected, authorities, provider: provider() }
    }

    fn verify_name(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let described = name::describe(certificate).map_err(other)?;
        if described.names.contains(&self.expected) {
            return Ok(());
        }
        let presented = match described.names.as_slice() {
            [] => vec!["nobody".to_owned()],
            names => names.iter().map(Name::to_string).collect(),
        };
        Err(other(WrongServer { expected: self.expected.to_string(), presented }))
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

impl ServerCertVerifier for ExactServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.authorities,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        self.verify_name(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
