#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::engine::trial::{BASKET, CART, Trial, header, writes};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const SETTINGS: Settings =
    Settings { timeout: Duration::from_secs(5), in_flight_max: 2, value_bytes_max: 100 };

/// A comparator that knows a source, and its sidecar's stream.
struct Scene {
    recall: Recall,
    line: Arc<Line>,
    asks: Asks,
    /// The source's number.
    source: u32,
}

impl Scene {
    fn new() -> Self {
        Self::within(SETTINGS)
    }

    fn within(settings: Settings) -> Self {
        let trial = Trial::new();
        trial.hear(&writes(header("a", 0, 10), "cart", &["k", "l", "m", "n"], 5), 20);
        let source = trial.engine.sources().all()[0].id;
        let recall = Recall::new(trial.engine.clone(), settings);
        let (line, asks) = Line::new();
        let line = Arc::new(line);
        recall.carries(source, &line, true);
        Self { recall, line, asks, source }
    }

    /// The digest of a value of the map `cart`.
    fn digest(&self, value: &[u8]) -> Digest {
        let digesters = &self.recall.engine.contracts().get(CART).unwrap().digesters;
        digesters.under(counterfoil_keys::KeyNumber::default()).unwrap().digest(Some(value)).unwrap()
    }

    fn write(&self, seq: u64) -> WriteId {
        WriteId { source: self.source, seq }
    }

    /// What whoever wants the value of the write 0 gets, which had the digest of `v`, if `answer` is what its sidecar says.
    async fn answered(&mut self, answer: wire::Recalled) -> Result<(Vec<u8>, bool), NoValue> {
        let wanted = self.recall.value_of(CART, self.write(0), self.digest(b"v"));
        let answering = async {
            let recall = self.asks.recv().await.unwrap();
            self.recall.answered(&self.line, wire::Recalled { id: recall.id, ..answer });
        };
        let (recalled, ()) = tokio::join!(wanted, answering);
        recalled.map(|recalled| (recalled.value.expose().to_vec(), recalled.is_masked))
    }

    fn ends(self) -> Recall {
        let Self { recall, line, asks, .. } = self;
        drop((line, asks));
        recall.ended();
        recall
    }
}

fn value(value: &[u8]) -> wire::Recalled {
    wire::Recalled { value: value.to_vec().into(), ..Default::default() }
}

fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_value_is_the_one_that_was_reported_or_none() {
    let mut scene = Scene::new();
    let none = |no_value: i32| wire::Recalled { no_value, ..Default::default() };
    let masked = |length: usize| wire::Recalled { masked: true, ..value(&vec![7; length]) };
    let sidecar = |reason| Err(NoValue::Sidecar(reason));
    for (answer, expected) in [
        (value(b"v"), Ok((b"v".to_vec(), false))),
        (value(b"w"), Err(NoValue::Mismatch)),
        (value(b""), Err(NoValue::Mismatch)),
        (masked(100), Ok((vec![7; 100], true))),
        (masked(101), Err(NoValue::Mismatch)),
        (none(1), sidecar(proto::NoValue::Unknown)),
        (none(2), sidecar(proto::NoValue::Expired)),
        (none(3), sidecar(proto::NoValue::Off)),
        (none(4), sidecar(proto::NoValue::TooLarge)),
        (none(99), Err(NoValue::Mismatch)),
        (wire::Recalled { no_value: 1, ..value(b"v") }, Err(NoValue::Mismatch)),
    ] {
        assert_eq!(scene.answered(answer.clone()).await, expected, "{answer:?}");
    }
    assert!(scene.recall.flights.is_empty());
}

#[tokio::test]
async fn nobody_is_asked_for_what_nobody_turned_on_or_what_is_not_there() {
    let mut scene = Scene::new();
    let digest = scene.digest(b"v");
    for map in [BASKET, MapId(99)] {
        let recalled = scene.recall.value_of(map, scene.write(0), digest).await;
        assert_eq!(recalled.err(), Some(NoValue::NotWanted), "{map:?}");
    }
    for (source, digest, expected) in [
        ("shop/a/1", Digest::ABSENT.to_string(), NoValue::Absent),
        ("nobody", Digest::ABSENT.to_string(), NoValue::Absent),
        ("nobody", digest.to_string(), NoValue::Gone),
        ("shop/a/1", "07".to_owned(), NoValue::Mismatch),
    ] {
        let recalled = scene.recall.reported(CART, source, 0, &digest).await;
        assert_eq!(recalled.err(), Some(expected), "{source} {digest}");
    }
    let stranger = WriteId { source: 99, seq: 0 };
    assert_eq!(scene.recall.value_of(CART, stranger, digest).await.err(), Some(NoValue::Gone));
    scene.recall.carries(scene.source, &scene.line, false);
    let recalled = scene.recall.value_of(CART, scene.write(0), digest).await;
    assert_eq!(recalled.err(), Some(NoValue::Unsupported), "an older sidecar, or one without values");
    assert!(scene.asks.try_recv().is_err(), "nothing was asked");
}

#[tokio::test]
async fn a_source_is_found_by_the_name_that_divergences_tell() {
    let scene = Scene::new();
    assert_eq!(scene.recall.write_of(CART, "shop/a/1", 7), Some(scene.write(7)));
    for (map, source) in
        [(CART, "shop/a/2"), (CART, "acme:shop/a/1"), (CART, "nobody"), (MapId(2), "shop/a/1")]
    {
        assert_eq!(scene.recall.write_of(map, source, 7), None, "{source}");
    }
}

#[tokio::test]
async fn a_write_is_asked_for_once_however_many_want_it_and_whoever_leaves() {
    let mut scene = Scene::new();
    let (write, digest) = (scene.write(0), scene.digest(b"v"));
    let wanted = || scene.recall.value_of(CART, write, digest);
    let mut first = Box::pin(wanted());
    let (mut second, mut third) = (pin!(wanted()), pin!(wanted()));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    let recall = scene.asks.try_recv().unwrap();
    assert_eq!((recall.id, recall.seq, recall.map.as_str(), recall.value_bytes_max), (1, 0, "cart", 100));
    assert_eq!((recall.service.as_str(), recall.instance.as_str(), recall.epoch), ("shop", "a", 1));
    assert!(scene.asks.try_recv().is_err(), "it is asked for already");
    drop(first);
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    let again = scene.asks.try_recv().unwrap();
    assert_eq!(again.id, 2, "who asked has left, so the next one does");
    for id in [1, 2] {
        scene.recall.answered(&scene.line, wire::Recalled { id, ..value(b"v") });
    }
    let (second, third) = tokio::join!(second, third);
    assert!(Arc::ptr_eq(&second.unwrap(), &third.unwrap()));
    let mut left = Box::pin(scene.recall.value_of(CART, write, digest));
    assert!(poll(left.as_mut()).is_pending());
    drop(left);
    assert!(scene.recall.flights.is_empty());
}

#[tokio::test]
async fn whoever_wants_a_value_waits_no_longer_than_he_has_to() {
    let scene = Scene::within(Settings { timeout: Duration::from_millis(1), ..SETTINGS });
    let digest = scene.digest(b"v");
    let Scene { recall, source, mut asks, line: _line } = scene;
    let wanted = |seq| recall.value_of(CART, WriteId { source, seq }, digest);
    let (mut first, mut second, mut third) = (pin!(wanted(0)), pin!(wanted(1)), pin!(wanted(2)));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    let asked: Vec<_> = std::iter::from_fn(|| asks.try_recv().ok()).map(|recall| recall.seq).collect();
    assert_eq!(asked, [0, 1], "no more than in_flight_max are asked for at a time");
    let (first, second, third) = tokio::join!(first, second, third);
    for recalled in [first, second, third] {
        assert_eq!(recalled.err(), Some(NoValue::Late));
    }
}

#[tokio::test]
async fn who_waits_is_told_when_the_stream_ends_and_the_next_stream_is_asked() {
    let scene = Scene::new();
    let (write, digest, source) = (scene.write(0), scene.digest(b"v"), scene.source);
    let engine = scene.recall.engine.clone();
    let Scene { recall, line, mut asks, .. } = scene;
    let mut wanted = pin!(recall.value_of(CART, write, digest));
    assert!(poll(wanted.as_mut()).is_pending());
    asks.try_recv().unwrap();
    let (next, mut next_asks) = Line::new();
    let next = Arc::new(next);
    recall.carries(source, &next, true);
    drop((line, asks));
    recall.ended();
    assert_eq!(wanted.await.err(), Some(NoValue::Gone));
    let mut wanted = pin!(recall.value_of(CART, write, digest));
    assert!(poll(wanted.as_mut()).is_pending());
    let id = next_asks.try_recv().unwrap().id;
    recall.answered(&next, wire::Recalled { id, ..value(b"v") });
    assert!(wanted.await.is_ok());
    drop((next, next_asks));
    recall.ended();
    assert_eq!(recall.value_of(CART, write, digest).await.err(), Some(NoValue::Gone));
    assert!(engine.sources().get(source).is_some(), "the source is known, only nobody carries it");
}

#[test]
fn no_text_of_a_value_tells_it() {
    let recalled = Recalled { value: Value::new(b"secret"), is_masked: true };
    assert_eq!(format!("{recalled:?}"), "Recalled(Value(6 bytes), masked: true)");
    let recall = Scene::new().ends();
    assert_eq!(recall.lines.of(0).map(|_| ()), None);
}
