//! Authorities, the certificates they issue, and folders that keep them as Kubernetes does.

use counterfoil_tls::{Files, Watched};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd,
};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

pub(crate) const SECTION: &str = "tls";
pub(crate) const SERVER: &str = "spiffe://shop/comparator";
pub(crate) const CLIENT: &str = "spiffe://shop/cart";

/// Years in which a certificate holds.
pub(crate) type Years = (i32, i32);
pub(crate) const TODAY: Years = (2000, 4000);
pub(crate) const ENDED: Years = (2000, 2001);
pub(crate) const TO_COME: Years = (4000, 4001);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `names`, each a URI or, after `dns:`, a host.
    pub(crate) fn issue(&self, names: &[&str], (from, to): Years) -> Issued {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        params.subject_alt_names = names.iter().map(|name| subject(name)).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// The identity that `names` have here, in a folder of its own.
    pub(crate) fn member(&self, names: &[&str]) -> Folder {
        Folder::new(&self.issue(names, TODAY), &self.pem())
    }
}

fn subject(name: &str) -> SanType {
    match name.strip_prefix("dns:") {
        Some(host) => SanType::DnsName(host.try_into().unwrap()),
        None => SanType::URI(name.try_into().unwrap()),
    }
}

/// When a certificate of `years` ends, in seconds since 1970.
pub(crate) fn end_of((_, to): Years) -> i64 {
    date_time_ymd(to, 1, 1).unix_timestamp()
}

/// A folder with the three files behind one link, which is swapped to change them all at once.
pub(crate) struct Folder {
    root: TempDir,
    versions: AtomicU32,
}

impl Folder {
    pub(crate) fn new(issued: &Issued, authorities: &str) -> Self {
        let folder = Self { root: tempfile::tempdir().unwrap(), versions: AtomicU32::new(0) };
        folder.swap(issued, authorities);
        folder
    }

    pub(crate) fn files(&self) -> Files {
        let at = |name: &str| self.root.path().join("data").join(name);
        Files { certificate: at("tls.crt"), key: at("tls.key"), authorities: at("ca.crt") }
    }

    pub(crate) fn watched(&self) -> Arc<Watched> {
        Arc::new(Watched::load(self.files(), SECTION).unwrap())
    }

    pub(crate) fn swap(&self, issued: &Issued, authorities: &str) {
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let target: PathBuf = self.root.path().join(version.to_string());
        fs::create_dir(&target).unwrap();
        for (name, content, mode) in [
            ("tls.crt", issued.certificate.as_str(), 0o444),
            ("tls.key", issued.key.as_str(), 0o440),
            ("ca.crt", authorities, 0o444),
        ] {
            fs::write(target.join(name), content).unwrap();
            fs::set_permissions(target.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let link = self.root.path().join("link");
        symlink(&target, &link).unwrap();
        fs::rename(&link, self.root.path().join("data")).unwrap();
    }
}
