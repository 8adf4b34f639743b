//! The system under attack.

use counterfoil_proto::wire::emit::{Heartbeat, frame::Body};
use counterfoil_tests::emit::{Client, dual_put, now_ns};
use counterfoil_tests::sender::Sender;
use counterfoil_tests::stores::{Redis, redis_url};
use counterfoil_tests::summary::{Outcomes, Summary};
use counterfoil_tests::{Harness, Map, Setup, memory, wait};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// The most memory that a process may ever have had where an attack gives it nothing to keep, in MiB. Without any attack, each
/// has taken about 20.
pub(crate) const MEMORY_MIB_MAX: u64 = 64;

/// Keys that the right client writes by turns.
const KEYS: u64 = 10;

/// A map of a tenant that the right client has nothing to do with.
pub(crate) const OF_ACME: &str = "acme";

/// Both processes, and a client that does everything right: it writes, and each of its writes gets its outcome.
pub(crate) struct House {
    pub(crate) harness: Harness,
    map: String,
    writer: Writer,
    /// What the right client wrote before the sidecar was started over.
    written_before: u64,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|setup| setup)
    }

    /// With a configuration that `change` has changed.
    pub(crate) fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let store = Redis::connect(&redis_url());
        let map = Map::new(&store.name, store.place());
        let contract = |name: &str, tenant, prefix: &str| json!({ "name": name, "tenant": tenant, "store": "main", "prefix": prefix, "deadline_ms": 2_000 });
        let maps = json!([contract(&map.name, "default", &map.place.1), contract(OF_ACME, "acme", "acme:")]);
        let notes = Map { codec: "json", ..Map::new("notes", ("prefix", "notes:".to_owned())) };
        let setup = Setup::new().store("main", &redis_url()).map(&map).map(&notes).comparator("/maps", maps);
        let harness = change(setup).start();
        let writer = Writer::start(&harness, &map.name, store, 0);
        let house = Self { harness, map: map.name, writer, written_before: 0 };
        house.is_served();
        house
    }

    /// Another connection to the sidecar.
    pub(crate) fn caller(&self) -> Client {
        Client::connect(&self.harness.socket())
    }

    /// Somebody who has the deployment key and speaks for the tenant `acme`.
    pub(crate) fn acme(&self) -> Sender {
        Sender::new(self.harness.grpc(), &self.harness.setup().folder().join("key"), "acme")
    }

    /// How often the sidecar has refused a frame for this reason.
    pub(crate) fn refused_frames(&self, reason: &str) -> f64 {
        let label = format!("reason=\"{reason}\"");
        self.harness.sidecar_metric("counterfoil_framer_refused_frames_total", &[&label])
    }

    /// The connection is refused with a message that has this part, and counted as this.
    pub(crate) fn refuses(&self, caller: &mut Client, part: &str, reason: &str) {
        let before = self.refused_frames(reason);
        let message =
            caller.refusal().unwrap_or_else(|| panic!("closed without a reason, which should say {part}"));
        assert!(message.contains(part), "{message:?} should say {part:?}");
        // The answer may have been read before this looked.
        wait::until(reason, || (self.refused_frames(reason) >= before.max(1.0)).then_some(()));
    }

    /// The right client's writes get their outcomes, from now on as before.
    pub(crate) fn is_served(&self) {
        let before = self.writer.ended.load(Ordering::Relaxed);
        wait::until("two more writes of the right client", || {
            assert!(!self.writer.thread.as_ref().is_some_and(JoinHandle::is_finished), "it gave up");
            (self.writer.ended.load(Ordering::Relaxed) >= before + 2).then_some(())
        });
    }

    /// Kills the sidecar and starts it again: it has to come in anew.
    pub(crate) fn start_over_the_sidecar(&mut self) {
        self.written_before += self.writer.stop();
        _ = self.harness.settled(self.written_before);
        self.harness.kill_sidecar();
        self.harness.start_sidecar();
        let mut store = Redis::connect(&redis_url());
        store.name.clone_from(&self.map);
        self.writer = Writer::start(&self.harness, &self.map, store, self.written_before);
    }

    /// No process has ever taken more memory than this, in MiB.
    pub(crate) fn is_bounded(&self, [sidecar, comparator]: [u64; 2]) {
        let peaks = [self.harness.sidecar_id(), self.harness.comparator_id()].map(memory::peak_mib);
        eprintln!("peaks of sidecar and comparator: {peaks:?} MiB");
        assert!(peaks[0] <= sidecar && peaks[1] <= comparator, "{peaks:?} MiB");
    }

    /// After the attack the right client is served as before, nothing that it wrote was called divergent, and everything has one
    /// outcome. Gives the right client's.
    pub(crate) fn goes_on(mut self) -> Outcomes {
        self.is_served();
        let written = self.written_before + self.writer.stop();
        let summary = self.harness.settled(written);
        let outcomes = summary.outcomes(&self.map);
        assert_eq!((outcomes.sum(), outcomes.divergent), (written, 0), "{summary:#?}");
        assert_eq!(summary.divergences.opened, 0, "{:#?}", self.harness.divergences());
        self.harness.finish();
        outcomes
    }
}

/// The client that does everything right, in a thread of its own.
struct Writer {
    /// Its writes that have their outcomes.
    ended: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Writer {
    /// A process that begins when `before` of its map's writes have their outcomes.
    fn start(harness: &Harness, map: &str, store: Redis, before: u64) -> Self {
        let (client, _) = Client::welcomed(&harness.socket(), "right");
        let (ended, is_over) = (Arc::default(), Arc::default());
        let task = Task { client, store, map: map.to_owned(), http: harness.http(), before, written: 0 };
        let (counted, stopped) = (Arc::clone(&ended), Arc::clone(&is_over));
        let thread = thread::spawn(move || task.run(&counted, &stopped));
        Self { ended, is_over, thread: Some(thread) }
    }

    /// Lets it say goodbye; gives how often it wrote.
    fn stop(&mut self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().expect("the right client was served to the end"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

struct Task {
    client: Client,
    store: Redis,
    map: String,
    http: u16,
    /// What an earlier process wrote.
    before: u64,
    written: u64,
}

impl Task {
    fn run(mut self, ended: &AtomicU64, is_over: &AtomicBool) -> u64 {
        while !is_over.load(Ordering::Relaxed) {
            self.write();
            wait::until("the outcome of the right client's write", || {
                self.beat();
                let outcomes = Summary::of(self.http).outcomes(&self.map);
                (outcomes.sum() - outcomes.open == self.before + self.written).then_some(())
            });
            ended.store(self.written, Ordering::Relaxed);
        }
        self.client.bye();
        self.written
    }

    /// Promises that everything was reported: no verdict comes before.
    fn beat(&mut self) {
        let (next_seq, watermark_ns) = (self.written, now_ns());
        self.client.send(Body::Heartbeat(Heartbeat { next_seq, watermark_ns, ..Default::default() }));
    }

    /// Writes to map and store, and waits until the sidecar has acknowledged the report.
    fn write(&mut self) {
        let (key, value) = (format!("key-{}", self.written % KEYS), self.written.to_string());
        let event = dual_put(&key, value.as_bytes(), || self.store.put(&key, value.as_bytes()));
        self.client.report(&self.map, self.written, vec![event]);
        self.written += 1;
        loop {
            match self.client.receive() {
                Some(Body::Ack(ack)) if ack.through_seq >= self.written => return,
                Some(Body::Ack(_)) => {}
                other => panic!("no acknowledgement but {other:?}"),
            }
        }
    }
}
