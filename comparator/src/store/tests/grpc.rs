//! Reader services: the examples that a user copies, and one that answers as badly as it is told to.

use super::*;
use counterfoil_proto::wire::store_entry::Found as Told;
use counterfoil_proto::wire::store_reader_server::{StoreReader, StoreReaderServer};
use counterfoil_proto::wire::{
    ReadManyRequest, ReadManyResponse, ScanRequest, ScanResponse, StoreAbsent, StoreEntry, StoreValue,
};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

#[allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "an example is a program of its own"
)]
#[path = "../../../examples/store_reader.rs"]
mod example;

/// A service that runs until it is dropped.
pub(super) struct Serving {
    pub(super) url: String,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(service: impl StoreReader) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place: SocketAddr = listener.local_addr().unwrap();
    let server = Server::builder().add_service(StoreReaderServer::new(service));
    let task =
        tokio::spawn(async { server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() });
    Serving { url: format!("grpc://{place}"), task }
}

pub(super) fn cart() -> Lookup {
    Lookup::Collection("cart".into())
}

/// An SQLite file as both examples read it.
fn database() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
    file.execute_batch(
        "CREATE TABLE cart (key BLOB PRIMARY KEY, value BLOB, version INTEGER);
         INSERT INTO cart VALUES (x'61', x'78', 3), (x'62', NULL, 1), (x'63', x'', NULL), (x'ff00', x'00fe', NULL),
            (x'64', zeroblob(2000000), 1), (x'', x'79', NULL);",
    )
    .unwrap();
    folder
}

/// The example in Rust over a file with these rows: key, value, version.
pub(super) async fn example_over(rows: &str) -> (TempDir, Serving) {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop.db");
    let file = rusqlite::Connection::open(&database).unwrap();
    file.execute_batch(&format!(
        "CREATE TABLE cart (key BLOB PRIMARY KEY, value BLOB, version INTEGER); INSERT INTO cart VALUES {rows}"
    ))
    .unwrap();
    (folder, serve(example::Service { database }).await)
}

/// What an example must answer over that file.
async fn is_read_as_written(reader: &Reader, folder: &TempDir) {
    let keys: [&[u8]; 7] = [b"c", b"none", b"a", b"b", b"\xff\x00", b"a", b"d"];
    let too_large = Err(KeyError::Refused { why: "value_too_large".into() });
    let expected = vec![
        value(""),
        ABSENT,
        versioned("x", 3),
        ABSENT,
        value(b"\x00\xfe"),
        versioned("x", 3),
        too_large.clone(),
    ];
    assert_eq!(read(reader, &cart(), &keys).await, Ok(expected));
    let unknown = read(reader, &Lookup::Collection("sqlite_master".into()), &["a"]).await;
    assert_eq!(unknown, Err(StoreError::query("the service says NotFound")));

    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = reader.scan(&Scan(cart()), after.as_deref(), 2).await.told.unwrap();
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let row = |key: &[u8], answer| (key.to_vec(), answer);
    let expected = [
        row(b"", value("y")),
        row(b"a", versioned("x", 3)),
        row(b"b", ABSENT),
        row(b"c", value("")),
        row(b"d", too_large),
        row(b"\xff\x00", value(b"\x00\xfe")),
    ];
    assert_eq!(rows, expected);

    std::fs::remove_file(folder.path().join("shop.db")).unwrap();
    assert_eq!(read(reader, &cart(), &["a"]).await.unwrap_err().label(), "connect");
}

#[tokio::test]
async fn the_example_in_rust_answers_as_the_service_s_contract_says() {
    let folder = database();
    let serving = serve(example::Service { database: folder.path().join("shop.db") }).await;
    is_read_as_written(&reader(&WrittenStore::new(serving.url.as_str())), &folder).await;
}

/// A process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn the_example_in_python_answers_as_the_service_s_contract_says() {
    let folder = database();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/examples/store_reader.py");
    let mut command = Command::new(server("COUNTERFOIL_TEST_PYTHON"));
    command.args([script, "--listen", "127.0.0.1:0", "--database"]).arg(folder.path().join("shop.db"));
    let mut process = Process(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening on port ").unwrap();
    let written =
        WrittenStore { timeout_ms: 20_000, ..WrittenStore::new(format!("grpc://127.0.0.1:{port}")) };
    is_read_as_written(&reader(&written), &folder).await;
}

type Read = dyn Fn(Request<ReadManyRequest>) -> Result<Vec<StoreEntry>, Status> + Send + Sync;

/// Answers every question with the same.
struct Says {
    read: Arc<Read>,
    scan: Result<ScanResponse, Status>,
}

#[tonic::async_trait]
impl StoreReader for Says {
    async fn read_many(
        &self,
        request: Request<ReadManyRequest>,
    ) -> Result<Response<ReadManyResponse>, Status> {
        Ok(Response::new(ReadManyResponse { entries: (self.read)(request)? }))
    }

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        self.scan.clone().map(Response::new)
    }
}

async fn says(
    read: impl Fn(Request<ReadManyRequest>) -> Result<Vec<StoreEntry>, Status> + Send + Sync + 'static,
) -> Serving {
    serve(Says { read: Arc::new(read), scan: Err(Status::unimplemented("")) }).await
}

/// One that has the value `x` for the one key it is asked for.
pub(super) async fn says_x() -> Serving {
    says(|_| Ok(vec![told(b"", a_value(1))])).await
}

fn told(key: &'static [u8], found: Option<Told>) -> StoreEntry {
    StoreEntry { key: Bytes::from_static(key), found }
}

fn a_value(size: usize) -> Option<Told> {
    Some(Told::Value(StoreValue { value: vec![b'x'; size].into(), version: None }))
}

#[tokio::test]
async fn an_entry_that_says_nothing_clear_makes_its_key_unknown_not_absent() {
    let absent = || Some(Told::Absent(StoreAbsent {}));
    let refused = |why: &str| Err(KeyError::Refused { why: why.into() });
    for (entry, expected) in [
        (told(b"", absent()), ABSENT),
        (told(b"a", absent()), ABSENT),
        (told(b"b", absent()), Err(KeyError::OtherKey)),
        (told(b"b", a_value(1)), Err(KeyError::OtherKey)),
        (told(b"a", None), refused("nothing_said")),
        (told(b"a", Some(Told::Error("no_such_shard".into()))), refused("no_such_shard")),
        (told(b"a", Some(Told::Error("key hunter2".into()))), refused("error_without_a_name")),
        (told(b"a", Some(Told::Error("x".repeat(65)))), refused("error_without_a_name")),
    ] {
        let said = entry.clone();
        let serving = says(move |_| Ok(vec![said.clone()])).await;
        let reader = reader(&WrittenStore::new(serving.url.as_str()));
        assert_eq!(read(&reader, &cart(), &["a"]).await, Ok(vec![expected]), "{entry:?}");
    }
}

#[tokio::test]
async fn a_call_that_went_wrong_is_told_by_its_status_and_never_by_its_message() {
    for (status, label) in [
        (Status::unavailable("hunter2"), "connect"),
        (Status::permission_denied("hunter2"), "connect"),
        (Status::deadline_exceeded("hunter2"), "timeout"),
        (Status::failed_precondition("hunter2"), "standby"),
        (Status::internal("hunter2"), "query"),
        (Status::resource_exhausted("hunter2"), "query"),
    ] {
        let code = status.code();
        let serving = says(move |_| Err(status.clone())).await;
        let reader = reader(&WrittenStore::new(serving.url.as_str()));
        let error = read(&reader, &cart(), &["a"]).await.unwrap_err();
        assert!(error.label() == label && !error.to_string().contains("hunter2"), "{code:?}: {error}");
    }
}

#[tokio::test]
async fn an_answer_of_another_length_or_without_bounds_is_refused() {
    for (entries, why) in [
        (vec![], "0 entries for 1 keys"),
        (vec![told(b"a", a_value(1)), told(b"b", a_value(1))], "2 entries for 1 keys"),
        (vec![told(b"a", a_value(17 << 20))], "larger than"),
    ] {
        let serving = says(move |_| Ok(entries.clone())).await;
        let reader = reader(&WrittenStore { timeout_ms: 20_000, ..WrittenStore::new(serving.url.as_str()) });
        let error = read(&reader, &cart(), &["a"]).await.unwrap_err();
        assert!(error.label() == "query" && error.to_string().contains(why), "{why} in {error}");
    }
}

#[tokio::test]
async fn a_scan_that_does_not_get_on_or_is_not_there_is_an_error() {
    let read = Arc::new(|_| Err(Status::internal("")));
    let response = |next: &[u8], entries| ScanResponse { entries, next: next.to_vec().into() };
    for (scan, why) in [
        (Ok(response(b"same", vec![])), "does not get on"),
        (Ok(response(b"", vec![told(b"a", a_value(1)); 21])), "longer than"),
        (Ok(response(&[b'x'; 4097], vec![])), "longer than"),
        (Err(Status::unimplemented("")), "Unimplemented"),
    ] {
        let serving = serve(Says { read: read.clone(), scan }).await;
        let reader = reader(&WrittenStore::new(serving.url.as_str()));
        let error = reader.scan(&Scan(cart()), Some(b"same"), 10).await.told.unwrap_err();
        assert!(error.label() == "query" && error.to_string().contains(why), "{why} in {error}");
    }
}

#[tokio::test]
async fn a_service_that_is_asked_about_itself_says_whether_it_can_be_gone_through() {
    let scan = ScanResponse { entries: vec![], next: Bytes::new() };
    for (scan, expected) in [
        (Ok(scan), Ok(Some(true))),
        (Err(Status::unimplemented("")), Ok(Some(false))),
        (Err(Status::not_found("")), Err("query")),
    ] {
        let serving = serve(Says { read: Arc::new(|_| Err(Status::internal(""))), scan }).await;
        let told = reader(&WrittenStore::new(serving.url.as_str())).describe(&cart(), &[]).await;
        let has_scan = told.as_ref().map(|told| told.has_scan).map_err(StoreError::label);
        assert_eq!(has_scan, expected, "{told:?}");
        let open = told.map_or(vec![], |told| told.untold.iter().map(|it| it.about).collect());
        assert_eq!(
            open.contains(&About::Rights) && open.contains(&About::Index),
            expected.is_ok(),
            "{open:?}"
        );
    }
}

#[tokio::test]
async fn the_deadline_and_the_password_of_the_moment_are_sent_along() {
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "secret\n").unwrap();
    let serving = says(|request| {
        let sent = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
        let (token, deadline) = (sent("authorization"), sent("grpc-timeout"));
        let is_right = token == Some("Bearer secret") && deadline == Some("1234000000n")
            || token == Some("Bearer secret") && deadline == Some("1234000u");
        if is_right { Ok(vec![told(b"a", a_value(1))]) } else { Err(Status::unauthenticated("")) }
    })
    .await;
    let url = serving.url.as_str();
    let written = WrittenStore {
        password_file: Some(password_file.clone()),
        timeout_ms: 1234,
        ..WrittenStore::new(url)
    };
    let reader = reader(&written);
    assert_eq!(read(&reader, &cart(), &["a"]).await, Ok(vec![value("x")]));
    std::fs::write(&password_file, "changed").unwrap();
    assert_eq!(read(&reader, &cart(), &["a"]).await.unwrap_err().label(), "connect");
}

#[tokio::test]
async fn a_service_that_is_down_at_start_goes_away_and_falls_silent_is_read_whenever_it_answers() {
    is_read_whenever_it_answers(&says_x().await.url, &cart()).await;
}
