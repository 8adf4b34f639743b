//! Messages in the words of each receiver, held against what its specification says.

use super::*;
use crate::ledger::outbox::{Message, Turns};
use serde_json::json;

/// A message about a map whose name means something to Slack, with so many divergences open.
fn message(open: u64, include_key: bool) -> Message {
    let example = |number: u8| Example {
        id: format!("{number:032x}"),
        kind: "missing".into(),
        state: State::Confirmed,
        opened_at_unix_ns: 1_700_000_000_123_456_789,
        confirmed_at_unix_ns: Some(1_700_000_001_000_000_000),
        resolved_at_unix_ns: None,
        source: "shop/pod-1/7".into(),
        trace_id: Some("ab".repeat(16)),
        key: include_key.then(|| "<user> & co".to_owned()),
    };
    let turns = |turn, kind: &str, count| Turns { turn, kind: kind.into(), count };
    let group = Group {
        map: "a<b&c>".into(),
        store: Some("main".into()),
        open,
        since_unix_ns: 1_700_000_000_000_000_000,
        turns: vec![
            turns(State::Confirmed, "missing", 12),
            turns(State::Confirmed, "stale", 3),
            turns(State::Resolved, "stale", 1),
        ],
        folded: 2,
        examples: (0..10).map(example).collect(),
    };
    Message {
        number: 7,
        id: "msg_07".into(),
        made_at_unix_ns: 1_700_000_060_000_000_000,
        groups: vec![group],
    }
}

fn common(external_url: Option<&str>) -> Common {
    let severities = BTreeMap::from([("a<b&c>".to_owned(), Severity::Critical)]);
    Common { external_url: external_url.map(str::to_owned), severities }
}

const HERE: Option<&str> = Some("https://cf.example.com");

/// A file that holds `text`, read as a token.
fn token(text: &str) -> counterfoil_keys::Token {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    counterfoil_keys::create_file(&path, text).unwrap();
    counterfoil_keys::Token::from_file(&path).unwrap()
}

fn channels() -> Vec<Receiver> {
    let url = || Address::parse("https://example.com/x").unwrap();
    let routing_key = token("0123456789abcdef0123456789abcdef");
    vec![
        hook("hook", "https://example.com/x"),
        Receiver {
            repeat: Some(Duration::from_secs(60)),
            ..to("am", Channel::Alertmanager { url: url(), token: Some(token("0123456789abcdef")) })
        },
        to("slack", Channel::Slack { url: url() }),
        to("pager", Channel::PagerDuty { url: url(), routing_key }),
    ]
}

fn body(receiver: &Receiver, message: &Message, common: &Common) -> Value {
    serde_json::from_slice(&receiver.body(message, common)).unwrap()
}

#[test]
fn a_webhook_gets_a_cloud_event_with_everything_that_the_specification_needs() {
    for (open, external_url, kind) in [(14, HERE, "open"), (0, None, "resolved")] {
        let (message, common) = (message(open, false), common(external_url));
        let hook = &channels()[0];
        let event = body(hook, &message, &common);
        assert_eq!(event["specversion"], "1.0");
        for needed in ["id", "source", "type", "subject", "datacontenttype"] {
            assert!(event[needed].as_str().is_some_and(|text| !text.is_empty()), "{needed} in {event}");
        }
        for name in event.as_object().unwrap().keys() {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{name}");
        }
        assert_eq!(event["type"], format!("counterfoil.divergences.{kind}"));
        assert_eq!(event["source"], external_url.unwrap_or("/counterfoil"));
        assert_eq!(event["time"], "2023-11-14T22:14:20Z");
        assert_eq!(event["data"]["severity"], "critical");
        assert_eq!(event["data"]["turns"][1], json!({ "turn": "confirmed", "kind": "stale", "count": 3 }));
        assert_eq!(event["data"]["examples"][0]["opened_at"], "2023-11-14T22:13:20.123456Z");
        let headers = hook.headers(&message, b"", 1_700_000_000);
        assert_eq!(headers["content-type"], "application/cloudevents+json; charset=utf-8");
        assert_eq!(headers["webhook-timestamp"], "1700000000");
    }
}

#[test]
fn an_alertmanager_gets_an_alert_that_is_the_same_one_each_time_and_ends_with_the_last_divergence() {
    let (receiver, common) = (&channels()[1], common(HERE));
    let alert = |open| body(receiver, &message(open, false), &common)[0].clone();
    let (fires, ends) = (alert(14), alert(0));
    assert_eq!(fires["labels"], ends["labels"], "what is told apart by is what does not change");
    for group in ["labels", "annotations"] {
        let texts = fires[group].as_object().unwrap();
        assert!(texts.values().all(|text| text.as_str().is_some_and(|text| !text.is_empty())), "{fires}");
        assert!(texts.keys().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
    assert_eq!(fires["startsAt"], "2023-11-14T22:13:20Z");
    assert_eq!(fires["endsAt"], "2023-11-14T22:18:20Z", "four minutes after it was made");
    assert_eq!(ends["endsAt"], "2023-11-14T22:14:20Z");
    assert_eq!(fires["generatorURL"], "https://cf.example.com");
    assert_eq!(
        fires["annotations"]["description"],
        "15 confirmed (12 missing, 3 stale), 1 resolved (1 stale)"
    );
    let headers = receiver.headers(&message(1, false), b"", 0);
    assert_eq!(headers["authorization"], "Bearer 0123456789abcdef");
    assert_eq!(headers["content-type"], "application/json");
}

#[test]
fn slack_gets_blocks_within_its_bounds_in_which_no_name_means_anything() {
    let long = format!("https://cf.example.com/{}", "x".repeat(470));
    for (external_url, include_key) in [(HERE, true), (None, false), (Some(long.as_str()), true)] {
        let told = body(&channels()[2], &message(14, include_key), &common(external_url));
        let blocks = told["blocks"].as_array().unwrap();
        assert_eq!(blocks[0]["text"]["type"], "plain_text");
        assert!(blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= 150);
        let texts: Vec<_> = blocks[1..]
            .iter()
            .map(|block| block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap())
            .chain(told["text"].as_str())
            .collect();
        for text in &texts {
            assert!(!text.is_empty() && text.chars().count() <= 3000, "{text}");
            assert!(!text.contains("<b") && !text.contains("<user") && !text.contains("& "), "{text}");
        }
        assert!(texts.last().unwrap().contains("a&lt;b&amp;c&gt;"), "{texts:?}");
        assert_eq!(texts[1].contains("&lt;user&gt; &amp; co"), include_key);
        assert_eq!(texts[1].contains("|0000"), external_url.is_some());
        assert!(texts[2].contains("msg_07"), "who reads it twice can see that");
    }
}

#[test]
fn pagerduty_gets_a_trigger_and_a_resolve_of_the_same_incident() {
    let (receiver, common) = (&channels()[3], common(HERE));
    let (trigger, resolve) =
        (body(receiver, &message(14, false), &common), body(receiver, &message(0, false), &common));
    assert_eq!((&trigger["event_action"], &resolve["event_action"]), (&"trigger".into(), &"resolve".into()));
    assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
    assert!(trigger["dedup_key"].as_str().unwrap().len() <= 255);
    assert_eq!(trigger["routing_key"], "0123456789abcdef0123456789abcdef");
    let payload = &trigger["payload"];
    assert_eq!(
        (&payload["severity"], &payload["source"]),
        (&"critical".into(), &"https://cf.example.com".into())
    );
    assert_eq!(payload["summary"], "14 divergences of map a<b&c> in store main are open");
    assert_eq!(trigger["links"].as_array().unwrap().len(), 10);
    assert!(resolve.get("payload").is_none());
    let other = Common { external_url: Some("https://staging.example.com".into()), ..common };
    assert_ne!(body(receiver, &message(0, false), &other)["dedup_key"], resolve["dedup_key"]);
}

#[test]
fn keys_are_told_to_who_is_to_have_them_alone() {
    for receiver in channels() {
        let told = |include_key| {
            String::from_utf8(receiver.body(&message(1, include_key), &common(HERE)).to_vec()).unwrap()
        };
        assert!(told(true).contains("user"), "{}", receiver.name);
        assert!(!told(false).contains("user"), "{}", receiver.name);
    }
}

#[test]
fn a_long_text_is_cut_where_characters_end() {
    for (text, expected) in [("", ""), ("äöü", "äöü"), ("äöüß", "äö…")] {
        assert_eq!(text::cut(text, 3), expected);
    }
}
