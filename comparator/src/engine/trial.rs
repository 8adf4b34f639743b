//! An engine for tests: four maps in one store and two in two, two deployment keys, and sources in the engine's own clock.
//! Instants are milliseconds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{Anything, Engine, Limits, Options};
use crate::budget::Ending;
use crate::config::{Settings, Written};
use crate::contract::MapId;
use crate::scheduler::{Read, Request};
use crate::table::{Effects, Observed, Seen};
use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_judge::{Digest, Interval, Reason, Reported, StoreOutcome, Time};
use counterfoil_keys::{DeploymentKey, Keyring, Mac, Purpose, Signer, SigningKey, TenantName};
use counterfoil_proto::{BatchBuilder, Header, Row, wire};
use prost::Message;
use std::sync::Arc;

pub(crate) const CART: MapId = MapId(0);
pub(crate) const BASKET: MapId = MapId(1);
/// Of the tenant `acme`.
pub(crate) const DEPOT: MapId = MapId(2);
/// The map `twin` against each of its two stores.
pub(crate) const TWINS: [MapId; 2] = [MapId(3), MapId(4)];
/// The map `copies`, of which each process has its own, against each of its two stores.
pub(crate) const COPIES: [MapId; 2] = [MapId(5), MapId(6)];

/// Half of whose keys are checked, and whose cohorts are counted. Every event is of the second one.
pub(crate) const SAMPLED: MapId = MapId(7);

pub(crate) const A: Digest = Digest([1; 16]);
pub(crate) const B: Digest = Digest([2; 16]);

/// The store is read by nobody: what it answers is the test's to say.
const YAML: &str = "kind: comparator
listen: {grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}
stores: {main: {url: 'redis://127.0.0.1:1'}, spare: {url: 'redis://127.0.0.1:1'}}
maps:
- {name: cart, store: main, prefix: 'cart:', deadline_ms: 1000, values: true}
- {name: basket, store: main, prefix: 'basket:', deadline_ms: 1000, lead_ms: 200}
- {name: depot, store: main, prefix: 'depot:', deadline_ms: 1000, tenant: acme}
- {name: twin, deadline_ms: 1000, stores: [{store: main, hash: a}, {store: spare, hash: b, deadline_ms: 500}]}
- {name: copies, scope: process, deadline_ms: 1000, stores: [{store: main, hash: c}, {store: spare, hash: c}]}
- {name: sampled, store: main, prefix: 'sampled:', deadline_ms: 1000, sample: 0.5, cohorts: ['zone=a', 'deployment=canary']}
ledger: {path: unused.db}
sources: {timeout_ms: 10000, expiry_ms: 60000}
probe: {first_delay_ms: 10, gap_ms_min: 50, gap_ms_max: 400}
";

pub(crate) struct Trial {
    pub(crate) engine: Arc<Engine>,
    keys: Keyring<DeploymentKey>,
}

/// Who sends a batch, and how it is sealed.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) tenant: TenantName,
    pub(crate) key_id: &'static str,
    pub(crate) signing: SigningKey,
}

impl Default for Sender {
    fn default() -> Self {
        Self { tenant: TenantName::default(), key_id: "k1", signing: SigningKey::new([9; 32]) }
    }
}

impl Trial {
    /// Of whose checks it is known that both sides write values in the same form.
    pub(crate) fn new() -> Self {
        let trial = Self::calibrating();
        trial.engine.table().assume_calibrated();
        trial
    }

    /// As a comparator begins.
    pub(crate) fn calibrating() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, digits: &str| {
            let path = directory.path().join(name);
            counterfoil_keys::create_file(&path, &digits.repeat(32)).unwrap();
            path.display().to_string()
        };
        let (k1, k2) = (file("k1", "0f"), file("k2", "1e"));
        let yaml = format!("{YAML}keys: [{{id: k1, file: {k1}}}, {{id: k2, file: {k2}}}]\n");
        let written = counterfoil_settings::Sources { yaml, overlays: Vec::new() }.written::<Written>();
        let settings = Settings::try_from_written(written.unwrap()).unwrap();
        let engine = Engine::new(Options {
            contracts: Arc::new(settings.contracts),
            keys: settings.keys.clone(),
            verify: counterfoil_keys::verify,
            own_clock: clock(),
            limits: Limits { batch_bytes_max: 4 << 20, batch_events_max: 16_384 },
            probing: settings.probe,
            keys_max: settings.keys_max,
            sources_max: settings.sources_max,
            silence: settings.silence,
        });
        Self { engine: Arc::new(engine), keys: settings.keys }
    }

    pub(crate) fn upload(&self, batch: &wire::Batch) -> wire::Upload {
        self.seal(batch.encode_to_vec().into(), &Sender::default())
    }

    pub(crate) fn seal(&self, batch: Bytes, sender: &Sender) -> wire::Upload {
        let key = self.keys.get(self.keys.number(sender.key_id).unwrap()).unwrap();
        let mac = key.tenant(&sender.tenant).mac_key().mac(&batch);
        let signature = sender.signing.sign(Purpose::Batch, mac.as_bytes());
        wire::Upload {
            batch,
            mac: Bytes::copy_from_slice(mac.as_bytes()),
            key_id: sender.key_id.into(),
            tenant: sender.tenant.to_string(),
            signature: Bytes::copy_from_slice(&signature),
            signer: Bytes::copy_from_slice(&sender.signing.public()),
            ..Default::default()
        }
    }

    /// Takes a batch at `now`.
    pub(crate) fn hear(&self, batch: &wire::Batch, now: i64) -> Effects {
        self.engine.take(self.upload(batch), &Anything, at(now)).unwrap()
    }

    /// Takes a batch of `sender` at `now`; gives its code as well.
    pub(crate) fn hear_from(
        &self,
        sender: &Sender,
        batch: &wire::Batch,
        now: i64,
    ) -> (Mac, Result<Effects, super::Refused>) {
        let upload = self.seal(batch.encode_to_vec().into(), sender);
        (Mac::from_wire(&upload.mac).unwrap(), self.engine.take(upload, &Anything, at(now)))
    }
}

pub(crate) fn at(ms: i64) -> Time {
    Time(ms * 1_000_000)
}

fn clock() -> Domain {
    Domain { boot_id: "here".into(), offset_ns: 0 }
}

/// Of a batch that begins with number `first_seq` and promises everything begun before `watermark`.
pub(crate) fn header(instance: &str, first_seq: u64, watermark: i64) -> Header {
    Header {
        service: "shop".into(),
        instance: instance.into(),
        epoch: 1,
        clock: clock(),
        first_seq,
        watermark: at(watermark),
        losses: Vec::new(),
        snapshots: Vec::new(),
        bye: false,
        previous_mac: Bytes::new(),
        issued: 0,
    }
}

/// A batch of acknowledged writes of [`A`], each from `begin` to `begin + 10`.
pub(crate) fn writes(header: Header, map: &str, keys: &[&str], begin: i64) -> wire::Batch {
    writes_of(A, header, map, keys, begin)
}

/// The same of another digest.
pub(crate) fn writes_of(digest: Digest, header: Header, map: &str, keys: &[&str], begin: i64) -> wire::Batch {
    let mut builder = BatchBuilder::default();
    let leg = Interval::new(at(begin), at(begin + 10));
    let legs = Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) };
    let cohort = builder.cohort("deployment=canary");
    for key in keys {
        let map = builder.map(map);
        builder.push(&Row { cohort: Some(cohort), ..Row::new(map, key.as_bytes(), digest, legs) });
    }
    builder.finish(header)
}

pub(crate) fn heartbeat(header: Header) -> wire::Batch {
    BatchBuilder::default().finish(header)
}

/// What comes back of a read at `now` that sees `seen` everywhere; an error is one of the whole store.
pub(crate) fn answer(request: Request, now: i64, seen: Result<Digest, Reason>) -> Read {
    let at = Interval::new(at(now), at(now));
    let ending = if seen.is_ok() { Ending::Answered } else { Ending::Unanswered("timeout") };
    let seen = seen.map(|digest| Seen::new(digest, None));
    let observed =
        request.probes.into_iter().map(|probe| Observed { probe, at, seen: seen.clone() }).collect();
    Read { store: request.store, map: request.map, at, ending, observed }
}
