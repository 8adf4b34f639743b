//! Authorities, the certificates they issue, and folders that keep them as Kubernetes does.

use crate::Setup;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd,
};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// The comparator's name in its certificate.
pub const COMPARATOR: &str = "spiffe://shop/comparator";

/// The sidecar's.
pub const SIDECAR: &str = "spiffe://shop/cart";

/// How often the processes look at their files, in milliseconds.
const RELOAD_MS: u32 = 20;

/// Years in which a certificate holds.
pub type Years = (i32, i32);

/// Holds today.
pub const TODAY: Years = (2000, 4000);

/// Held once.
pub const ENDED: Years = (2000, 2001);

/// A certificate and its key, as PEM.
pub struct Issued {
    certificate: String,
    key: String,
}

/// Who issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One with this common name.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the SPIFFE id `name`.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn issue(&self, name: &str, (from, to): Years) -> Issued {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        params.subject_alt_names = vec![SanType::URI(name.try_into().expect("a URI"))];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// The files of `name` under this authority, which they believe too.
    #[must_use]
    pub fn member(&self, name: &str) -> Folder {
        Folder::new(&self.issue(name, TODAY), &self.pem())
    }
}

/// A folder with the three files behind one link, which is swapped to change them all at once.
pub struct Folder {
    root: TempDir,
    versions: AtomicU32,
}

impl Folder {
    /// One that holds `issued`, and the `authorities` that are believed.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[must_use]
    pub fn new(issued: &Issued, authorities: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = Self { root, versions: AtomicU32::new(0) };
        folder.swap(issued, authorities);
        folder
    }

    /// Changes all files at once.
    ///
    /// # Panics
    ///
    /// If they cannot be written.
    pub fn swap(&self, issued: &Issued, authorities: &str) {
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let target = self.root.path().join(version.to_string());
        fs::create_dir(&target).expect("a folder for the version");
        for (name, content, mode) in [
            ("tls.crt", issued.certificate.as_str(), 0o444),
            ("tls.key", issued.key.as_str(), 0o440),
            ("ca.crt", authorities, 0o444),
        ] {
            fs::write(target.join(name), content).expect("a file of the certificate");
            fs::set_permissions(target.join(name), fs::Permissions::from_mode(mode)).expect("its mode");
        }
        let link = self.root.path().join("link");
        symlink(&target, &link).expect("a link");
        fs::rename(&link, self.root.path().join("data")).expect("the link takes the place of the old one");
    }

    /// The section `tls` of a configuration that names these files.
    fn section(&self) -> Value {
        let at = |name: &str| self.root.path().join("data").join(name);
        json!({
            "certificate": at("tls.crt"),
            "key": at("tls.key"),
            "authorities": at("ca.crt"),
            "reload_ms": RELOAD_MS,
        })
    }
}

/// The section `uplink` of a sidecar that has the files of `folder` and calls `server` at the port.
#[must_use]
pub fn uplink(grpc: u16, folder: &Folder, server: &str) -> Value {
    let mut tls = folder.section();
    if let Some(section) = tls.as_object_mut() {
        section.insert("server".to_owned(), server.into());
    }
    json!({ "endpoint": format!("https://127.0.0.1:{grpc}"), "tls": tls })
}

/// The section `source` of a sidecar where whoever may connect reports as the service `cart`.
#[must_use]
pub fn source() -> Value {
    json!({ "services": [{ "name": "cart" }] })
}

/// A rule of the list `clients`, for the default tenant.
#[must_use]
pub fn rule(identity: &str, services: &[&str]) -> Value {
    json!({ "identity": identity, "tenant": "default", "services": services })
}

impl Setup {
    /// The comparator takes those that `clients` names, and has the files of `comparator`; the sidecar has those of `sidecar`.
    #[must_use]
    pub fn tls(self, comparator: &Folder, sidecar: &Folder, clients: Value) -> Self {
        let listen = json!({
            "grpc": format!("127.0.0.1:{}", self.grpc),
            "http": format!("127.0.0.1:{}", self.http),
            "tls": comparator.section(),
        });
        let uplink = uplink(self.grpc, sidecar, COMPARATOR);
        let sides = self.comparator("/listen", listen).comparator("/clients", clients);
        sides.sidecar("/uplink", uplink).sidecar("/source", source())
    }

    /// The comparator's gRPC port.
    #[must_use]
    pub fn grpc_port(&self) -> u16 {
        self.grpc
    }
}
