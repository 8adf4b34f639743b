//! Encrypted connections to stores: TLS 1.3, servers believed for the authorities of a file and by their name.
//!
//! # Invariants
//!
//! - Where TLS is asked for, by the URL or by a `tls` section, nothing is ever said in plain text instead. Where the two
//!   contradict each other the configuration is refused.
//! - The files are read at each connect, so that they may be renewed. Nothing of a key stands in an error.

use super::written::StoreUrl;
use super::{StoreError, StoreKind};
use counterfoil_settings::Problems;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Uri;
use tower_service::Service;

/// Largest file read, in bytes: a bundle of some hundred authorities.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How a store's server is to be believed. The connection is encrypted with TLS 1.3.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenStoreTls {
    /// Certificates (PEM) of the authorities that the server's certificate must come from. Read at each connect.
    pub ca_file: PathBuf,
    /// The name that the server's certificate must have; the host of the URL if not given.
    #[serde(default)]
    pub name: Option<String>,
    /// The certificate to show to the server, if it wants one.
    #[serde(default)]
    #[schemars(with = "WrittenStoreCertificate")]
    pub certificate: Option<WrittenStoreCertificate>,
}

/// A certificate to show to a store's server. Both files are PEM, and read at each connect.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenStoreCertificate {
    /// The certificate, followed by those between it and the authority.
    pub chain_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
}

/// How to reach a store that is spoken to in TLS.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    written: WrittenStoreTls,
}

impl Tls {
    /// The TLS that `url` and `written` ask for: `Some(None)` for none, `None` if something about it is wrong, which is added to
    /// the problems.
    #[allow(
        clippy::option_option,
        reason = "the outer one says whether it could be made, as with each store's new"
    )]
    pub(super) fn asked_for(
        url: &StoreUrl,
        written: Option<&WrittenStoreTls>,
        problems: &mut Problems,
    ) -> Option<Option<Self>> {
        match (written, url.asks_for_tls()) {
            (None, true) => {
                problems.add("tls", "missing, but the url asks for encryption; write tls: { ca_file: … }");
                None
            }
            (None, false) => Some(None),
            (Some(_), false) if !url.may_have_tls() => {
                let write = match url.kind() {
                    Some(StoreKind::Redis) => "write rediss:// in url, or remove this section",
                    Some(StoreKind::Grpc) => "write grpcs:// in url, or remove this section",
                    Some(StoreKind::Postgres) => "remove sslmode from url, or this section",
                    _ => "remove this section",
                };
                problems.add("tls", format!("contradicts the url; {write}"));
                None
            }
            (Some(tls), _) => Self::checked(tls, problems).map(Some),
        }
    }

    fn checked(written: &WrittenStoreTls, problems: &mut Problems) -> Option<Self> {
        let is_name = |name: &String| ServerName::try_from(name.as_str()).is_ok();
        if !written.name.as_ref().is_none_or(is_name) {
            problems.add("tls.name", "is neither the name of a host nor an address; write the certificate's");
            return None;
        }
        Some(Self { written: written.clone() })
    }

    /// The name that the certificate of `host` must have.
    pub(super) fn name<'a>(&'a self, host: &'a str) -> &'a str {
        self.written.name.as_deref().unwrap_or(host)
    }

    /// How a client greets, with the files as they are now. `http2` where gRPC is spoken.
    pub(super) async fn config(&self, http2: bool) -> Result<ClientConfig, StoreError> {
        let roots = self.roots().await?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(StoreError::connect)?
            .with_root_certificates(roots);
        let mut config = match self.certificate().await? {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|_| {
                StoreError::connect(
                    "tls.certificate: the key must be the one that the certificate was made for",
                )
            })?,
        };
        if http2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        Ok(config)
    }

    /// The files as they are written, for a library that makes its own of them.
    pub(super) fn written(&self) -> &WrittenStoreTls {
        &self.written
    }

    /// Connects to `host` and shakes hands.
    pub(super) async fn connect(
        &self,
        host: &str,
        port: u16,
        http2: bool,
    ) -> Result<TlsStream<TcpStream>, StoreError> {
        let config = self.config(http2).await?;
        let name = ServerName::try_from(self.name(host)).map_err(StoreError::connect)?.to_owned();
        // Brackets belong to the URL, not to the address.
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((address, port)).await.map_err(StoreError::connect)?;
        tcp.set_nodelay(true).map_err(StoreError::connect)?;
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(StoreError::connect)
    }

    async fn roots(&self) -> Result<RootCertStore, StoreError> {
        let path = &self.written.ca_file;
        let mut roots = RootCertStore::empty();
        for certificate in certificates("tls.ca_file", path).await? {
            roots.add(certificate).map_err(|error| unusable("tls.ca_file", path, error))?;
        }
        Ok(roots)
    }

    async fn certificate(
        &self,
    ) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, StoreError> {
        let Some(WrittenStoreCertificate { chain_file, key_file }) = &self.written.certificate else {
            return Ok(None);
        };
        let chain = certificates("tls.certificate.chain_file", chain_file).await?;
        let key = "tls.certificate.key_file";
        // The library's error quotes the line it stumbled over, which may be part of a key.
        let parsed = PrivateKeyDer::from_pem_slice(&read(key, key_file).await?);
        Ok(Some((chain, parsed.map_err(|_| unusable(key, key_file, "no private key in PEM form"))?)))
    }
}

async fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let pem = read(key, path).await?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unusable(key, path, "no certificates in PEM form")),
    }
}

async fn read(key: &str, path: &Path) -> Result<Vec<u8>, StoreError> {
    let file = tokio::fs::File::open(path).await.map_err(|error| unusable(key, path, error.kind()))?;
    let mut content = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).await;
    read.map_err(|error| unusable(key, path, error.kind()))?;
    let fits = u64::try_from(content.len()).is_ok_and(|bytes| bytes <= FILE_BYTES_MAX);
    if fits { Ok(content) } else { Err(unusable(key, path, format!("longer than {FILE_BYTES_MAX} bytes"))) }
}

fn unusable(key: &str, path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::connect(format!("{key} {}: {why}", path.display()))
}

/// Connects a gRPC channel; it goes where it was told to, whatever the channel's address says.
#[derive(Clone)]
pub(super) struct Called {
    tls: Tls,
    host: Arc<str>,
    port: u16,
}

impl Called {
    pub(super) fn new(tls: &Tls, host: &str, port: u16) -> Self {
        Self { tls: tls.clone(), host: host.into(), port }
    }
}

impl Service<Uri> for Called {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { tls, host, port } = self.clone();
        Box::pin(async move {
            let stream = tls.connect(&host, port, true).await.map_err(io::Error::other)?;
            Ok(TokioIo::new(stream))
        })
    }
}
