//! A sidecar that a test plays by hand: it has a key, and says to the comparator whatever the test wants.

use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_keys::{DeploymentKey, Purpose, Signer, SigningKey, TenantKey};
use counterfoil_proto::wire::{self, intake_client::IntakeClient, reply::Body};
use prost::Message;
use std::path::Path;
use tokio::runtime::Runtime;
use tonic::Status;

/// Who speaks for a tenant.
pub struct Sender {
    runtime: Runtime,
    endpoint: String,
    key: TenantKey,
    signing: SigningKey,
}

impl Sender {
    /// With the deployment key in the file at `key`, which is named `k1`.
    ///
    /// # Panics
    ///
    /// If the key cannot be used.
    #[must_use]
    pub fn new(endpoint: String, key: &Path, tenant: &str) -> Self {
        let key = DeploymentKey::from_file("k1", key).expect("the deployment key");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            runtime: runtime.expect("a runtime"),
            endpoint,
            key: key.tenant(&tenant.parse().expect("the name of a tenant")),
            signing: SigningKey::new([9; 32]),
        }
    }

    /// The upload of a batch, with its code and signature as they should be.
    #[must_use]
    pub fn seal(&self, batch: &wire::Batch) -> wire::Upload {
        let batch = Bytes::from(batch.encode_to_vec());
        let mac = Bytes::copy_from_slice(self.key.mac_key().mac(&batch).as_bytes());
        let unsigned = wire::Upload {
            batch,
            mac,
            key_id: self.key.id().to_owned(),
            tenant: self.key.name().to_string(),
            sent_ns: crate::emit::now_ns(),
            clock: Some((&Domain::of_this_process()).into()),
            ..Default::default()
        };
        signed(unsigned, &self.signing)
    }

    /// The uploads of these batches, each linked to the one before it.
    #[must_use]
    pub fn seal_chain(&self, batches: impl IntoIterator<Item = wire::Batch>) -> Vec<wire::Upload> {
        let mut previous_mac = Bytes::new();
        let sealed = batches.into_iter().map(|batch| {
            let upload = self.seal(&wire::Batch { previous_mac: previous_mac.clone(), ..batch });
            previous_mac = upload.mac.clone();
            upload
        });
        sealed.collect()
    }

    /// Sends uploads on a stream of their own, numbered from 1, and gives how many were acknowledged before the stream ended.
    ///
    /// # Errors
    ///
    /// The status with which the comparator ended the stream.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    pub fn send(&self, uploads: Vec<wire::Upload>) -> Result<u64, Status> {
        let numbered = uploads.into_iter().zip(1..).map(|(upload, number)| wire::Upload { number, ..upload });
        let uploads = tokio_stream::iter(numbered.collect::<Vec<_>>());
        self.runtime.block_on(async {
            let connected = IntakeClient::connect(self.endpoint.clone()).await;
            let mut replies = connected.expect("the comparator listens").stream(uploads).await?.into_inner();
            let mut acknowledged = 0;
            while let Some(reply) = replies.message().await? {
                if let Some(Body::Ack(ack)) = reply.body {
                    acknowledged = ack.through_number;
                }
            }
            Ok(acknowledged)
        })
    }
}

/// The upload, signed by `key`.
#[must_use]
pub fn signed(upload: wire::Upload, key: &SigningKey) -> wire::Upload {
    let signature = Bytes::copy_from_slice(&key.sign(Purpose::Batch, &upload.mac));
    wire::Upload { signature, signer: Bytes::copy_from_slice(&key.public()), ..upload }
}

/// A batch of `service` with as many writes of one key as there are `maps`, each of another map and in another cohort, that
/// happened just now and were certainly not applied.
///
/// # Panics
///
/// If there are more maps than a batch has numbers for.
#[must_use]
pub fn batch(service: &str, first_seq: u64, maps: Vec<String>, cohorts: Vec<String>) -> wire::Batch {
    const KEY: &[u8] = b"key";
    const STORE_FAILED: u8 = 2;
    let events = maps.len();
    let count = u32::try_from(events).expect("a batch has fewer events");
    let (clock, at) = (Some((&Domain::of_this_process()).into()), crate::emit::now_ns());
    let times = vec![at; events];
    wire::Batch {
        service: service.to_owned(),
        instance: "test".to_owned(),
        epoch: 1,
        clock,
        first_seq,
        count,
        watermark_ns: at,
        map_index: (0..count).collect(),
        cohort_index: if cohorts.is_empty() { Vec::new() } else { (1..=count).collect() },
        maps,
        cohorts,
        keys: KEY.repeat(events).into(),
        key_lengths: vec![3; events],
        digests: vec![0; events * 16].into(),
        flags: vec![STORE_FAILED; events].into(),
        map_begin_ns: times.clone(),
        map_end_ns: times.clone(),
        store_begin_ns: times.clone(),
        store_end_ns: times,
        ..Default::default()
    }
}
