//! What a batch is sealed with: the code that says it was not changed, and the signature that says who made it.

use super::SourceId;
use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_keys::{Key, MacKey, Purpose, Signer, TenantKey, TenantName};
use counterfoil_proto::{Loss, wire};
use prost::Message;
use std::sync::Arc;

/// A tenant's key and the sidecar's own, ready to seal batches with.
#[derive(Clone)]
pub struct Seal {
    key_id: Arc<str>,
    tenant: TenantName,
    mac_key: MacKey,
    signing: Arc<dyn Signer>,
    signer: Bytes,
}

impl Seal {
    /// A seal under the tenant's `key` that is signed with `signing`.
    #[must_use]
    pub fn new(key: &TenantKey, signing: Arc<dyn Signer>) -> Self {
        Self {
            key_id: key.id().into(),
            tenant: key.name().clone(),
            mac_key: key.mac_key(),
            signer: Bytes::copy_from_slice(&signing.public()),
            signing,
        }
    }

    /// The public key that signatures hold under.
    pub(crate) fn signer(&self) -> &Bytes {
        &self.signer
    }

    /// Whose batches are sealed.
    pub(crate) fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// Seals an encoded batch of `events` events.
    pub(super) fn seal(&self, batch: Bytes, events: u64, about: About) -> Sealed {
        let mac = self.mac_key.mac(&batch);
        let signature = self.signing.sign(Purpose::Batch, mac.as_bytes());
        Sealed {
            batch,
            mac: Bytes::copy_from_slice(mac.as_bytes()),
            signature: Bytes::copy_from_slice(&signature),
            signer: self.signer.clone(),
            key_id: self.key_id.clone(),
            tenant: self.tenant.clone(),
            events,
            about,
        }
    }

    /// Seals a batch anew, behind another one and with one more loss before its own. `None` if it is no batch, or was sealed
    /// under a key of another id.
    pub(crate) fn anew(&self, sealed: &Sealed, previous_mac: Bytes, loss: Option<Loss>) -> Option<Sealed> {
        if sealed.key_id != self.key_id {
            return None;
        }
        let mut batch = wire::Batch::decode(sealed.batch.clone()).ok()?;
        let mut about = About { previous_mac: previous_mac.clone(), ..sealed.about.clone() };
        batch.previous_mac = previous_mac;
        if let Some(loss) = loss {
            about.from_seq = about.from_seq.min(loss.first_seq);
            batch.losses.insert(0, loss.into());
        }
        Some(self.seal(batch.encode_to_vec().into(), sealed.events, about))
    }
}

impl Key for Seal {
    fn id(&self) -> &str {
        &self.key_id
    }
}

/// A batch as it travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The encoded batch.
    pub batch: Bytes,
    /// Its code.
    pub mac: Bytes,
    /// The signature of the code.
    pub signature: Bytes,
    /// The public key of the signature.
    pub signer: Bytes,
    /// Id of the key that the code and the digests were made under.
    pub key_id: Arc<str>,
    /// Whose batch it is.
    pub tenant: TenantName,
    /// How many events it has.
    pub events: u64,
    /// What it says of its source.
    pub about: About,
}

/// What a batch says of its source, for whoever keeps it without opening it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    /// Whose events it has.
    pub source: Arc<SourceId>,
    /// The clock of its times.
    pub clock: Domain,
    /// The first number that it tells of, as an event or as lost.
    pub from_seq: u64,
    /// The number after the last one that it tells of.
    pub next_seq: u64,
    /// The next number that the source will use, as far as it has said.
    pub issued: u64,
    /// Everything begun before this was reported, in this batch or an earlier one.
    pub watermark: Time,
    /// No more batches of this source follow.
    pub ended: bool,
    /// Nobody can come back to the source once it has ended: the sidecar named it.
    pub anonymous: bool,
    /// The code of the source's batch before; empty if this one begins a chain.
    pub previous_mac: Bytes,
}

impl Sealed {
    /// The upload of this batch as number `number`, without clock readings.
    #[must_use]
    pub fn into_upload(self, number: u64) -> wire::Upload {
        wire::Upload {
            number,
            batch: self.batch,
            mac: self.mac,
            key_id: self.key_id.to_string(),
            tenant: self.tenant.to_string(),
            signature: self.signature,
            signer: self.signer,
            ..wire::Upload::default()
        }
    }
}
