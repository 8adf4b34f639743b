//! Who this process is, and whom it believes.

use crate::files::{Cause, Contents, Files, LoadError};
use crate::verifier::ExactServer;
use crate::{HTTP2, Name, VERSIONS, name, provider};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// A certificate with its key, and the authorities that peers must come from; parsed, and fitting together.
#[derive(Clone)]
pub struct Identity {
    shown: Arc<SingleCertAndKey>,
    authorities: Arc<RootCertStore>,
    not_after: i64,
}

impl Identity {
    /// Reads `files`. `section` is the path of their section in the configuration, such as `tls`, for errors to name.
    ///
    /// A certificate that has ended is read like any other: it is for peers to refuse, and for metrics to warn of.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if a file cannot be read or parsed, the key is open to others, or it is not the certificate's.
    pub fn load(files: &Files, section: &str) -> Result<Self, LoadError> {
        Self::parse(&files.read(section)?, files, section)
    }

    pub(crate) fn parse(contents: &Contents, files: &Files, section: &str) -> Result<Self, LoadError> {
        let of_certificate = |cause| files.certificate_error(section, cause);
        let of_key = |cause| files.key_error(section, cause);
        let of_authorities = |cause| files.authorities_error(section, cause);

        let chain = contents.chain().map_err(of_certificate)?;
        let not_after = end_of(&chain).map_err(of_certificate)?;
        let key = contents.key().map_err(of_key)?;
        let shown = CertifiedKey::from_der(chain, key, &provider()).map_err(Cause::Key).map_err(of_key)?;
        let authorities = contents.authorities().and_then(store).map_err(of_authorities)?;
        Ok(Self { shown: Arc::new(shown.into()), authorities: Arc::new(authorities), not_after })
    }

    /// When the first certificate of the own chain ends, in seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// How a server with this identity greets. A client without a certificate is not greeted back.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let clients = WebPkiClientVerifier::builder_with_provider(self.authorities.clone(), provider())
            .build()
            .expect("there is an authority, and no revocation list that could be wrong");
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .expect("the cryptography has suites for TLS 1.3")
            .with_client_cert_verifier(clients)
            .with_cert_resolver(self.shown.clone());
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed session would not look at the client's certificate again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Arc::new(config)
    }

    /// How a client with this identity calls `server`, and nobody else.
    pub(crate) fn client(&self, server: &Name) -> Arc<ClientConfig> {
        let verifier = Arc::new(ExactServer::new(server.clone(), self.authorities.clone()));
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .expect("the cryptography has suites for TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(self.shown.clone());
        config.alpn_protocols = vec![HTTP2.to_vec()];
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("authorities", &self.authorities.len())
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// A chain is good until its first certificate ends.
fn end_of(chain: &[CertificateDer<'_>]) -> Result<i64, Cause> {
    let own = chain.first().ok_or(Cause::Missing("CERTIFICATE"))?;
    let ends =
        (1..).zip(chain).map(|(number, der)| name::not_after(der).map_err(|_| Cause::Unparsable(number)));
    let first = ends.collect::<Result<Vec<_>, _>>()?.into_iter().min();
    name::describe(own).map_err(Cause::Misnamed)?;
    first.ok_or(Cause::Missing("CERTIFICATE"))
}

fn store(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Cause> {
    let mut store = RootCertStore::empty();
    for (number, certificate) in (1..).zip(certificates) {
        store.add(certificate).map_err(|_| Cause::Unparsable(number))?;
    }
    Ok(store)
}
