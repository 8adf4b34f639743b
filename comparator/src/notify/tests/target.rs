//! Somebody who is told: an HTTP server that answers as a test says.

use super::PATIENCE;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request as Asked, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What a target is asked.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) raw: Bytes,
    pub(super) body: Value,
    pub(super) bytes: usize,
    pub(super) at: Time,
}

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Status(u16),
    /// With this status, and that so many seconds be waited.
    Wait(u16, u32),
    /// Never.
    Silence,
}

#[derive(Clone)]
struct Shared {
    requests: mpsc::Sender<Request>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

/// A server.
pub(super) struct Target {
    pub(super) at: SocketAddr,
    requests: mpsc::Receiver<Request>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    task: JoinHandle<()>,
}

impl Target {
    pub(super) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    /// At this address, where it takes everything.
    pub(super) async fn start_at(at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (told, requests) = mpsc::channel(10_000);
        let answers = Arc::<Mutex<VecDeque<Answer>>>::default();
        let shared = Shared { requests: told, answers: answers.clone() };
        let router = Router::new().fallback(take).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { at, requests, answers, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.at)
    }

    /// Answers so to the next requests, one each.
    pub(super) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub(super) async fn next(&mut self) -> Request {
        let next = tokio::time::timeout(PATIENCE, self.requests.recv()).await;
        next.expect("somebody is told").unwrap()
    }

    pub(super) fn try_next(&mut self) -> Option<Request> {
        self.requests.try_recv().ok()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(shared): State<Shared>, asked: Asked) -> Response {
    let (parts, body) = asked.into_parts();
    let raw = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let request = Request {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: serde_json::from_slice(&raw).unwrap(),
        bytes: raw.len(),
        raw,
        at: now(),
    };
    let answer = shared.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(202));
    shared.requests.send(request).await.unwrap();
    let status = |status| StatusCode::from_u16(status).unwrap();
    match answer {
        Answer::Status(code) => status(code).into_response(),
        Answer::Wait(code, seconds) => {
            (status(code), [(header::RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Answer::Silence => std::future::pending().await,
    }
}
