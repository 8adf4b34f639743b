//! Certificates for the test servers, so that tests can speak TLS with the real ones.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tempfile::TempDir;

/// A folder with `ca.pem`, `server.pem` and `server.key` for 127.0.0.1 and localhost, and `client.pem` and `client.key`.
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes an authority that nobody else knows, and what it issues.
    pub(crate) fn make() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        let made = Self { folder };
        made.issue().map_err(|error| format!("certificates for the test servers: {error}"))?;
        Ok(made)
    }

    fn issue(&self) -> Result<(), Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        // The certificates that it issues have no name of this kind: two that have the same are taken for one.
        authority.distinguished_name.push(DnType::CommonName, "test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(self.path().join("ca.pem"), authority.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(authority, key);
        for (name, hosts) in [("server", &["127.0.0.1", "localhost"][..]), ("client", &["client"])] {
            let key = KeyPair::generate()?;
            let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
            let certificate = CertificateParams::new(hosts)?.signed_by(&key, &issuer)?;
            fs::write(self.path().join(format!("{name}.pem")), certificate.pem())?;
            write_secret(&self.path().join(format!("{name}.key")), &key.serialize_pem())?;
        }
        Ok(())
    }

    /// The folder; it goes away with this.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a server copies that may be handed over to its user.
    pub(crate) fn copy_to(&self, folder: &Path) -> Result<(), String> {
        for name in ["ca.pem", "server.pem", "server.key"] {
            // A copy has the mode of what it is a copy of.
            fs::copy(self.path().join(name), folder.join(name))
                .map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }
}

fn write_secret(path: &Path, pem: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(pem.as_bytes())
}
