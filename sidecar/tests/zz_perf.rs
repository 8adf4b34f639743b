#![allow(warnings)]
mod house;
use house::*;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn perf() {
    let comparator = Comparator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "0f".repeat(32)).unwrap();
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, format!("kind: sidecar\nsocket: {{path: '{}'}}\nkey: {{id: k1, file: '{}'}}\nmaps: [{{name: cart}}]\nuplink: {{endpoint: 'http://{}', insecure: true}}\n", folder.path().join("emit.sock").display(), key.display(), comparator.address)).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_counterfoil-sidecar")).arg("--config").arg(&path).spawn().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let stream = tokio::net::UnixStream::connect(folder.path().join("emit.sock")).await.unwrap();
    let mut e = Emitter::over(stream);
    e.say(counterfoil_proto::wire::emit::frame::Body::Hello(hello("a"))).await;
    let n = 2000u64; let per = 230u64;
    let frames: Vec<Vec<u8>> = (0..n).map(|f| {
        let ev = (0..per).map(|i| { let mut e = event(0, &format!("user:{:012}", f*per+i), &[7u8; 200]); e.store_outcome = 1; e.store_begin_ns = 1500; e.store_end_ns = 1800; e }).collect();
        prost::Message::encode_length_delimited_to_vec(&counterfoil_proto::wire::emit::Frame { body: Some(events(f*per, ev)) })
    }).collect();
    eprintln!("frame bytes {}", frames[0].len());
    for f in &frames { e.say_bytes(f).await; }
    e.acked(n*per).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let f: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = f[11].parse::<u64>().unwrap() + f[12].parse::<u64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    eprintln!("user {} sys {} ticks; ns per event {}; {:?}", f[11], f[12], ticks * 10_000_000 / (n*per), status.lines().filter(|l| l.starts_with("VmHWM")||l.starts_with("VmRSS")).collect::<Vec<_>>());
    child.kill().unwrap(); child.wait().unwrap();
}
