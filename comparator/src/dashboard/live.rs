//! `/dashboard/live`: the figures of the overview as they change, as server-sent events.
//!
//! One task looks at the figures and writes them down once; whoever watches is handed the same bytes. Who is slow misses ticks and
//! never holds up anybody. While nobody watches nothing is looked at; and looking takes a fiftieth of the time at most, however
//! many keys there are.

use super::Pages;
use super::checks::Checks;
use super::show;
use crate::Parts;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use counterfoil_clock::{now, wall_unix_ns};
use serde::Serialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

/// From one look to the next, at least.
const TICK: Duration = Duration::from_secs(1);

/// Of the time, looking may take one part in so many.
const LOOKING_IN: u32 = 50;

/// Who may watch at a time; the other connections are for those who ask.
const VIEWERS_MAX: usize = 64;

/// Ticks after which a browser has to ask again, and with it shows whether it still may.
const TICKS_MAX: usize = 600;

/// What is handed to whoever watches.
pub(crate) struct Live {
    /// The last event; `None` when there will be none any more.
    told: watch::Sender<Option<Bytes>>,
    viewers: Arc<Semaphore>,
}

impl Default for Live {
    fn default() -> Self {
        Self { told: watch::Sender::default(), viewers: Arc::new(Semaphore::new(VIEWERS_MAX)) }
    }
}

/// One event.
#[derive(Serialize)]
struct Tick<'a> {
    at: String,
    sentence: &'a str,
    /// By their places on the page: text, what is said below, tone.
    figures: BTreeMap<&'a str, (&'a str, &'a str, &'static str)>,
}

impl Live {
    /// What comes from now on; `None` if too many watch already.
    fn watch(&self) -> Option<impl Stream<Item = Bytes> + Send + 'static> {
        let place: OwnedSemaphorePermit = Arc::clone(&self.viewers).try_acquire_owned().ok()?;
        let events = WatchStream::from_changes(self.told.subscribe()).map_while(move |event| {
            let _held_while_it_goes_on = &place;
            event
        });
        Some(events.take(TICKS_MAX))
    }

    /// Hands what `look` gives to whoever watches; does not look if nobody does.
    fn tick(&self, look: impl FnOnce() -> Option<Bytes>) {
        if self.told.receiver_count() > 0
            && let Some(event) = look()
        {
            self.told.send_replace(Some(event));
        }
    }
}

/// Looks once a tick until `stop`; then whoever watches is told that it is over.
pub(super) async fn run(live: &Live, parts: &Parts, stop: CancellationToken) {
    let mut rest = TICK;
    while stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_some() {
        let begun = now();
        live.tick(|| event(&Checks::of(parts), wall_unix_ns()));
        let took = Duration::from_nanos(now().since(begun).max(0).unsigned_abs());
        rest = TICK.max(took * LOOKING_IN);
    }
    live.told.send_replace(None);
}

/// The figures as an event; `None` if they cannot be written down.
fn event(checks: &Checks, at_unix_ns: i64) -> Option<Bytes> {
    let figures = checks.figures();
    let tick = Tick {
        at: show::time(at_unix_ns),
        sentence: &checks.headline.sentence,
        figures: figures
            .map(|it| (it.id.as_str(), (it.text.as_str(), it.more.as_str(), it.tone.label())))
            .collect(),
    };
    let json = serde_json::to_string(&tick).ok()?;
    Some(format!("data: {json}\n\n").into())
}

/// Answers with the figures for as long as somebody watches.
pub(super) async fn stream(State(pages): State<Pages>) -> Response {
    let Some(events) = pages.live.watch() else {
        let why = format!("{VIEWERS_MAX} watch already; load the page again to see the figures\n");
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], why).into_response();
    };
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        // Proxies that gather what they pass on are asked not to.
        ("x-accel-buffering", "no"),
    ];
    let first = tokio_stream::once(Bytes::from_static(b"retry: 3000\n\n"));
    (headers, Body::from_stream(first.chain(events).map(Ok::<_, Infallible>))).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[tokio::test]
    async fn what_is_told_is_written_down_once_however_many_watch() {
        let live = Live::default();
        let mut viewers: Vec<_> = (0..50).map(|_| Box::pin(live.watch().unwrap())).collect();
        let mut looks = 0;
        for tick in 1..=3 {
            live.tick(|| {
                looks += 1;
                Some(Bytes::from(format!("tick {tick}")))
            });
            let first = viewers.first_mut().unwrap().next().await.unwrap();
            assert_eq!(first, format!("tick {tick}"));
            for viewer in viewers.iter_mut().skip(1) {
                let other = viewer.next().await.unwrap();
                assert_eq!((other.as_ptr(), other.len()), (first.as_ptr(), first.len()), "the same bytes");
            }
        }
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn nobody_who_watches_costs_nothing_and_who_is_slow_misses_ticks() {
        let live = Live::default();
        live.tick(|| panic!("nobody watches"));
        let mut slow = Box::pin(live.watch().unwrap());
        (1..=5).for_each(|tick| live.tick(|| Some(Bytes::from(tick.to_string()))));
        assert_eq!(slow.next().await.unwrap(), "5");
        live.told.send_replace(None);
        assert_eq!(slow.next().await, None, "it is over");
    }

    #[tokio::test]
    async fn viewers_are_counted_and_make_room_when_they_go() {
        let live = Live::default();
        let mut viewers: Vec<_> = (0..VIEWERS_MAX).map(|_| live.watch().unwrap()).collect();
        assert!(live.watch().is_none());
        viewers.pop();
        assert!(live.watch().is_some());
    }
}
