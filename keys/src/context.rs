//! The purposes that keys are derived for and signatures are made for: one constant each, all of them here. A name is
//! never used for anything else, and never again once its `v1` became a `v2`.

/// `derive_key` of a tenant's key, from the deployment key and the tenant's name.
pub(crate) const TENANT: &str = "counterfoil 2026 tenant v1";

/// `derive_key` of the key that values are digested with, from a tenant's key.
pub(crate) const VALUE: &str = "counterfoil 2026 value v1";

/// `derive_key` of the key that batches are authenticated with, from a tenant's key.
pub(crate) const BATCH_MAC: &str = "counterfoil 2026 batch mac v1";

/// Stands, with a zero byte behind it, before the code of a batch in what a sidecar signs.
#[cfg(feature = "signing")]
pub(crate) const BATCH_SIGNATURE: &str = "counterfoil 2026 batch signature v1";

/// Stands, with a space behind it, before what a comparator signs in an envelope: the name that DSSE gives itself.
#[cfg(feature = "signing")]
pub(crate) const ENVELOPE_SIGNATURE: &str = "DSSEv1";
/// `derive_key` of the key that values replaced by a repair are sealed with, from a tenant's key.
pub(crate) const REPAIR_UNDO: &str = "counterfoil 2026 repair undo v1";

/// Stands, with a zero byte behind it, before the hash of an entry about repairs in what a comparator signs.
#[cfg(feature = "signing")]
pub(crate) const REPAIR_AUDIT_SIGNATURE: &str = "counterfoil 2026 repair audit signature v1";
