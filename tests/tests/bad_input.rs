//! Bad input, seen from outside: each kind is refused with a message that names the limit or the key to set, is counted,
//! and leaves everybody else alone.

use bytes::Bytes;
use counterfoil_digest::{BUCKETS, bucket, key_hash};
use counterfoil_proto::wire::emit::{Events, Heartbeat, Hello, Loss, frame::Body};
use counterfoil_tests::emit::{Client, dual_put, hello, now_ns, put};
use counterfoil_tests::stores::{LateRedis, Redis, redis_url};
use counterfoil_tests::{Ended, Harness, Map, Process, Setup, unique, wait};
use std::process::Command;

/// A running system, and a well-behaved client that was there before the bad one came.
struct Bystander {
    harness: Harness,
    store: Redis,
    client: Client,
    map: String,
    reported: u64,
}

impl Bystander {
    fn present() -> Self {
        let store = Redis::connect(&redis_url());
        let map = Map::new(&unique("cart"), store.place());
        let text = Map { codec: "text", ..Map::new("notes", ("prefix", "notes:".to_owned())) };
        let harness = Setup::new().store("main", &redis_url()).map(&map).map(&text).start();
        let (client, welcome) = Client::welcomed(&harness.socket(), "bystander");
        assert_eq!(welcome.maps, [map.name.as_str(), "notes"]);
        let mut bystander = Self { harness, store, client, map: map.name, reported: 0 };
        bystander.write();
        bystander
    }

    fn write(&mut self) {
        let key = format!("bystander-{}", self.reported);
        let event = dual_put(&key, b"2 apples", || self.store.put(&key, b"2 apples"));
        self.client.report(&self.map, self.reported, vec![event]);
        self.reported += 1;
    }

    fn bad_client(&self) -> Client {
        Client::connect(&self.harness.socket())
    }

    /// A set with one bucket of keys, in which the bystander has none: a loss there does not concern it.
    fn another_bucket(&self) -> Bytes {
        let own = [0, 1].map(|number| bucket(key_hash(&self.map, format!("bystander-{number}").as_bytes())));
        let other = (0..BUCKETS).find(|it| !own.contains(it)).expect("there are more than two buckets");
        (0..BUCKETS / 8).map(|byte| if byte == other / 8 { 1 << (other % 8) } else { 0 }).collect()
    }

    /// The bystander's connection is as good as before, and everything it wrote is confirmed.
    fn goes_on(mut self) {
        self.write();
        self.client.bye();
        let summary = self.harness.settled(self.reported);
        let outcomes = summary.outcomes(&self.map);
        assert_eq!((outcomes.confirmed, outcomes.divergent), (self.reported, 0), "{summary:?}");
        self.harness.finish();
    }

    fn assert_counted(&self, metric: &str, reason: &str) {
        let label = format!("reason=\"{reason}\"");
        wait::until(&format!("{metric} {label}"), || {
            (self.harness.sidecar_metric(metric, &[&label]) > 0.0).then_some(())
        });
    }

    /// The connection is refused with a message that has all of `parts`, and counted.
    fn assert_refused(&self, client: &mut Client, parts: &[&str], reason: &str) {
        let message =
            client.refusal().unwrap_or_else(|| panic!("closed without a reason; expected {parts:?}"));
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        self.assert_counted("counterfoil_framer_refused_frames_total", reason);
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_is_read() {
    let bystander = Bystander::present();
    let mut bad = bystander.bad_client();
    // The length says 2 MiB; nothing of it ever comes.
    bad.send_bytes(&[0x80, 0x80, 0x80, 0x01]);
    bystander.assert_refused(&mut bad, &["2097152", "limits.frame_bytes_max is 65536"], "oversize");
    bystander.goes_on();
}

#[test]
fn an_unknown_protocol_version_is_refused_with_the_version_that_is_spoken() {
    let bystander = Bystander::present();
    let mut bad = bystander.bad_client();
    bad.send(Body::Hello(Hello { protocol: 9, ..hello("bad") }));
    bystander.assert_refused(&mut bad, &["hello.protocol is 9", "speaks 1"], "protocol");
    bystander.goes_on();
}

#[test]
fn garbage_is_refused() {
    let bystander = Bystander::present();
    for garbage in
        [&[0xff; 64][..], b"\x04\xff\xff\xff\xff", b"{\"hello\": nonsense}\n", b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut bad = bystander.bad_client();
        bad.send_bytes(garbage);
        bad.hang_up();
        assert!(bad.raw_answer().contains("frame") || garbage.starts_with(b"{"), "{garbage:?}");
    }
    bystander.assert_counted("counterfoil_framer_refused_frames_total", "garbage");
    bystander.goes_on();
}

#[test]
fn a_frame_cut_short_is_refused() {
    let bystander = Bystander::present();
    let mut bad = bystander.bad_client();
    bad.send_bytes(&[100, 18, 7]);
    bad.hang_up();
    bystander.assert_refused(&mut bad, &["ended within a frame", "3 bytes"], "truncated");
    bystander.goes_on();
}

#[test]
fn events_that_break_a_limit_or_name_no_map_are_declared_lost_and_the_connection_stays() {
    let bystander = Bystander::present();
    let (mut bad, _welcome) = Client::welcomed(&bystander.harness.socket(), "bad");
    let long_key = "k".repeat(1_025);
    let long_value = vec![b'v'; 32_769];
    let rows: [(&str, &str, &[u8]); 4] = [
        ("nowhere", "k", b"v"),
        ("notes", &long_key, b"v"),
        ("notes", "k", &long_value),
        ("notes", "k", b"\xff is not text"),
    ];
    for ((map, key, value), seq) in rows.into_iter().zip(0..) {
        bad.report(map, seq, vec![put(key, value)]);
    }
    wait::until("four refused events", || {
        let refused = bystander.harness.sidecar_metric("counterfoil_framer_events_refused_total", &[]);
        (refused >= 4.0).then_some(())
    });
    bad.bye();
    wait::until("four lost events", || (bystander.harness.summary().lost >= 4).then_some(()));
    bystander.goes_on();
}

#[test]
fn a_hole_in_the_numbers_is_refused_until_it_is_declared_lost() {
    let bystander = Bystander::present();
    let maps = vec!["notes".to_owned()];
    let events = |first_seq, key| {
        Body::Events(Events {
            first_seq,
            maps: maps.clone(),
            events: vec![put(key, b"1")],
            ..Events::default()
        })
    };
    let hello = hello("bad");
    let mut bad = bystander.bad_client();
    bad.send(Body::Hello(hello.clone()));
    bad.send(events(0, "a"));
    bad.send(events(5, "b"));
    bystander.assert_refused(&mut bad, &["first_seq is 5 but 1 comes next", "heartbeat.losses"], "sequence");

    let mut good = bystander.bad_client();
    good.send(Body::Hello(hello));
    let (begin_ns, end_ns, buckets) = (now_ns(), now_ns(), bystander.another_bucket());
    let loss = Loss { first_seq: 1, count: 4, begin_ns, end_ns, buckets, ..Loss::default() };
    good.send(Body::Heartbeat(Heartbeat { next_seq: 5, losses: vec![loss], ..Heartbeat::default() }));
    good.send(events(5, "b"));
    good.bye();
    wait::until("both events and the loss", || {
        let summary = bystander.harness.summary();
        (summary.maps["notes"].events == 2 && summary.lost == 4).then_some(())
    });
    bystander.goes_on();
}

#[test]
fn a_second_sidecar_on_the_same_socket_gives_up_and_says_which_key_to_set() {
    let bystander = Bystander::present();
    let mut command = bystander.harness.setup().command("sidecar");
    command.args(["--set", "admin.listen=127.0.0.1:0"]);
    let Ended { status, log } =
        Process::start("second", &mut command, bystander.harness.setup().folder()).ended();
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {log}");
    assert!(log.contains("socket.path") && log.contains("emit.sock"), "{log}");
    bystander.goes_on();
}

#[test]
fn a_configuration_that_cannot_be_used_ends_the_process_with_every_problem_at_once() {
    let setup = Setup::new();
    let rows: [(&str, &str, &[&str]); 5] = [
        ("sidecar", "kind: [", &["not YAML"]),
        ("sidecar", "kind: sidecar\nlimit: {}\n", &["limit", "unknown key", "maps", "uplink", "missing"]),
        ("comparator", "kind: comparator\nlistne: {}\n", &["listne", "unknown key", "listen", "missing"]),
        ("comparator", "", &["kind", "missing"]),
        (
            "sidecar",
            "kind: sidecar\nkeys: [{id: k1, file: /nowhere}]\nmaps: [{name: 7}]\n",
            &["maps[0].name"],
        ),
    ];
    for (process, yaml, parts) in rows {
        let file = setup.write("bad.yaml", yaml);
        let Ended { status, log } = run(&setup, process, file.to_str().expect("a path of text"));
        assert_eq!(status.code(), Some(2), "{process} {yaml}: {log}");
        assert!(parts.iter().all(|part| log.contains(part)), "{process} {yaml}: {log}");
    }
    let Ended { status, log } = run(&setup, "sidecar", "/nowhere/sidecar.yaml");
    assert!(status.code() == Some(2) && log.contains("/nowhere/sidecar.yaml"), "{log}");
}

fn run(setup: &Setup, process: &str, file: &str) -> Ended {
    let mut command = Command::new(counterfoil_tests::counterfoil());
    command.args([process, "--config", file]);
    Process::start("misconfigured", &mut command, setup.folder()).ended()
}

#[test]
fn a_store_that_is_down_at_start_makes_verdicts_undetermined_and_recovers_by_itself() {
    let late = LateRedis::absent();
    let map = Map { deadline_ms: 300, ..Map::new("cart", ("prefix", "cart:".to_owned())) };
    let harness = Setup::new().store("main", &late.url()).map(&map).start();

    let (mut client, _welcome) = Client::welcomed(&harness.socket(), "early");
    client.report("cart", 0, vec![put("k", b"1")]);
    client.bye();
    let summary = harness.settled(1);
    let cart = &summary.maps["cart"];
    assert_eq!((cart.outcomes.undetermined, cart.outcomes.divergent), (1, 0), "{summary:?}");
    assert_eq!(cart.undetermined.get("store"), Some(&1), "{summary:?}");

    let redis = late.start(harness.setup().folder());
    wait::until("the store to be found up", || {
        harness.summary().stores.iter().all(|store| store.state != "down").then_some(())
    });
    let mut store = Redis::connect(&late.url());
    store.name = "cart".to_owned();
    let (mut client, _welcome) = Client::welcomed(&harness.socket(), "later");
    client.report("cart", 0, vec![dual_put("l", b"2", || store.put("l", b"2"))]);
    client.bye();
    let outcomes = harness.settled(2).outcomes("cart");
    assert_eq!((outcomes.confirmed, outcomes.divergent), (1, 0));
    harness.finish();
    redis.stop();
}
