//! Sidecar and comparator over TLS, as real processes: who is let in, who is not, and certificates that change under load.

use counterfoil_tests::certificates::{
    Authority, COMPARATOR, ENDED, Folder, SIDECAR, TODAY, Years, rule, source, uplink,
};
use counterfoil_tests::emit::{Client, dual_put};
use counterfoil_tests::stores::{Redis, redis_url};
use counterfoil_tests::{Harness, Map, Process, Setup, unique, wait};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const REFUSED_PEERS: &str = "counterfoil_receiver_refused_peers_total";
const REFUSED_BATCHES: &str = "counterfoil_receiver_refused_batches_total";
const RELOADS: &str = "counterfoil_tls_reloads_total";
const CONNECTS: &str = "counterfoil_uplink_connects_total";

/// Keys that are written by turns.
const KEYS: u64 = 50;

/// Names that the comparator has rules for, besides the sidecar's.
const OF_STOCK: &str = "spiffe://shop/stock";
const OF_ACME: &str = "spiffe://acme/cart";

/// A comparator with certificates, and one map.
struct House {
    authority: Authority,
    comparator: Folder,
    sidecar: Folder,
    map: Map,
}

impl House {
    fn new() -> Self {
        let authority = Authority::new("ours");
        let map = Map::new(&unique("cart"), ("prefix", String::new()));
        let map = Map { place: ("prefix", format!("{}:", map.name)), ..map };
        Self { comparator: authority.member(COMPARATOR), sidecar: authority.member(SIDECAR), authority, map }
    }

    /// Its configurations. A second map belongs to another tenant.
    fn setup(&self) -> Setup {
        let acme = json!({ "identity": OF_ACME, "tenant": "acme", "services": ["*"] });
        let clients = json!([rule(SIDECAR, &["cart"]), rule(OF_STOCK, &["stock"]), acme]);
        let maps: Vec<Value> = [(self.map.name.as_str(), "default"), ("acme", "acme")]
            .map(|(name, tenant)| {
                json!({ "name": name, "tenant": tenant, "store": "main", "codec": "bytes",
                    "prefix": format!("{name}:"), "deadline_ms": 2_000 })
            })
            .into();
        Setup::new().store("main", &redis_url()).map(&self.map).comparator("/maps", json!(maps)).tls(
            &self.comparator,
            &self.sidecar,
            clients,
        )
    }

    /// A client of the service `cart`.
    fn writer(&self, socket: &Path) -> Writer {
        let (client, _) = Client::welcomed(socket, "cart");
        client.discard_answers();
        let mut store = Redis::connect(&redis_url());
        store.name.clone_from(&self.map.name);
        Writer { client, store, map: self.map.name.clone(), written: 0 }
    }

    /// Another sidecar with these files, that calls `server`.
    fn another(&self, harness: &Harness, folder: &Folder, server: &str) -> Another {
        self.another_with(uplink(harness.setup().grpc_port(), folder, server))
    }

    fn another_with(&self, uplink: Value) -> Another {
        let setup = Setup::new().map(&self.map).sidecar("/uplink", uplink).sidecar("/source", source());
        let process = Process::start("sidecar", &mut setup.command("sidecar"), setup.folder());
        let socket = setup.folder().join("emit.sock");
        wait::until("the other sidecar listens", || socket.exists().then_some(()));
        Another { process, setup }
    }
}

/// A client that writes to map and store, and reports it.
struct Writer {
    client: Client,
    store: Redis,
    map: String,
    written: u64,
}

impl Writer {
    fn write(&mut self) {
        let (key, value) = (format!("key-{}", self.written % KEYS), self.written.to_string());
        let Self { client, store, map, written } = self;
        let event = dual_put(&key, value.as_bytes(), || store.put(&key, value.as_bytes()));
        client.report(map, *written, vec![event]);
        self.written += 1;
    }
}

/// A sidecar beside the harness.
struct Another {
    process: Process,
    setup: Setup,
}

impl Another {
    fn socket(&self) -> std::path::PathBuf {
        self.setup.folder().join("emit.sock")
    }

    /// Waits until a line of its log has every part.
    fn says(&self, parts: &[&str]) {
        wait::until(&format!("a line with {parts:?}"), || {
            let log = self.process.log();
            log.lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(())
        });
    }
}

fn counted(harness: &Harness, metric: &str, reason: &str) {
    let label = format!("reason=\"{reason}\"");
    wait::until(&format!("{metric} {label}"), || {
        (harness.comparator_metric(metric, &[&label]) > 0.0).then_some(())
    });
}

/// What one intruder shows, what the comparator counts, and what the intruder says then.
struct Row {
    folder: Folder,
    metric: &'static str,
    reason: &'static str,
    says: &'static [&'static str],
}

/// A certificate for a name, which is not to suffice.
fn row(
    (authority, name, years): (&Authority, &str, Years),
    believed: &Authority,
    (metric, reason): (&'static str, &'static str),
    says: &'static [&'static str],
) -> Row {
    Row { folder: Folder::new(&authority.issue(name, years), &believed.pem()), metric, reason, says }
}

#[test]
fn events_flow_over_tls_and_both_sides_say_that_it_is_secure() {
    let house = House::new();
    let harness = house.setup().start();
    let mut writer = house.writer(&harness.socket());
    (0..KEYS).for_each(|_| writer.write());
    writer.client.bye();
    let summary = harness.settled(KEYS);
    assert_eq!(summary.outcomes(&house.map.name).confirmed, KEYS, "{summary:?}");
    let both = |name: &str| [harness.sidecar_metric(name, &[]), harness.comparator_metric(name, &[])];
    assert_eq!(both("counterfoil_insecure"), [0.0, 0.0]);
    assert!(both("counterfoil_tls_certificate_remaining_seconds").iter().all(|left| *left > 1e9));
    harness.finish();
}

#[test]
fn who_sends_in_plain_text_says_so_on_both_sides() {
    let harness = Setup::new().store("main", &redis_url()).map(&House::new().map).start();
    assert_eq!(harness.sidecar_metric("counterfoil_insecure", &[]), 1.0);
    assert_eq!(harness.comparator_metric("counterfoil_insecure", &[]), 1.0);
    harness.finish();
}

#[test]
fn a_sidecar_without_the_right_certificate_gets_nothing_in_and_another_beside_it_goes_on() {
    let house = House::new();
    let harness = house.setup().start();
    let mut writer = house.writer(&harness.socket());
    writer.write();
    let (ours, theirs) = (&house.authority, &Authority::new("theirs"));
    let refuses = &["uplink.tls.certificate: the comparator refuses it"][..];
    let rows = [
        row((theirs, SIDECAR, TODAY), ours, (REFUSED_PEERS, "unknown_authority"), refuses),
        row((ours, SIDECAR, ENDED), ours, (REFUSED_PEERS, "expired"), refuses),
        row(
            (ours, "spiffe://shop/nobody", TODAY),
            ours,
            (REFUSED_PEERS, "no_rule"),
            &["`clients`", "shop/nobody"],
        ),
        row(
            (ours, OF_ACME, TODAY),
            ours,
            (REFUSED_BATCHES, "tenant"),
            &["may not report for tenant `default`"],
        ),
        row(
            (ours, OF_STOCK, TODAY),
            ours,
            (REFUSED_BATCHES, "service"),
            &["may not report for service `cart`"],
        ),
    ];
    for Row { folder, metric, reason, says } in rows {
        let another = house.another(&harness, &folder, COMPARATOR);
        house.writer(&another.socket()).write();
        counted(&harness, metric, reason);
        another.says(says);
        drop(another);
        writer.write();
    }
    let endpoint = format!("http://127.0.0.1:{}", harness.setup().grpc_port());
    let plain = house.another_with(json!({ "endpoint": endpoint, "insecure": true }));
    house.writer(&plain.socket()).write();
    counted(&harness, REFUSED_PEERS, "not_tls");
    plain.says(&["uplink.endpoint: the connection broke", "write an https endpoint and `uplink.tls`"]);
    drop(plain);
    writer.write();
    let written = writer.written;
    writer.client.bye();
    let summary = harness.settled(written);
    assert_eq!(summary.accepted, written, "nothing of the others came in: {summary:?}");
    let outcomes = summary.outcomes(&house.map.name);
    assert_eq!(outcomes.confirmed + outcomes.superseded, written, "{summary:?}");
    assert_eq!(summary.lost, 0, "{summary:?}");
    harness.finish();
}

#[test]
fn a_comparator_with_another_name_is_told_nothing() {
    let house = House::new();
    let harness = house.setup().start();
    let another = house.another(&harness, &house.sidecar, "spiffe://shop/ledger");
    house.writer(&another.socket()).write();
    another.says(&[
        "uplink.tls",
        "the server is spiffe://shop/comparator, not spiffe://shop/ledger",
        "`server`",
    ]);
    counted(&harness, REFUSED_PEERS, "refused_by_peer");
    drop(another);
    assert_eq!(harness.finish().accepted, 0);
}

/// Waits until both processes use the files that they found changed `times` times, and the sidecar talks on a stream that
/// began since.
fn rotated(harness: &Harness, times: f64) {
    wait::until("both use the new files", || {
        let result = &["result=\"reloaded\""][..];
        let both = [harness.sidecar_metric(RELOADS, result), harness.comparator_metric(RELOADS, result)];
        (both == [times, times]).then_some(())
    });
    wait::until("another stream", || (harness.sidecar_metric(CONNECTS, &[]) > times).then_some(()));
}

#[test]
fn certificates_of_both_sides_and_their_authority_change_under_load_without_loss_or_repetition() {
    let (house, new) = (House::new(), Authority::new("new"));
    let harness = house.setup().start();
    let mut writer = house.writer(&harness.socket());
    let over = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                writer.write();
            }
            writer.client.bye();
            writer.written
        });
        let both = [(&house.comparator, COMPARATOR), (&house.sidecar, SIDECAR)];
        let (old_pem, new_pem) = (house.authority.pem(), new.pem());
        let either = format!("{old_pem}{new_pem}");
        let steps = [(&house.authority, &either), (&new, &either), (&new, &new_pem)];
        for ((issuer, believed), times) in steps.into_iter().zip([1.0, 2.0, 3.0]) {
            let accepted = harness.summary().accepted;
            for (folder, name) in both {
                folder.swap(&issuer.issue(name, TODAY), believed);
            }
            rotated(&harness, times);
            wait::until("events on the new stream", || (harness.summary().accepted > accepted).then_some(()));
        }
        over.store(true, Ordering::Relaxed);
        load.join().expect("the load ends well")
    });
    let summary = harness.settled(written);
    assert_eq!((summary.accepted, summary.lost), (written, 0), "{summary:?}");
    assert_eq!(summary.divergences.opened, 0, "{:#?}", harness.divergences());
    assert_eq!(harness.comparator_metric("counterfoil_receiver_duplicate_events_total", &[]), 0.0);
    assert_eq!(harness.sidecar_metric("counterfoil_uplink_errors_total", &[]), 0.0, "no stream broke");
    harness.finish();
}
