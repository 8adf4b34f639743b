//! The gate: what an upload must be to be looked at. Nothing of a batch is decoded before its code was found right.

use counterfoil_digest::{DeploymentKey, Mac, MacKey};
use counterfoil_proto::{BatchError, Columns, wire};
use prost::Message;
use thiserror::Error;

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
    /// It was made with a key of another name.
    #[error("key_id is not `{expected}`, the comparator's key.id")]
    Key {
        /// The comparator's.
        expected: Box<str>,
    },
    /// It was changed on its way, or made with another key.
    #[error("mac does not fit the batch; both sides need the same key.file")]
    Code,
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
}

/// Authenticates and decodes.
pub(super) struct Gate {
    key_id: Box<str>,
    mac_key: MacKey,
    pub(super) limits: Limits,
}

impl Gate {
    /// Lets batches in that were made with `key` and keep to `limits`.
    pub(super) fn new(key: &DeploymentKey, limits: Limits) -> Self {
        Self { key_id: key.id().into(), mac_key: key.mac_key(), limits }
    }

    /// The batch of an upload, if it is to be believed.
    pub(super) fn open(&self, upload: &wire::Upload) -> Result<Columns, Refused> {
        let (limit, bytes) = (self.limits.batch_bytes_max, upload.batch.len());
        if bytes > limit {
            return Err(Refused::Bytes { bytes, limit });
        }
        if *upload.key_id != *self.key_id {
            return Err(Refused::Key { expected: self.key_id.clone() });
        }
        if Mac::from_wire(&upload.mac) != Some(self.mac_key.mac(&upload.batch)) {
            return Err(Refused::Code);
        }
        let batch = wire::Batch::decode(upload.batch.clone())?;
        let (limit, events) = (self.limits.batch_events_max, batch.flags.len());
        if events > limit {
            return Err(Refused::Events { events, limit });
        }
        Ok(Columns::try_from(batch)?)
    }
}
