//! An engine for tests: two maps in one store, and sources in the engine's own clock. Instants are milliseconds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{Engine, Limits, Options};
use crate::config::{Settings, Written};
use crate::contract::MapId;
use crate::scheduler::{Read, Request};
use crate::table::{Effects, Observed, Seen};
use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_digest::DeploymentKey;
use counterfoil_judge::{Digest, Interval, Reason, Reported, StoreOutcome, Time};
use counterfoil_proto::{BatchBuilder, Header, Row, wire};
use prost::Message;
use std::sync::Arc;

pub(crate) const CART: MapId = MapId(0);
pub(crate) const BASKET: MapId = MapId(1);

pub(crate) const A: Digest = Digest([1; 16]);
pub(crate) const B: Digest = Digest([2; 16]);

/// The store is read by nobody: what it answers is the test's to say.
const YAML: &str = "kind: comparator
listen: {grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}
stores: {main: {url: 'redis://127.0.0.1:1'}}
maps:
- {name: cart, store: main, prefix: 'cart:', deadline_ms: 1000}
- {name: basket, store: main, prefix: 'basket:', deadline_ms: 1000, lead_ms: 200}
ledger: {path: unused.db}
sources: {timeout_ms: 10000, expiry_ms: 60000}
probe: {first_delay_ms: 10, gap_ms_min: 50, gap_ms_max: 400}
";

pub(crate) struct Trial {
    pub(crate) engine: Arc<Engine>,
    key: DeploymentKey,
}

impl Trial {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "0f".repeat(32)).unwrap();
        let yaml = format!("{YAML}key: {{id: k1, file: {}}}\n", file.display());
        let written = counterfoil_settings::Sources { yaml, overlays: Vec::new() }.written::<Written>();
        let settings = Settings::try_from_written(written.unwrap()).unwrap();
        let engine = Engine::new(Options {
            contracts: Arc::new(settings.contracts),
            key: settings.key.clone(),
            own_clock: clock(),
            limits: Limits { batch_bytes_max: 4 << 20, batch_events_max: 16_384 },
            probing: settings.probe,
            keys_max: settings.keys_max,
            sources_max: settings.sources_max,
            silence: settings.silence,
        });
        Self { engine: Arc::new(engine), key: settings.key }
    }

    pub(crate) fn upload(&self, batch: &wire::Batch) -> wire::Upload {
        self.sign(batch.encode_to_vec().into())
    }

    pub(crate) fn sign(&self, batch: Bytes) -> wire::Upload {
        let mac = Bytes::copy_from_slice(self.key.mac_key().mac(&batch).as_bytes());
        wire::Upload { batch, mac, key_id: "k1".into(), ..Default::default() }
    }

    /// Takes a batch at `now`.
    pub(crate) fn hear(&self, batch: &wire::Batch, now: i64) -> Effects {
        self.engine.take(self.upload(batch), at(now)).unwrap()
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
        bye: false,
        previous_mac: Bytes::new(),
    }
}

/// A batch of acknowledged writes of [`A`], each from `begin` to `begin + 10`.
pub(crate) fn writes(header: Header, map: &str, keys: &[&str], begin: i64) -> wire::Batch {
    let mut builder = BatchBuilder::default();
    let leg = Interval::new(at(begin), at(begin + 10));
    for key in keys {
        let map = builder.map(map);
        builder.push(&Row {
            map,
            key: key.as_bytes(),
            digest: A,
            legs: Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) },
            map_order: None,
            version: None,
            trace: None,
            cohort: None,
        });
    }
    builder.finish(header)
}

pub(crate) fn heartbeat(header: Header) -> wire::Batch {
    BatchBuilder::default().finish(header)
}

/// What comes back of a read at `now` that sees `seen` everywhere.
pub(crate) fn answer(request: Request, now: i64, seen: Result<Digest, Reason>) -> Read {
    let at = Interval::new(at(now), at(now));
    let seen = seen.map(|digest| Seen { digest, version: None });
    let observed = request.probes.into_iter().map(|probe| Observed { probe, at, seen }).collect();
    Read { store: request.store, map: request.map, at, observed }
}
