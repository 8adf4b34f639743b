//! A whole comparator that tells a webhook of what it found.

use crate::support::{Running, prepared, start_in};
use crate::{PATIENCE, acknowledged, batch, bye, store};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What a webhook is told.
pub(crate) struct Told {
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) body: Value,
}

/// A webhook, and what it is told.
pub(crate) struct Hook {
    pub(crate) url: String,
    requests: mpsc::Receiver<Told>,
}

#[derive(Clone)]
struct Taking {
    told: mpsc::Sender<Told>,
    /// The statuses of its next answers.
    statuses: Arc<Mutex<VecDeque<u16>>>,
}

impl Hook {
    /// Answers with these statuses, and with 200 from then on.
    pub(crate) async fn start(statuses: impl IntoIterator<Item = u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (told, requests) = mpsc::channel(100);
        let statuses = Arc::new(Mutex::new(statuses.into_iter().collect()));
        let router = Router::new().fallback(take).with_state(Taking { told, statuses });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, requests }
    }

    pub(crate) async fn next(&mut self) -> Told {
        tokio::time::timeout(PATIENCE, self.requests.recv()).await.expect("the webhook is told").unwrap()
    }

    pub(crate) fn try_next(&mut self) -> Option<Told> {
        self.requests.try_recv().ok()
    }
}

async fn take(State(taking): State<Taking>, headers: HeaderMap, raw: Bytes) -> StatusCode {
    let body = serde_json::from_slice(&raw).unwrap();
    taking.told.send(Told { headers, raw, body }).await.unwrap();
    let status = taking.statuses.lock().unwrap().pop_front();
    status.map_or(StatusCode::OK, |status| StatusCode::from_u16(status).unwrap())
}

async fn start(url: &str) -> Running {
    let directory = prepared();
    let secret = format!("whsec_{}", "A".repeat(32));
    counterfoil_keys::create_file(&directory.path().join("secret"), &secret).unwrap();
    let receiver =
        format!("{{name: ops, kind: webhook, url: '{url}', secret_file: DIR/secret, group_wait_ms: 0}}");
    let notify = format!("notify: {{external_url: 'https://cf.example.com', receivers: [{receiver}]}}");
    start_in(directory, &notify).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_of_a_divergence_and_of_its_end_and_the_status_says_so() {
    let mut hook = Hook::start([]).await;
    let running = start(&hook.url).await;
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &batch(&running, "cart", 0, &["lost"]))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    uploads.send(running.upload(2, &bye(1))).await.unwrap();
    acknowledged(&mut replies, 2).await;
    let Told { headers, body: event, .. } = hook.next().await;
    assert_eq!(headers["webhook-id"], event["id"].as_str().unwrap());
    assert_eq!(
        (&event["type"], &event["data"]["map"]),
        (&"counterfoil.divergences.open".into(), &"cart".into())
    );
    let example = &event["data"]["examples"][0];
    assert_eq!((&example["kind"], &example["state"]), (&"missing".into(), &"confirmed".into()), "{event}");
    let one = running.get(&format!("/v1/divergences/{}", example["id"].as_str().unwrap())).await;
    assert_eq!((one.0, &one.1["key"]), (200, &"lost".into()));
    store(&running, "lost");
    assert_eq!(hook.next().await.body["type"], "counterfoil.divergences.resolved");
    let status = async {
        loop {
            let (code, status) = running.get("/v1/notify").await;
            let ops = status["receivers"][0].clone();
            assert_eq!(
                (code, &ops["name"], &ops["kind"]),
                (200, &"ops".into(), &"webhook".into()),
                "{status}"
            );
            if ops["pending"] == 0
                && ops["delivered_at_unix_ns"].is_i64()
                && ops["pending_since_unix_ns"].is_null()
            {
                return ops;
            }
        }
    };
    let ops = tokio::time::timeout(PATIENCE, status).await.expect("all is delivered");
    assert_eq!((&ops["dead_letters"], &ops["last_error"]), (&0.into(), &Value::Null), "{ops}");
    let metrics = running.get_text("/metrics").await.1;
    let delivered = "counterfoil_notify_messages_total{receiver=\"ops\",result=\"delivered\"}";
    assert!(metrics.contains(delivered), "{metrics}");
    running.stop().await;
}
