//! The gate: what an upload must be to be looked at. Nothing of a batch is decoded before its code and its signature were
//! found right.

use super::grants::Grants;
use crate::sources::{Broken, Link};
use counterfoil_keys::{DeploymentKey, KeyNumber, Keyring, Mac, MacKey, Purpose, TenantName, Verify};
use counterfoil_proto::{BatchError, Columns, wire};
use prost::Message;
use std::collections::HashMap;
use thiserror::Error;

/// Longest part of a service's name that a refusal tells, in characters.
const SERVICE_CHARS_SHOWN: usize = 128;

/// Bounds of what a sidecar may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest encoded batch, in bytes.
    pub batch_bytes_max: usize,
    /// Most events in a batch.
    pub batch_events_max: usize,
}

/// Why a batch was refused.
#[derive(Debug, Error)]
pub enum Refused {
    /// No contract names its tenant.
    #[error("tenant is not one that a map's contract names; set the sidecar's `tenant`, or maps[].tenant")]
    NoTenant,
    /// Whoever sent it does not speak for its tenant.
    #[error("this peer may not report for tenant `{0}`; see the rule for it in the comparator's `clients`")]
    Tenant(TenantName),
    /// Whoever sent it may not report for its service.
    #[error("this peer may not report for service `{0}`; see the rule for it in the comparator's `clients`")]
    Service(Box<str>),
    /// It was made under a key of another id.
    #[error("key_id is not accepted; the comparator's `keys` are: {accepted}")]
    Key {
        /// The comparator's.
        accepted: Box<str>,
    },
    /// It was changed on its way, or made with another key.
    #[error("mac does not fit the batch; both sides need the same key in keys[].file, and the same tenant")]
    Code,
    /// It was not signed by whom it says.
    #[error("signature of the batch's mac does not hold under signer")]
    Signature,
    /// It is not a message.
    #[error(transparent)]
    Encoding(#[from] prost::DecodeError),
    /// It is a message that makes no sense.
    #[error(transparent)]
    Malformed(#[from] BatchError),
    /// It is longer than allowed.
    #[error("batch has {bytes} bytes; limits.batch_bytes_max is {limit}")]
    Bytes {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// It has more events than allowed.
    #[error("batch has {events} events; limits.batch_events_max is {limit}")]
    Events {
        /// What it has.
        events: usize,
        /// What it may have.
        limit: usize,
    },
    /// There is no room for its source.
    #[error("too many sources; raise sources.sources_max")]
    Sources,
    /// It is no part of its source's chain.
    #[error(transparent)]
    Chain(#[from] Broken),
}

/// A batch that is to be believed.
pub(super) struct Opened {
    /// What it says.
    pub(super) columns: Columns,
    /// Whose it is.
    pub(super) tenant: TenantName,
    /// The key that its digests are under.
    pub(super) key: KeyNumber,
    /// Its place in its source's chain.
    pub(super) link: Link,
}

/// Authenticates and decodes.
pub(super) struct Gate {
    keys: Keyring<DeploymentKey>,
    /// Of each tenant that a contract names, the keys of codes under the numbers of `keys`.
    tenants: HashMap<TenantName, Keyring<MacKey>>,
    verify: Verify,
    pub(super) limits: Limits,
}

impl Gate {
    /// Lets batches of `tenants` in that were made under one of `keys` and keep to `limits`.
    pub(super) fn new<'a>(
        keys: Keyring<DeploymentKey>,
        verify: Verify,
        tenants: impl IntoIterator<Item = &'a TenantName>,
        limits: Limits,
    ) -> Self {
        let mac_keys = |name: &TenantName| keys.map(|key| key.tenant(name).mac_key());
        let tenants = tenants.into_iter().map(|name| (name.clone(), mac_keys(name))).collect();
        Self { tenants, keys, verify, limits }
    }

    /// Ids of the keys that are accepted, the current one first.
    pub(super) fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.ids()
    }

    /// The batch of an upload, if it is to be believed and whoever sent it may.
    pub(super) fn open(&self, upload: &wire::Upload, grants: &dyn Grants) -> Result<Opened, Refused> {
        let (limit, bytes) = (self.limits.batch_bytes_max, upload.batch.len());
        if bytes > limit {
            return Err(Refused::Bytes { bytes, limit });
        }
        let (tenant, mac_keys) =
            self.tenants.get_key_value(upload.tenant.as_str()).ok_or(Refused::NoTenant)?;
        if !grants.tenant(tenant) {
            return Err(Refused::Tenant(tenant.clone()));
        }
        let key = self.keys.number(&upload.key_id).ok_or_else(|| self.unknown_key())?;
        let mac = mac_keys.get(key).map(|key| key.mac(&upload.batch));
        let mac = Mac::from_wire(&upload.mac).filter(|told| mac == Some(*told)).ok_or(Refused::Code)?;
        if !(self.verify)(&upload.signer, Purpose::Batch, mac.as_bytes(), &upload.signature) {
            return Err(Refused::Signature);
        }
        let columns = self.decode(upload)?;
        let header = columns.header();
        if !grants.service(&header.service) {
            let shown: String = header.service.chars().take(SERVICE_CHARS_SHOWN).collect();
            return Err(Refused::Service(shown.into()));
        }
        let signer = upload.signer.as_ref().try_into().map_err(|_| Refused::Signature)?;
        let link = Link { previous: previous(&header.previous_mac)?, mac, signer };
        Ok(Opened { tenant: tenant.clone(), key, link, columns })
    }

    fn decode(&self, upload: &wire::Upload) -> Result<Columns, Refused> {
        let batch = wire::Batch::decode(upload.batch.clone())?;
        let (limit, events) = (self.limits.batch_events_max, batch.flags.len());
        if events > limit {
            return Err(Refused::Events { events, limit });
        }
        Ok(Columns::try_from(batch)?)
    }

    fn unknown_key(&self) -> Refused {
        Refused::Key { accepted: self.key_ids().collect::<Vec<_>>().join(", ").into() }
    }
}

/// The code of the batch before, if one is named.
fn previous(bytes: &[u8]) -> Result<Option<Mac>, Broken> {
    if bytes.is_empty() {
        return Ok(None);
    }
    // No batch has a code of another length.
    Mac::from_wire(bytes).map(Some).ok_or(Broken::Missing)
}
