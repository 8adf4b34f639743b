#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::folder::Found;
use super::shelf::Expired;
use super::*;
use ::metrics::{Histogram, HistogramFn};
use counterfoil_evidence::{Trust, verify};
use std::path::Path;

/// A bundle that another crate keeps.
const BUNDLE: &[u8] = include_bytes!("../../../evidence/tests/golden/stale.dsse.json");

fn settings(path: &Path) -> Settings {
    let signing_key = SigningKey::new([3; 32]);
    Settings { path: path.to_owned(), signing_key, retention_ns: i64::MAX, bytes_max: u64::MAX }
}

/// Facts that hold, as `written` says.
fn predicate(written: Written) -> Predicate {
    let bundle = verify(BUNDLE, &Trust { embedded: true, ..Trust::default() }).unwrap();
    Predicate { written, ..bundle.predicate }
}

fn id() -> DivergenceId {
    let bundle = verify(BUNDLE, &Trust { embedded: true, ..Trust::default() }).unwrap();
    DivergenceId(bundle.predicate.divergence.0)
}

fn files(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(path).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Has the writer, on this thread, do what it is told and no more.
fn write(settings: &Settings, commands: Vec<Command>) -> Arc<Mutex<Shelf>> {
    write_within(i64::MAX, settings, commands)
}

/// The same, though there is only so much time for it.
fn write_within(closing_ns_max: i64, settings: &Settings, commands: Vec<Command>) -> Arc<Mutex<Shelf>> {
    write_timed(closing_ns_max, settings, commands, Histogram::noop())
}

/// The same, and `seconds` is told how long each took.
fn write_timed(
    closing_ns_max: i64,
    settings: &Settings,
    commands: Vec<Command>,
    seconds: Histogram,
) -> Arc<Mutex<Shelf>> {
    let (folder, found) = Folder::open(&settings.path).unwrap();
    let shelf = Arc::new(Mutex::new(Shelf::of(found)));
    let (queue, waiting) = mpsc::channel(commands.len().max(1));
    commands.into_iter().for_each(|command| queue.try_send(command).ok().unwrap());
    drop(queue);
    let mut writer = Writer::new(settings.clone(), folder, shelf.clone(), seconds);
    writer.closing_ns_max = closing_ns_max;
    writer.run(waiting);
    shelf
}

fn author(key: &SigningKey) -> Author {
    Author { host: "h".to_owned(), public_key: key.public() }
}

fn command(settings: &Settings) -> Command {
    order(settings, &Arc::new(Semaphore::new(1)))
}

/// One that has its room of `queue`.
fn order(settings: &Settings, queue: &Arc<Semaphore>) -> Command {
    let predicate = predicate(author(&settings.signing_key).signs_now());
    let room = queue.clone().try_acquire_owned().unwrap();
    Command::Write(Box::new(Order { predicate, gathering_ns: 0, _room: room }))
}

#[test]
fn a_bundle_holds_and_is_written_once_however_often_the_comparator_starts() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory.path().join("deep/evidence"));
    let evidence = Evidence::open(settings.clone()).unwrap();
    evidence.take(id(), 1, |written| Some(predicate(written)));
    assert_ne!(evidence.presence(id()), Presence::None);
    drop(evidence);
    assert_eq!(files(&settings.path), [format!("{}.dsse.json", id())]);

    let next = Evidence::open(settings.clone()).unwrap();
    assert_eq!(next.presence(id()), Presence::Kept);
    next.take(id(), 1, |_| panic!("it has one"));
    let bundle = next.read(id()).unwrap().unwrap();
    let trust = Trust { keys: vec![settings.signing_key.public()], ..Trust::default() };
    let verified = verify(&bundle, &trust).unwrap();
    assert!(verified.predicate.written.by.starts_with("counterfoil-comparator "));
}

#[test]
fn what_a_queue_has_no_room_for_is_left_out_and_nobody_waits() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let (folder, _) = Folder::open(&settings.path).unwrap();
    for (places, first, second) in [(1, 1, 1), (9, QUEUE_WRITES_MAX, 1), (9, usize::MAX, usize::MAX)] {
        // Nobody takes anything out of this queue.
        let (queue, _waiting) = mpsc::channel(places);
        let shared = Shared {
            folder: folder.clone(),
            shelf: Arc::new(Mutex::new(Shelf::of(Vec::new()))),
            room: Arc::new(Semaphore::new(QUEUE_WRITES_MAX)),
            author: author(&settings.signing_key),
            retention_ns: i64::MAX,
            queue: Some(queue),
            thread: None,
        };
        let evidence = Evidence(Arc::new(shared));
        evidence.take(id(), first, |written| Some(predicate(written)));
        assert_eq!(evidence.presence(id()), Presence::Waiting);
        let other = DivergenceId([9; 16]);
        evidence.take(other, second, |_| panic!("there is no room for it"));
        assert_eq!(evidence.presence(other), Presence::None, "{places} places");
    }
}

#[test]
fn what_the_disk_does_not_take_is_left_out_and_can_be_taken_again() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let room = Arc::new(Semaphore::new(1));
    std::fs::create_dir(directory.path().join(format!("{}.dsse.json", id()))).unwrap();
    let shelf = write(&settings, vec![order(&settings, &room)]);
    assert_eq!(lock(&shelf).presence(id()), Presence::None);
    assert_eq!(lock(&shelf).bytes(), 0);
    assert_eq!(files(directory.path()).len(), 1, "half a bundle is not left behind");
    assert_eq!(room.available_permits(), 1, "its room in the queue is given back");
}

/// Keeps what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<f64>>);

impl HistogramFn for Told {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

#[test]
fn how_long_a_bundle_took_is_told_with_the_gathering_and_of_those_alone_that_are_written() {
    for (is_blocked, count) in [(false, 1), (true, 0)] {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        if is_blocked {
            std::fs::create_dir(directory.path().join(format!("{}.dsse.json", id()))).unwrap();
        }
        let Command::Write(order) = command(&settings) else { panic!() };
        let order = Order { gathering_ns: 7_000_000_000, ..*order };
        let told = Arc::<Told>::default();
        let seconds = Histogram::from_arc(told.clone());
        write_timed(i64::MAX, &settings, vec![Command::Write(Box::new(order))], seconds);
        let told = told.0.lock().unwrap();
        assert_eq!(told.len(), count, "{told:?}");
        assert!(told.iter().all(|seconds| *seconds > 7.0), "signing and writing take time too: {told:?}");
    }
}

#[test]
fn what_there_is_no_time_for_at_the_end_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    write_within(-1, &settings, vec![command(&settings)]);
    assert!(files(directory.path()).is_empty());
    write_within(i64::MAX, &settings, vec![command(&settings)]);
    assert_eq!(files(directory.path()).len(), 1);
}

#[test]
fn what_was_not_finished_is_deleted_at_the_start_and_what_is_no_bundle_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let names = [format!("{}.unfinished", id()), "notes.txt".to_owned(), "x.dsse.json".to_owned()];
    names.iter().for_each(|name| std::fs::write(directory.path().join(name), b"x").unwrap());
    let (_, found) = Folder::open(directory.path()).unwrap();
    assert_eq!(
        (files(directory.path()), found),
        (vec!["notes.txt".to_owned(), "x.dsse.json".to_owned()], vec![])
    );
}

#[test]
fn a_bundle_that_is_too_old_is_deleted_and_so_is_what_is_too_much() {
    for (retention_ns, bytes_max, left) in [(i64::MAX, u64::MAX, 1), (0, u64::MAX, 0), (i64::MAX, 1, 0)] {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings { retention_ns, bytes_max, ..settings(directory.path()) };
        let shelf = write(&settings, vec![command(&settings), Command::Tend]);
        assert_eq!(files(directory.path()).len(), left, "{retention_ns} {bytes_max}");
        assert_eq!(lock(&shelf).bytes() > 0, left > 0);
    }
}

#[test]
fn the_oldest_bundles_go_first_and_no_more_than_have_to() {
    let found =
        |number: u8, written_unix_ns| Found { id: DivergenceId([number; 16]), written_unix_ns, bytes: 10 };
    let mut shelf = Shelf::of(vec![found(3, 300), found(1, 100), found(2, 200)]);
    shelf.came(DivergenceId([4; 16]), Some(found(4, 400)));
    let mut off = |before, max| shelf.take_off(before, max).map(|(id, why)| (id.0[0], why));
    assert_eq!((off(100, 40), off(101, 40)), (None, Some((1, Expired::Age))));
    assert_eq!((off(101, 29), off(101, 29)), (Some((2, Expired::Bytes)), None));
    assert_eq!(shelf.presence(DivergenceId([2; 16])), Presence::None);
    assert_eq!(shelf.presence(DivergenceId([3; 16])), Presence::Kept);
    assert_eq!(shelf.bytes(), 20);
}
