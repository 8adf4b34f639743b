//! Receivers that do not answer, or not well.

use super::target::Answer;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// HMAC-SHA256 by its definition (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let with = |pad: u8, rest: &[u8]| {
        let padded: Vec<u8> = block.iter().map(|byte| byte ^ pad).chain(rest.iter().copied()).collect();
        Sha256::digest(padded).to_vec()
    };
    with(0x5c, &with(0x36, message))
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers[name].to_str().unwrap()
}

/// What makes a message the same, which its signature vouches for.
fn verified(request: &Request) -> (String, Vec<u8>) {
    let (id, at) = (header(request, "webhook-id"), header(request, "webhook-timestamp"));
    let signed = [format!("{id}.{at}.").as_bytes(), &request.raw].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac(&SECRET, &signed)));
    assert_eq!(header(request, "webhook-signature"), expected);
    let sent_s: i64 = at.parse().unwrap();
    assert!((counterfoil_clock::wall_unix_ns() / 1_000_000_000 - sent_s).abs() < 60);
    assert_eq!(request.body["id"], id);
    (id.to_owned(), request.raw.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_one_who_is_down_waits_and_is_delivered_once_with_what_came_meanwhile_behind_it() {
    let folder = TempDir::new().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let telling = Telling::start(folder.path(), vec![hook("ops", &format!("http://{free}/hook"))]);
    record(&telling.ledger, lasting([1])).await;
    let entry = telling.board.entries().next().unwrap().clone();
    let tried = async {
        while entry.standing().attempts < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, tried).await.expect("it is tried again and again");
    assert_eq!(entry.standing().last_error.as_deref(), Some("connect"));
    for number in [5, 7, 11] {
        record(&telling.ledger, lasting([number])).await;
    }
    let mut target = Target::start_at(free).await;
    let (first, second) = (target.next().await, target.next().await);
    assert_ne!(verified(&first), verified(&second));
    assert_eq!(data(&first)["turns"][0]["count"], 1);
    assert_eq!((&data(&second)["turns"][0]["count"], &data(&second)["open"]), (&3.into(), &4.into()));
    telling.until(|waiting| waiting[0].turns == 0 && waiting[0].delivered_at_unix_ns.is_some()).await;
    assert!(target.try_next().is_none());
    assert_eq!(entry.standing().attempts, 0);
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_with_the_same_id_and_content_after_the_wait_that_is_asked_for() {
    let (folder, mut target) = (TempDir::new().unwrap(), Target::start().await);
    target.answer([Answer::Status(500), Answer::Wait(429, 1), Answer::Status(408), Answer::Status(204)]);
    let telling = Telling::start(folder.path(), vec![hook("ops", &target.url())]);
    record(&telling.ledger, lasting([1])).await;
    let mut requests = Vec::new();
    for _ in 0..4 {
        requests.push(target.next().await);
    }
    let first = verified(&requests[0]);
    assert!(requests.iter().all(|request| verified(request) == first));
    let waited = |nth: usize| requests[nth + 1].at.since(requests[nth].at);
    assert!(waited(1) >= 1_000_000_000, "{}", waited(1));
    assert!(waited(0) < 1_000_000_000, "{}", waited(0));
    telling.until(|waiting| waiting[0].delivered_at_unix_ns.is_some()).await;
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_a_dead_letter_and_the_next_message_is_sent() {
    for status in [400, 404, 410, 307] {
        let (folder, mut target) = (TempDir::new().unwrap(), Target::start().await);
        target.answer([Answer::Status(status)]);
        let telling = Telling::start(folder.path(), vec![hook("ops", &target.url())]);
        record(&telling.ledger, lasting([1])).await;
        let refused = target.next().await;
        telling.until(|waiting| waiting[0].dead == 1).await;
        let waiting = telling.ledger.waiting().await.unwrap();
        let dead = &waiting[0].latest_dead[0];
        assert_eq!((dead.id.as_str(), dead.turns), (header(&refused, "webhook-id"), 1));
        assert_eq!(dead.why, format!("status {status}"));
        record(&telling.ledger, lasting([5])).await;
        assert_eq!(data(&target.next().await)["open"], 2);
        telling.until(|waiting| waiting[0].turns == 0).await;
        telling.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_taken_is_given_up() {
    let (folder, mut target) = (TempDir::new().unwrap(), Target::start().await);
    target.answer([Answer::Status(503)]);
    let impatient = Receiver { give_up_after: Duration::ZERO, ..hook("ops", &target.url()) };
    let telling = Telling::start(folder.path(), vec![impatient]);
    record(&telling.ledger, lasting([1])).await;
    target.next().await;
    telling.until(|waiting| waiting[0].dead == 1).await;
    assert_eq!(telling.ledger.waiting().await.unwrap()[0].latest_dead[0].why, "given up: status 503");
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_does_not_answer_holds_up_nobody_else() {
    let folder = TempDir::new().unwrap();
    let (mut silent, mut target) = (Target::start().await, Target::start().await);
    silent.answer(std::iter::repeat_n(Answer::Silence, 1000));
    let timeout = Duration::from_millis(100);
    let telling = Telling::start(
        folder.path(),
        vec![Receiver { timeout, ..hook("silent", &silent.url()) }, hook("ops", &target.url())],
    );
    for number in [1, 5, 7] {
        record(&telling.ledger, lasting([number])).await;
        verified(&target.next().await);
    }
    let first = verified(&silent.next().await);
    assert_eq!(verified(&silent.next().await), first, "it is sent again after the time-out");
    let standing = telling.board.entries().next().unwrap().standing();
    assert_eq!(standing.last_error.as_deref(), Some("timeout"));
    telling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_sent_but_not_settled_is_sent_again_as_it_was() {
    let (folder, mut target) = (TempDir::new().unwrap(), Target::start().await);
    target.answer([Answer::Silence]);
    let telling = Telling::start(folder.path(), vec![hook("ops", &target.url())]);
    record(&telling.ledger, lasting([1])).await;
    let before = verified(&target.next().await);
    telling.stop().await;
    let telling = Telling::start(folder.path(), vec![hook("ops", &target.url())]);
    record(&telling.ledger, lasting([5])).await;
    assert_eq!(verified(&target.next().await), before);
    let behind = target.next().await;
    assert_eq!((&data(&behind)["turns"][0]["count"], &data(&behind)["open"]), (&1.into(), &2.into()));
    telling.until(|waiting| waiting[0].turns == 0).await;
    telling.stop().await;
    let telling = Telling::start(folder.path(), vec![hook("ops", &target.url())]);
    record(&telling.ledger, lasting([7])).await;
    assert_eq!(data(&target.next().await)["open"], 3, "what was settled is not sent again");
    telling.stop().await;
}
