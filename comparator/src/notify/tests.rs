#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

//! Messages to receivers that listen on real sockets, in this process.

use super::*;
use crate::ledger::tests::{Home, confirmed, id, opened, record, resolved};
use crate::ledger::{Act, Acting, Answer, Place, Transition};
use crate::outbound::Address;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use tokio::task::JoinHandle;

mod bodies;
mod failing;
mod target;

use target::{Request, Target};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// 24 bytes, as the scheme wants them.
const SECRET: [u8; 24] = *b"of twenty-four bytes, so";

/// To a webhook at `url`, of everything in the map of odd numbers, at once.
pub(super) fn hook(name: &str, url: &str) -> Receiver {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let digits = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, SECRET);
    counterfoil_keys::create_file(&path, &format!("whsec_{digits}")).unwrap();
    let secret = SigningSecret::of(&counterfoil_keys::SecretLine::from_file(&path).unwrap()).unwrap();
    to(name, Channel::Webhook { url: Address::parse(url).unwrap(), secret })
}

pub(super) fn to(name: &str, channel: Channel) -> Receiver {
    Receiver {
        name: name.into(),
        channel,
        maps: BTreeSet::from(["odd".to_owned()]),
        on: BTreeSet::from([State::Confirmed, State::Resolved]),
        rate_per_minute_max: 600,
        group_wait: Duration::ZERO,
        repeat: None,
        timeout: Duration::from_secs(20),
        give_up_after: Duration::from_secs(3600),
        include_key: false,
    }
}

/// A notifier that runs over a ledger.
struct Telling {
    ledger: Ledger,
    board: Arc<Board>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Telling {
    fn start(folder: &Path, receivers: Vec<Receiver>) -> Self {
        Self::over(&folder.join("ledger"), receivers)
    }

    fn over(place: impl Into<Place>, receivers: Vec<Receiver>) -> Self {
        let settings = Settings {
            external_url: Some("https://cf.example.com".to_owned()),
            severities: BTreeMap::from([("odd".to_owned(), Severity::Critical)]),
            receivers,
        };
        let ledger = Ledger::open_with(place, settings.routes(), |_| ()).unwrap();
        let backoff = Backoff { min: Duration::from_millis(20), max: Duration::from_millis(200) };
        let notifier = Notifier::with_backoff(settings, &ledger, backoff).unwrap();
        let (board, stop) = (notifier.board(), CancellationToken::new());
        let task = tokio::spawn(notifier.run(stop.clone()));
        Self { ledger, board, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").unwrap();
    }

    /// Until the outbox is as it should be.
    async fn until(&self, is_so: impl Fn(&[crate::ledger::outbox::Waiting]) -> bool) {
        let so = async {
            while !is_so(&self.ledger.waiting().await.unwrap()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, so).await.expect("the outbox comes to be so");
    }
}

/// Divergences of the map of odd numbers, in the store `second`.
fn lasting(numbers: impl IntoIterator<Item = u32>) -> Vec<Transition> {
    numbers.into_iter().flat_map(|number| [opened(number).into(), confirmed(number)]).collect()
}

fn data(request: &Request) -> &Value {
    &request.body["data"]
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_that_share_a_ledger_one_tells_and_when_it_ends_another_does() {
    let (home, mut target) = (Home::server(), Target::start().await);
    let receivers = || vec![hook("ops", &target.url())];
    let of_first = Telling::over(home.place(), receivers());
    let mut lead = of_first.ledger.lead();
    let leads = tokio::time::timeout(PATIENCE, lead.wait_for(|leads| *leads)).await;
    drop(leads.expect("it leads").unwrap());
    let of_second = Telling::over(home.place(), receivers());
    record(&of_second.ledger, lasting([1])).await;
    assert_eq!(data(&target.next().await)["turns"][0]["count"], 1, "who leads tells of it");
    of_second.until(|waiting| waiting[0].turns == 0 && waiting[0].delivered_at_unix_ns.is_some()).await;
    assert!(!of_second.ledger.leads());
    of_first.stop().await;
    record(&of_second.ledger, lasting([5, 7])).await;
    let mut told = 0;
    while told < 2 {
        told += data(&target.next().await)["turns"][0]["count"].as_u64().unwrap();
    }
    of_second.until(|waiting| waiting[0].turns == 0).await;
    assert!(of_second.ledger.leads() && target.try_next().is_none());
    of_second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_and_resolved_is_told_and_what_is_acknowledged_is_not() {
    let (folder, mut target) = (TempDir::new().unwrap(), Target::start().await);
    let repeat = Some(Duration::from_secs(3600));
    let telling = Telling::start(folder.path(), vec![Receiver { repeat, ..hook("ops", &target.url()) }]);
    record(&telling.ledger, lasting([1])).await;
    let told = target.next().await;
    let first_at = told.at;
    assert_eq!(
        (&told.body["type"], &data(&told)["open"]),
        (&"counterfoil.divergences.open".into(), &1.into())
    );
    let link = format!("https://cf.example.com/divergences/{}", id(1));
    assert_eq!(data(&told)["examples"][0]["link"], link.as_str());
    assert!(!told.body.to_string().contains("key 1"), "{}", told.body);
    record(&telling.ledger, [resolved(1)]).await;
    let told = target.next().await;
    assert_eq!(told.body["type"], "counterfoil.divergences.resolved");
    assert!(told.at.since(first_at) < 20_000_000_000, "what is new does not wait for what is told again");
    assert_eq!(
        data(&told)["turns"],
        serde_json::json!([{ "turn": "resolved", "kind": "stale", "count": 1 }])
    );
    record(&telling.ledger, [opened(5).into()]).await;
    let (by, why) = ("alice".to_owned(), "known".to_owned());
    let acting = Acting { id: id(5), act: Act::Acknowledge, by, why, revision: 1, at_unix_ns: 1 };
    assert_eq!(telling.ledger.act(acting).await.unwrap(), Answer::Done);
    record(&telling.ledger, [confirmed(5)]).await;
    record(&telling.ledger, lasting([7])).await;
    let told = target.next().await;
    let examples = data(&told)["examples"].as_array().unwrap();
    assert_eq!((&data(&told)["open"], examples.len()), (&1.into(), 1), "{}", told.body);
    assert_eq!(examples[0]["id"], id(7).to_string());
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_divergences_at_once_are_a_few_messages_with_exact_counts() {
    const COUNT: u32 = 100_000;
    let (folder, mut target) = (TempDir::new().unwrap(), Target::start().await);
    let group_wait = Duration::from_millis(500);
    let receiver = Receiver { group_wait, rate_per_minute_max: 20, ..hook("ops", &target.url()) };
    let telling = Telling::start(folder.path(), vec![receiver]);
    // All of the map `odd` and the store `second`.
    let numbers = (0..COUNT).map(|number| number * 6 + 1);
    telling.ledger.record(lasting(numbers)).await.unwrap();
    let (mut counted, mut messages) = (0, 0);
    while counted < u64::from(COUNT) {
        let told = target.next().await;
        counted += data(&told)["turns"][0]["count"].as_u64().unwrap();
        messages += 1;
        assert!(told.bytes < 20_000, "{}", told.bytes);
        assert_eq!(data(&told)["examples"].as_array().unwrap().len(), 10);
    }
    assert_eq!(counted, u64::from(COUNT));
    assert!(messages <= 20, "{messages}");
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_messages_than_may_be_sent_in_a_minute_wait_and_are_folded() {
    let folder = TempDir::new().unwrap();
    let (mut slow, mut fast) = (Target::start().await, Target::start().await);
    let capped = Receiver { rate_per_minute_max: 1, ..hook("slow", &slow.url()) };
    let telling = Telling::start(folder.path(), vec![capped, hook("fast", &fast.url())]);
    for (number, open) in [1, 5, 7, 11].into_iter().zip(1..) {
        record(&telling.ledger, lasting([number])).await;
        assert_eq!(data(&fast.next().await)["open"], open);
    }
    assert_eq!(data(&slow.next().await)["open"], 1);
    telling.until(|waiting| waiting.iter().any(|its| its.receiver == "slow" && its.turns == 3)).await;
    assert!(slow.try_next().is_none());
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_sent_again_while_it_fires_and_ends_when_nothing_is_open() {
    let (folder, mut target) = (TempDir::new().unwrap(), Target::start().await);
    let url = Address::parse(&target.url()).unwrap().below("/api/v2/alerts");
    let channel = Channel::Alertmanager { url, token: None };
    let repeat = Some(Duration::from_millis(50));
    let telling = Telling::start(folder.path(), vec![Receiver { repeat, ..to("am", channel) }]);
    record(&telling.ledger, lasting([1, 3])).await;
    let first = target.next().await;
    assert_eq!(first.path, "/hook/api/v2/alerts");
    let mut seen: BTreeSet<_> = alerts(&first).iter().map(store).collect();
    while seen.len() < 2 {
        seen.extend(alerts(&target.next().await).iter().map(store));
    }
    for alert in alerts(&target.next().await) {
        assert!(time(&alert["endsAt"]) > time(&alert["startsAt"]), "{alert}");
        assert_eq!(alert["labels"]["alertname"], "CounterfoilDivergences");
        assert_eq!(alert["labels"]["severity"], "critical");
    }
    record(&telling.ledger, [resolved(1), resolved(3)]).await;
    let mut ended = BTreeSet::new();
    while ended.len() < 2 {
        let told = target.next().await;
        let at = counterfoil_clock::wall_unix_ns();
        for alert in alerts(&told).iter().filter(|alert| is_over(alert)) {
            assert!(time(&alert["endsAt"]).as_nanosecond() <= i128::from(at), "{alert}");
            ended.insert(store(alert));
        }
    }
    assert_eq!(seen, ended);
    telling.stop().await;
}

fn alerts(request: &Request) -> &[Value] {
    request.body.as_array().unwrap()
}

fn store(alert: &Value) -> String {
    alert["labels"]["store"].as_str().unwrap().to_owned()
}

fn is_over(alert: &Value) -> bool {
    alert["annotations"]["summary"].as_str().unwrap().starts_with("no divergence")
}

fn time(text: &Value) -> jiff::Timestamp {
    text.as_str().unwrap().parse().unwrap()
}
