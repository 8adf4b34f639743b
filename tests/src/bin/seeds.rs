//! Writes the inputs that each fuzz target begins with, made of what real programs write: `cargo run -p counterfoil-tests --bin
//! seeds`. What a fuzzer found since and is kept lies beside them and is left alone.

use counterfoil_digest::Print;
use counterfoil_emitter::{Emitter, Identity};
use counterfoil_judge::{Digest, Interval, Reported, StoreOutcome, Time};
use counterfoil_proto::wire::emit::{ClockDomain, Frame, Limits, Welcome, frame::Body};
use counterfoil_proto::{BatchBuilder, BucketSet, Header, Loss, LossReason, Row, TraceRef};
use prost::Message;
use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

/// Longer than an emitter takes to say everything.
const PATIENCE: Duration = Duration::from_secs(5);

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let root = &Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    framer(root)?;
    json_lines(root)?;
    batch(root)?;
    segment(root)?;
    config(root)?;
    replay(root)
}

fn keep(root: &Path, target: &str, name: &str, input: &[u8]) -> Done {
    let folder = root.join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(format!("seed-{name}")), input)?)
}

/// Everything that an emitter says from its hello to its bye, whole and in pieces.
fn framer(root: &Path) -> Done {
    let said = of_an_emitter()?;
    keep(root, "framer", "emitter", &[&[0], &said[..]].concat())?;
    keep(root, "framer", "emitter-in-pieces", &[&[3, 1, 7, 200], &said[..]].concat())?;
    let like_json = Frame { body: Some(Body::Hello(hello_of_length_123())) }.encode_length_delimited_to_vec();
    keep(root, "framer", "begins-as-json-does", &[&[1, 1], &like_json[..]].concat())?;
    keep(root, "framer", "length-of-2-to-the-63", &[&[0][..], &[0x80; 9], &[1]].concat())?;
    let nested = [&[0xe8, 0x07][..], &[0x7b; 500], &[0x7c; 500]].concat();
    keep(root, "framer", "nested-groups", &[&[0], &nested[..]].concat())
}

/// Its frame has the length 123, a `{`, and begins with a line feed.
fn hello_of_length_123() -> counterfoil_proto::wire::emit::Hello {
    counterfoil_proto::wire::emit::Hello { service: "x".repeat(119), ..Default::default() }
}

fn of_an_emitter() -> Result<Vec<u8>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("emit.sock");
    let listener = UnixListener::bind(&path)?;
    let emitter = Emitter::connect(&path, Identity::new("cart"))?;
    let (mut stream, _) = listener.accept()?;
    let limits = Limits {
        frame_bytes_max: 65_536,
        key_bytes_max: 1_024,
        value_bytes_max: 32_768,
        events_per_frame_max: 4_096,
        idle_timeout_ms: 60_000,
    };
    let maps = vec!["cart".to_owned()];
    let welcome =
        Welcome { protocol: 1, limits: Some(limits), maps, heartbeat_ms: 5, ack: 1, ..Default::default() };
    let welcome = Frame { body: Some(Body::Welcome(welcome)) };
    stream.write_all(&welcome.encode_length_delimited_to_vec())?;
    let carts = emitter.map("cart");
    carts.put("user-7", "2 apples");
    carts.dual_write_put("user-8", "1 pear", || (), || Ok::<_, String>(()))?;
    _ = carts.dual_write_remove("user-8", || (), || Err::<(), _>("cut off".to_owned()));
    let mut write = carts.begin_put("user-9", "3 plums");
    write.map(|| ());
    write.version(7);
    write.order(3);
    write.finish();
    carts.evict("user-7");
    _ = emitter.close(Duration::ZERO);
    let mut said = Vec::new();
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.read_to_end(&mut said)?;
    Ok(said)
}

fn json_lines(root: &Path) -> Done {
    let write = r#"{"put":{"map":"cart","key":"k\u00e9","value":"v","trace_id":"000102030405060708090a0b0c0d0e0f","span_id":"f0e1d2c3b4a59687","cohort":"canary=1","version":7,"map_order":3,"map_ns":[1,2],"store_ns":[3,4],"store":"failed"}}"#;
    let lines = [
        r#"{"hello":{"service":"cart","instance":"a","epoch":1,"stamps":"emitter","map_order":"exact","clock":{"boot_id":"b","offset_ns":-1}}}"#,
        write,
        r#"{"put":{"map":"cart","key_base64":"AP8=","value":{"a": [1.0, null, {"b": "\ud83d\ude00"}]}}}"#,
        r#"{"put":{"map":"cart","key":"k","value_base64":"aGk="}}"#,
        r#"{"remove":{"map":"cart","key":"user-7","store":"ok"}}"#,
        r#"{"heartbeat":{"watermark_ns":18446744073709551615}}"#,
        r#"{"bye":{}}"#,
    ];
    keep(root, "json_lines", "all", lines.join("\r\n\n").as_bytes())?;
    keep(root, "json_lines", "write", write.as_bytes())?;
    let deep = format!(r#"{{"put":{{"map":"m","key":"k","value":{}{}}}}}"#, "[".repeat(500), "]".repeat(500));
    keep(root, "json_lines", "deep", deep.as_bytes())
}

/// One event of each kind, and what a batch says besides.
fn batch(root: &Path) -> Done {
    let mut builder = BatchBuilder::default();
    let header = header();
    keep(root, "batch", "heartbeat", &builder.finish(header.clone()).encode_to_vec())?;
    let (cart, stock, canary) = (builder.map("cart"), builder.map("stock"), builder.cohort("canary=1"));
    let leg = Interval::new(Time(100), Time(120));
    let plain = Row::new(cart, b"user-7", Digest([7; 16]), Reported { map: Some(leg), store: None });
    builder.push(&plain);
    keep(root, "batch", "plain", &builder.finish(header.clone()).encode_to_vec())?;
    let (cart, _, _) = (builder.map("cart"), builder.map("stock"), builder.cohort("canary=1"));
    builder.push(&Row { map: cart, ..plain.clone() });
    let outcomes = [StoreOutcome::Ok, StoreOutcome::Failed, StoreOutcome::Unknown];
    for (outcome, number) in outcomes.into_iter().zip(1..) {
        builder.push(&Row {
            map: stock,
            key: &[number; 9],
            digest: Digest::ABSENT,
            legs: Reported { map: (number > 1).then_some(leg), store: Some((leg, outcome)) },
            held: false,
            map_order: Some(number.into()),
            version: Some(u64::MAX - 1),
            trace: Some(TraceRef { trace_id: [number; 16], span_id: [number; 8] }),
            cohort: Some(canary),
            prints: &[Print([number; 8]), Print([9; 8])],
        });
    }
    builder.sample(&[Print([5; 8])]);
    keep(root, "batch", "all-columns", &builder.finish(header).encode_to_vec())
}

fn header() -> Header {
    let during = Interval::new(Time(1), Time(9));
    let buckets = BucketSet::Some(Box::new([0x55; 128]));
    let clock = ClockDomain { boot_id: "boot".into(), offset_ns: -3 };
    Header {
        service: "cart".into(),
        instance: "a".into(),
        epoch: 1,
        clock: clock.into(),
        first_seq: 5,
        watermark: Time(99),
        losses: vec![Loss { first_seq: 3, count: 2, reason: LossReason::RingFull, during, buckets }],
        snapshots: Vec::new(),
        bye: true,
        previous_mac: vec![9; 32].into(),
        issued: 12,
    }
}

/// The golden files, as they are and with checksums that are mended after each change.
fn segment(root: &Path) -> Done {
    let golden = root.join("../spool/tests/golden/v1");
    for (name, first) in [("0000000000000001.seg", 1), ("0000000000000004.seg", 4), ("cursor", 1)] {
        let content = fs::read(golden.join(name))?;
        for flags in [0, 1, 2, 3, 4] {
            let input = [&[flags, first], &content[..]].concat();
            keep(root, "segment", &format!("{}-{flags}", name.trim_end_matches(".seg")), &input)?;
        }
    }
    Ok(())
}

/// The configurations that are shipped, and one with overlays.
fn config(root: &Path) -> Done {
    for process in ["comparator", "sidecar"] {
        let shipped = fs::read(root.join(format!("../deploy/kubernetes/config/{process}.yaml")))?;
        keep(root, "config", process, &shipped)?;
    }
    let overlaid = "kind: sidecar\nmaps: [{name: cart}]\nuplink: {endpoint: 'http://127.0.0.1:7411', insecure: true}\n\
        keys: [{id: k1, file: key}]\n--set\nlimits.key_bytes_max=100\nmaps[0].codec=json\nsocket.mode='0600'\n";
    keep(root, "config", "overlays", overlaid.as_bytes())?;
    let tls = "kind: comparator\nlisten: {grpc: '[::1]:1', http: '127.0.0.1:0', tls: {certificate: c, key: k, authorities: a}}\n\
        clients: [{identity: 'spiffe://shop/cart', tenant: shop, services: ['*']}]\nkeys: [{id: k1, file: key}]\n\
        stores: {r: {url: 'redis://h:6379/1'}, p: {url: 'postgres://u:w@h/d'}}\n\
        maps: [{name: a, tenant: shop, store: r, prefix: 'a:', scope: process}, {name: b, store: p, query: 'SELECT 1', key_type: integer}]\n\
        ledger: {path: l}\njournal: {path: j, bytes_max: 67108864}\nprobe: {gap_ms_min: 1, gap_ms_max: 2}\n";
    keep(root, "config", "tls", tls.as_bytes())
}

fn replay(root: &Path) -> Done {
    let lines = [
        r#"{"type":"write","id":"w1","key":"k","source":"s","seq":1,"value":"a","map":[10,20],"store":[12,30],"outcome":"ok","version":1}"#,
        r#"{"type":"write","id":"w2","key":"k","source":"s","seq":2,"value":"b","map":[40,50]}"#,
        r#"{"type":"write","id":"w3","key":"k","source":"t","seq":1,"value":null,"store":[60,null],"outcome":"unknown"}"#,
        r#"{"type":"read","id":"r1","key":"k","at":[31,32],"value":"a"}"#,
        r#"{"type":"read","id":"r2","key":"k","at":[90000000000,90000000001],"value":"a"}"#,
        r#"{"type":"read","id":"r3","key":"other","at":[1,2],"value":null}"#,
        r#"{"type":"write","id":"w4","key":"k","source":"t","seq":2,"value":"c","map":[-9223372036854775807,9223372036854775806],"outcome":"failed"}"#,
    ];
    for (flags, name) in ["json", "exact", "lead", "table"].into_iter().enumerate() {
        let choice = u8::try_from(flags)?;
        keep(root, "replay", name, &[&[choice], lines.join("\n").as_bytes()].concat())?;
    }
    Ok(())
}
