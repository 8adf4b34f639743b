//! What whoever opened a stream may report.

use counterfoil_keys::TenantName;
use counterfoil_tls::Grant;

/// What whoever opened a stream may report. Where certificates name the peers, this is what one's certificate allows.
pub trait Grants: Send + Sync {
    /// Whether batches of this tenant may come.
    fn tenant(&self, tenant: &TenantName) -> bool;

    /// Whether batches of sources of this service may come.
    fn service(&self, service: &str) -> bool;
}

/// Grants everything, as where nobody knows who opened the stream.
#[derive(Clone, Copy, Default, Debug)]
pub struct Anything;

impl Grants for Anything {
    fn tenant(&self, _: &TenantName) -> bool {
        true
    }

    fn service(&self, _: &str) -> bool {
        true
    }
}

/// What the rule for a peer's certificate says.
impl Grants for Grant {
    fn tenant(&self, tenant: &TenantName) -> bool {
        self.tenant == tenant.as_str()
    }

    fn service(&self, service: &str) -> bool {
        Self::service(self, service)
    }
}
