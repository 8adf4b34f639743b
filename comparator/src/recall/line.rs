//! One sidecar's stream, as whoever recalls has it: what is to be asked there, and what was not answered yet.

use super::NoValue;
use counterfoil_proto::{RECALLS_MAX, Recalled, Shown, wire};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Who waits for an answer.
type Waiting = oneshot::Sender<Result<Shown, NoValue>>;

/// What is to be asked on a stream.
pub(crate) type Asks = mpsc::Receiver<wire::Recall>;

/// The way to the sidecar at the other end of a stream. Once it is dropped, with the stream, nobody waits for it any more.
pub(crate) struct Line {
    asks: mpsc::Sender<wire::Recall>,
    is_answering: AtomicBool,
    open: Mutex<Open>,
}

/// What was asked and not answered. Those that nobody waits for any more are among them: the sidecar has them still.
#[derive(Default)]
struct Open {
    last_id: u64,
    waiting: HashMap<u64, Waiting>,
}

impl Line {
    /// A line, and what is to be asked on its stream.
    pub(crate) fn new() -> (Self, Asks) {
        let (asks, to_ask) = mpsc::channel(RECALLS_MAX);
        (Self { asks, is_answering: AtomicBool::new(false), open: Mutex::default() }, to_ask)
    }

    /// The sidecar says whether it answers recalls.
    pub(super) fn set_answering(&self, is_answering: bool) {
        self.is_answering.store(is_answering, Ordering::Relaxed);
    }

    /// Has `recall` asked, under an id that it is given here.
    ///
    /// # Errors
    ///
    /// [`NoValue::Unsupported`] if the sidecar does not answer, [`NoValue::Busy`] if the sidecar has not answered as much as it may be asked for at a time.
    pub(super) fn ask(
        &self,
        recall: wire::Recall,
    ) -> Result<oneshot::Receiver<Result<Shown, NoValue>>, NoValue> {
        if !self.is_answering.load(Ordering::Relaxed) {
            return Err(NoValue::Unsupported);
        }
        let mut open = self.open();
        if open.waiting.len() >= RECALLS_MAX {
            return Err(NoValue::Busy);
        }
        let id = open.last_id + 1;
        self.asks.try_send(wire::Recall { id, ..recall }).map_err(|_| NoValue::Busy)?;
        let (waiting, answer) = oneshot::channel();
        open.last_id = id;
        open.waiting.insert(id, waiting);
        Ok(answer)
    }

    /// The recall with this id could not be sent.
    pub(crate) fn unsent(&self, id: u64) {
        let waiting = self.open().waiting.remove(&id);
        waiting.into_iter().for_each(|waiting| _ = waiting.send(Err(NoValue::Busy)));
    }

    /// Takes an answer; `false` if nothing was asked that it answers. One that makes no sense is no value.
    pub(super) fn answered(&self, recalled: wire::Recalled) -> bool {
        let Some(waiting) = self.open().waiting.remove(&recalled.id) else { return false };
        let answer = match Recalled::try_from(recalled) {
            Ok(Recalled { shown, .. }) => shown.map_err(NoValue::Sidecar),
            Err(_) => Err(NoValue::Mismatch),
        };
        // Whoever waited may have left.
        waiting.send(answer).ok();
        true
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    /// A line whose sidecar answers.
    fn answering() -> (Line, Asks) {
        let (line, asks) = Line::new();
        line.set_answering(true);
        (line, asks)
    }

    fn value(id: u64) -> wire::Recalled {
        wire::Recalled { id, value: "v".into(), ..Default::default() }
    }

    #[tokio::test]
    async fn an_answer_comes_to_whoever_asked_and_only_once() {
        let (line, mut asks) = answering();
        let answers = [1, 2].map(|seq| line.ask(wire::Recall { seq, ..Default::default() }).unwrap());
        let asked = [asks.recv().await.unwrap(), asks.recv().await.unwrap()];
        assert_eq!(asked.map(|recall| (recall.id, recall.seq)), [(1, 1), (2, 2)]);
        for (id, is_asked) in [(2, true), (2, false), (3, false), (0, false), (1, true), (1, false)] {
            let recalled =
                if id == 1 { wire::Recalled { id, no_value: 2, ..Default::default() } } else { value(id) };
            assert_eq!(line.answered(recalled), is_asked, "{id}");
        }
        let [first, second] = answers;
        assert_eq!(first.await.unwrap(), Err(NoValue::Sidecar(counterfoil_proto::NoValue::Expired)));
        assert_eq!(second.await.unwrap().unwrap().value, "v");
    }

    #[tokio::test]
    async fn no_more_is_asked_than_a_sidecar_may_be_asked_for_and_what_nobody_waits_for_counts() {
        let (line, mut asks) = answering();
        for _ in 0..RECALLS_MAX {
            drop(line.ask(wire::Recall::default()).unwrap());
            asks.recv().await.unwrap();
        }
        assert_eq!(line.ask(wire::Recall::default()).err(), Some(NoValue::Busy));
        assert!(line.answered(value(1)), "late, but asked for");
        let unsent = line.ask(wire::Recall::default()).unwrap();
        line.unsent(asks.recv().await.unwrap().id);
        assert_eq!(unsent.await.unwrap(), Err(NoValue::Busy));
        let lost = line.ask(wire::Recall::default()).unwrap();
        drop(line);
        assert!(lost.await.is_err(), "the stream is gone");
    }
}
