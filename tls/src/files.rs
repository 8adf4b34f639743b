//! The three files that make an identity, and what can be wrong with them.

use crate::Misnamed;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Largest file read, in bytes: a bundle of some hundred authorities.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Permissions a key must not have: others may do nothing with it, its group may read it. Kubernetes mounts 0440.
const FORBIDDEN_MODE: u32 = 0o027;

/// Where an identity is kept, as it is written in a configuration. All files are PEM.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The own certificate, followed by those between it and the authority.
    pub certificate: PathBuf,
    /// The key of the certificate. Its mode must be 0640, 0440 or stricter.
    pub key: PathBuf,
    /// Certificates of the authorities that peers' certificates must come from.
    pub authorities: PathBuf,
}

/// Why a file cannot be used.
#[derive(Debug, Error)]
#[error("{key}: {}: {cause}", .path.display())]
pub struct LoadError {
    /// The key of the configuration that names the file.
    pub key: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    #[source]
    pub cause: Cause,
}

/// What is wrong with a file. Never holds anything the file says.
#[derive(Debug, Error)]
pub enum Cause {
    /// The system refuses it.
    #[error("{0}; name a file that this process may read")]
    Unreadable(#[from] io::Error),
    /// Too large to be what it should be.
    #[error("larger than {FILE_BYTES_MAX} bytes; name a PEM file")]
    TooLarge,
    /// A key with this mode.
    #[error(
        "mode {0:04o} lets others at the key; make it 0640 (in Kubernetes `defaultMode: 0440` and an `fsGroup`)"
    )]
    Exposed(u32),
    /// Not PEM, or cut off.
    #[error("not PEM, or cut off; write it anew")]
    NotPem,
    /// PEM of something else.
    #[error("no `{0}` in it; write one into it")]
    Missing(&'static str),
    /// A certificate that is none.
    #[error("certificate {0} in it cannot be read; write it anew")]
    Unparsable(usize),
    /// The own certificate names nobody clearly: no peer would let it in.
    #[error("{0}; have it issued anew")]
    Misnamed(#[source] Misnamed),
    /// A key of a kind that is not known, or of another certificate.
    #[error("{0}; the key must be the one that the certificate was made for")]
    Key(#[source] rustls::Error),
}

/// The bytes of the three files.
pub(crate) struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    authorities: Vec<u8>,
}

impl Files {
    /// Reads all three. `section` is the path of the section in the configuration, such as `tls`.
    pub(crate) fn read(&self, section: &str) -> Result<Contents, LoadError> {
        Ok(Contents {
            certificate: read(&self.certificate, 0)
                .map_err(|cause| self.certificate_error(section, cause))?,
            key: read(&self.key, FORBIDDEN_MODE)
                .map(Zeroizing::new)
                .map_err(|cause| self.key_error(section, cause))?,
            authorities: read(&self.authorities, 0)
                .map_err(|cause| self.authorities_error(section, cause))?,
        })
    }

    pub(crate) fn certificate_error(&self, section: &str, cause: Cause) -> LoadError {
        LoadError { key: format!("{section}.certificate"), path: self.certificate.clone(), cause }
    }

    pub(crate) fn key_error(&self, section: &str, cause: Cause) -> LoadError {
        LoadError { key: format!("{section}.key"), path: self.key.clone(), cause }
    }

    pub(crate) fn authorities_error(&self, section: &str, cause: Cause) -> LoadError {
        LoadError { key: format!("{section}.authorities"), path: self.authorities.clone(), cause }
    }
}

impl Contents {
    /// Equal for equal contents, and tells nothing of them.
    pub(crate) fn fingerprint(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for part in [self.certificate.as_slice(), self.key.as_slice(), self.authorities.as_slice()] {
            hasher.update(blake3::hash(part).as_bytes());
        }
        hasher.finalize()
    }

    pub(crate) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Cause> {
        certificates(&self.certificate)
    }

    pub(crate) fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, Cause> {
        certificates(&self.authorities)
    }

    /// The first key there is.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Cause> {
        // The library's error quotes the line it stumbled over, which may be part of a key.
        let first = PrivateKeyDer::pem_slice_iter(&self.key).next().ok_or(Cause::Missing("PRIVATE KEY"))?;
        first.map_err(|_| Cause::NotPem)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = parsed.map_err(|_| Cause::NotPem)?;
    if certificates.is_empty() { Err(Cause::Missing("CERTIFICATE")) } else { Ok(certificates) }
}

/// The mode is that of the file that is read, not of a link to it.
fn read(path: &Path, forbidden_mode: u32) -> Result<Vec<u8>, Cause> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & forbidden_mode != 0 {
        return Err(Cause::Exposed(mode));
    }
    // Room from the start: a buffer that grows leaves copies of a key behind.
    let mut content =
        Vec::with_capacity(usize::try_from(metadata.len().min(FILE_BYTES_MAX)).unwrap_or(0) + 1);
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
    let fits = u64::try_from(content.len()).is_ok_and(|bytes| bytes <= FILE_BYTES_MAX);
    if fits { Ok(content) } else { Err(Cause::TooLarge) }
}
