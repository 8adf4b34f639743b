//! The gate over real HTTP: what it answers about what came in, and what it does not understand. What it takes to pass is shown
//! with whole processes elsewhere: that takes a window of time.

use super::divergences::{ALICE, start_with_tokens};
use super::{acknowledged, batch, bye, ended, header, store};
use crate::support::{prepared, start, start_of};
use counterfoil_clock::now;
use counterfoil_judge::Interval;
use counterfoil_proto::{BatchBuilder, BucketSet, Header, Loss, LossReason};
use serde_json::Value;

/// The names of the reasons, in their order.
fn reasons(answer: &Value) -> Vec<&str> {
    let reasons = answer["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason["reason"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_diverged_fails_and_flagger_is_told_to_roll_back() {
    let running = start().await;
    store(&running, "kept");
    ended(&running, &batch(&running, "cart", 0, &["kept", "lost"])).await;
    let (status, answer) = running.get("/v1/gate?map=cart&window=1m").await;
    assert_eq!((status, &answer["result"]), (200, &"fail".into()), "{answer}");
    let expected = ["bad_ratio", "open_divergences", "window", "calibration", "samples"];
    assert_eq!(reasons(&answer), expected, "{answer}");
    assert_eq!(
        (&answer["bad_ratio"], &answer["samples"], &answer["coverage"], &answer["open_divergences"]),
        (&0.5.into(), &2.into(), &1.0.into(), &1.into())
    );
    assert!(
        answer["bad_ratio_lower"].as_f64().unwrap() > 0.1
            && answer["bad_ratio_upper"].as_f64().unwrap() < 0.9
    );
    assert!(answer["verified_through"].as_str().unwrap().ends_with('Z'), "{answer}");
    assert!(answer["verified_through_age_ms"].as_f64().unwrap() >= 0.0, "{answer}");
    let check = &answer["checks"][0];
    assert_eq!(
        (&check["map"], &check["store"], &check["divergent"]),
        (&"cart".into(), &"main".into(), &1.into())
    );

    let hook = |kind: &str| {
        format!(
            "{{\"name\":\"cart\",\"namespace\":\"shop\",\"phase\":\"Progressing\",\"checksum\":\"7\",\"metadata\":{{{kind}\"map\":\"cart\"}}}}"
        )
    };
    let (promote, answer) = running.asked("POST", "/v1/gate/flagger", "", &hook("")).await;
    assert_eq!((promote, &answer["result"]), (412, &"fail".into()), "{answer}");
    assert_eq!(running.asked("POST", "/v1/gate/flagger", "", &hook("\"type\":\"rollback\",")).await.0, 200);
    let metrics = running.get_text("/metrics").await.1;
    // Other tests of this process count along, but nothing passes here.
    for (result, least, most) in [("pass", 0, 0), ("insufficient", 0, u64::MAX), ("fail", 3, u64::MAX)] {
        let series = format!("counterfoil_gate_checks_total{{map=\"cart\",result=\"{result}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| (least..=most).contains(&count)), "{series}{count:?}");
    }
    assert!(
        metrics.contains("counterfoil_gate_verified_through_seconds_behind{map=\"cart\",store=\"main\"} ")
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_did_not_come_are_held_against_what_came() {
    let running = start().await;
    store(&running, "k");
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &batch(&running, "cart", 0, &["k"]))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    let during = Interval::new(now(), now());
    let loss = Loss { first_seq: 1, count: 3, reason: LossReason::RingFull, during, buckets: BucketSet::All };
    // Of the numbers below 6 two more are missing.
    let declared = Header { losses: vec![loss], bye: true, ..header(6, now()) };
    uploads.send(running.upload(2, &BatchBuilder::default().finish(declared))).await.unwrap();
    acknowledged(&mut replies, 2).await;
    running.settled().await;
    let answer = running.get("/v1/gate?window=10m").await.1;
    assert_eq!((&answer["result"], &answer["lost"]), (&"insufficient".into(), &5.into()), "{answer}");
    assert!(["gap", "coverage"].iter().all(|reason| reasons(&answer).contains(reason)), "{answer}");
    running.stop().await;
}

const TWO_STORES: &str = "
stores: {main: {url: 'sqlite://DIR/store.db'}, spare: {url: 'sqlite://DIR/none.db'}}
maps:
- name: cart
  deadline_ms: 300
  stores:
  - {store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)'}
  - {store: spare, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)'}
  cohorts: ['deployment=canary']
";

#[tokio::test(flavor = "multi_thread")]
async fn each_store_of_a_map_has_to_pass() {
    let running = start_of(prepared(), TWO_STORES, Vec::new()).await;
    store(&running, "k");
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &batch(&running, "cart", 0, &["k"]))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    let is_down = |answer: &Value| reasons(answer).contains(&"store");
    let answer = running.until("/v1/gate?map=cart", is_down).await;
    let stores: Vec<_> = answer["checks"].as_array().unwrap().iter().map(|check| &check["store"]).collect();
    assert_eq!(stores, ["main", "spare"], "{answer}");
    let answer = running.get("/v1/gate?map=cart&store=main&cohort=deployment=canary&against=other").await.1;
    assert_eq!(answer["checks"].as_array().map(Vec::len), Some(1), "{answer}");
    let told = (&answer["cohort"], &answer["against"], &answer["worse_by_upper"]);
    assert_eq!(told, (&"deployment=canary".into(), &"other".into(), &1.0.into()), "{answer}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused_in_json_with_what_to_write() {
    let running = start().await;
    for (query, told) in [
        ("mpa=cart", "`mpa` is no parameter; there is: map, store, cohort, against, window"),
        ("map=trolley", "map: there is no contract for `trolley`; there is: cart"),
        ("window=1d", "window: `1d`"),
        ("map=cart&cohort=deployment=canary", "cohort: the contract of `cart` names no cohorts"),
    ] {
        let (status, answer) = running.get(&format!("/v1/gate?{query}")).await;
        let error = answer["error"].as_str().unwrap();
        assert!(status == 400 && error.starts_with(told), "{status} {answer}");
    }
    // One byte more than there may be: so the comparator has read all of it when it refuses.
    let long = format!("{{}}{}", " ".repeat((64 << 10) - 1));
    for (body, expected, told) in [
        ("no json", 400, "the body: "),
        ("{\"metadata\":{\"window\":10}}", 400, "the body: "),
        ("{\"metadata\":{\"type\":\"rollout\"}}", 400, "metadata.type: `rollout`; write `rollback`"),
        ("{\"metadata\":{\"cmd\":\"true\"}}", 400, "`cmd` is no parameter"),
        (&long, 413, ""),
    ] {
        let (status, answer) = running.asked("POST", "/v1/gate/flagger", "", body).await;
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{status} {answer}"));
        assert!(status == expected && error.starts_with(told), "{status} {answer}");
    }
    let (status, answer) =
        running.asked("POST", "/v1/gate/flagger", "", "{\"name\":\"cart\",\"metadata\":null}").await;
    assert_eq!((status, &answer["result"]), (412, &"insufficient".into()), "about all maps: {answer}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_ignores_does_not_count_and_is_named_and_counts_again_once_that_is_taken_back() {
    let running = start_with_tokens(prepared()).await;
    store(&running, "kept");
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &batch(&running, "cart", 0, &["kept", "lost", "gone"]))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    uploads.send(running.upload(2, &bye(3))).await.unwrap();
    acknowledged(&mut replies, 2).await;
    let asked = async |path: &str| {
        let answer = running.ask("GET", path, ALICE, "").await;
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let confirmed = async {
        loop {
            let page = asked("/v1/divergences?state=confirmed").await;
            if page["divergences"].as_array().unwrap().len() == 2 {
                return page["divergences"].clone();
            }
        }
    };
    let page = tokio::time::timeout(super::PATIENCE, confirmed).await.expect("both are confirmed");
    let counts = async || {
        let answer = asked("/v1/gate?map=cart").await;
        let counts = ["open_divergences", "ignored_divergences", "divergent"]
            .map(|name| answer[name].as_u64().unwrap());
        (counts, reasons(&answer).contains(&"open_divergences"), answer.to_string())
    };
    let act = async |at: usize, act: &str, revision: u64| {
        let path = format!("/v1/divergences/{}/{act}", page[at]["id"].as_str().unwrap());
        let body = format!("{{\"why\":\"test data\",\"revision\":{revision}}}");
        let answer = running.ask("POST", &path, ALICE, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    assert_eq!(counts().await.0, [2, 0, 2]);
    act(0, "ignore", 2).await;
    let (figures, is_reason, answer) = counts().await;
    assert_eq!((figures, is_reason), ([1, 1, 2], true), "{answer}");
    assert!(answer.contains("(1 more is ignored)"), "{answer}");
    act(1, "ignore", 2).await;
    assert_eq!(counts().await.0, [0, 2, 2]);
    assert!(!counts().await.1, "nothing that counts is open");
    act(0, "reopen", 3).await;
    let (figures, is_reason, answer) = counts().await;
    assert_eq!((figures, is_reason), ([1, 1, 2], true), "{answer}");
    running.stop().await;
}
