#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::config::{Settings as All, Written};
use counterfoil_settings::Sources;

/// What is made of a comparator of the maps `cart` and `cart_lines` (critical), with this section; `DIR` stands for a folder of
/// secrets.
fn settings(notify: &str) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let signing = format!("whsec_{}", "A".repeat(32));
    for (name, text) in [
        ("key", "0f".repeat(32).as_str()),
        ("signing", &signing),
        ("token", "0123456789abcdef"),
        ("slack", "https://hooks.slack.com/services/T0/B0/secret"),
        ("nonsense", "nonsense"),
    ] {
        counterfoil_keys::create_file(&directory.path().join(name), text).unwrap();
    }
    let yaml = "kind: comparator
listen: {grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}
keys: [{id: k1, file: DIR/key}]
stores: {main: {url: 'redis://127.0.0.1:1'}}
maps: [{name: cart, store: main, prefix: ''}, {name: cart_lines, store: main, prefix: '', severity: critical}]
ledger: {path: ledger.db}
notify: NOTIFY
";
    let yaml = yaml.replace("NOTIFY", notify).replace("DIR", &directory.path().display().to_string());
    let written = Sources { yaml, overlays: Vec::new() }.written::<Written>().map_err(|it| it.to_string())?;
    All::try_from_written(written).map(|settings| settings.notify).map_err(|it| it.to_string())
}

const HOOK: &str = "name: hook, kind: webhook, url: 'https://example.com/h', secret_file: DIR/signing";

fn one(receiver: &str) -> Result<Receiver, String> {
    settings(&format!("{{receivers: [{{{receiver}}}]}}")).map(|mut settings| settings.receivers.remove(0))
}

#[test]
fn who_is_told_is_told_of_what_is_confirmed_and_resolved_unless_something_else_is_written() {
    let hook = one(HOOK).unwrap();
    assert_eq!(hook.maps, BTreeSet::from(["cart".to_owned(), "cart_lines".to_owned()]));
    assert_eq!(hook.on, BTreeSet::from([State::Confirmed, State::Resolved]));
    assert_eq!((hook.rate_per_minute_max, hook.group_wait), (20, Duration::from_secs(10)));
    assert_eq!((hook.repeat, hook.include_key), (None, false));
    assert_eq!(hook.give_up_after, Duration::from_secs(86_400));
    let some =
        one(&format!("{HOOK}, severities: [critical], maps: ['cart*'], on: [opened], repeat_ms: 5000"));
    let some = some.unwrap();
    assert_eq!(
        (some.maps, some.on),
        (BTreeSet::from(["cart_lines".to_owned()]), BTreeSet::from([State::Opened]))
    );
    assert_eq!(some.repeat, Some(Duration::from_secs(5)));
}

#[test]
fn an_alertmanager_is_told_again_each_minute_at_its_api() {
    let alerts = one("name: am, kind: alertmanager, url: 'http://am:9093/'").unwrap();
    assert_eq!(alerts.repeat, Some(Duration::from_secs(60)));
    let Channel::Alertmanager { url, token: None } = &alerts.channel else { panic!("{alerts:?}") };
    assert_eq!(*url, Address::parse("http://am:9093/api/v2/alerts").unwrap());
}

#[test]
fn no_secret_is_ever_shown() {
    let all = settings(&format!(
        "{{external_url: 'https://cf.example.com/', receivers: [{{{HOOK}}}, {{name: s, kind: slack, url_file: DIR/slack}},
         {{name: p, kind: pagerduty, routing_key_file: DIR/token}},
         {{name: a, kind: alertmanager, url: 'http://am', token_file: DIR/token}}]}}"
    ))
    .unwrap();
    assert_eq!(all.external_url.as_deref(), Some("https://cf.example.com"));
    let shown = format!("{all:?}");
    for secret in ["AAAAAAAA", "secret\"", "services", "0123456789abcdef"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("https://hooks.slack.com/…"), "{shown}");
}

#[test]
fn what_is_wrong_is_told_with_its_path_and_what_to_write() {
    let refused = |receiver: &str| one(receiver).unwrap_err();
    for (receiver, expected) in [
        ("name: h, kind: webhook, secret_file: DIR/signing", "[0].url: missing; kind `webhook` needs it"),
        ("name: h, kind: webhook, url: 'http://h'", "[0].secret_file: missing; kind `webhook` needs it"),
        (
            "name: h, kind: webhook, url: 'http://h', secret_file: DIR/nonsense",
            "[0].secret_file: holds no signing secret",
        ),
        (
            "name: h, kind: webhook, url: 'ftp://h', secret_file: DIR/signing",
            "[0].url: is no address of a web server",
        ),
        (
            "name: h, kind: webhook, url: 'http://a:b@h', secret_file: DIR/signing",
            "[0].url: has a user or a password",
        ),
        ("name: s, kind: slack", "[0].url_file: missing"),
        ("name: s, kind: slack, url_file: DIR/nonsense", "[0].url_file: is no address"),
        (
            "name: s, kind: slack, url_file: DIR/slack, url: 'https://h'",
            "[0].url: not with kind `slack`; its address is a secret",
        ),
        (
            "name: s, kind: slack, url_file: DIR/slack, token_file: DIR/token",
            "[0].token_file: not with kind `slack`",
        ),
        ("name: p, kind: pagerduty", "[0].routing_key_file: missing"),
        ("name: p, kind: pagerduty, routing_key_file: DIR/none", "[0].routing_key_file: key file"),
        (
            "name: a, kind: alertmanager, url: 'http://a', on: [confirmed]",
            "[0].on: an Alertmanager has to hear",
        ),
        (
            "name: a, kind: alertmanager, url: 'http://a', repeat_ms: 0",
            "[0].repeat_ms: is 0; an Alertmanager",
        ),
        (&format!("{HOOK}, on: [resolved]"), "[0].on: tells of no begin"),
        (&format!("{HOOK}, on: [closed]"), "[0].on[0]"),
        (&format!("{HOOK}, maps: [cart, 'x*']"), "[0].maps[1]: `x*`: no map has such a name"),
        (&format!("{HOOK}, maps: []"), "[0].maps"),
        (&format!("{HOOK}, rate_per_minute_max: 0"), "[0].rate_per_minute_max"),
        (&format!("{HOOK}, group_wait_ms: 600001"), "[0].group_wait_ms"),
        (&format!("{HOOK}, give_up_after_h: 169"), "[0].give_up_after_h"),
        (&format!("{HOOK}, wait: 1"), "[0]"),
        ("name: 'a b', kind: slack, url_file: DIR/slack", "[0].name"),
    ] {
        let told = refused(receiver);
        assert!(told.contains(&format!("notify.receivers{expected}")), "{receiver}: {told}");
    }
    let twice = settings(&format!("{{receivers: [{{{HOOK}}}, {{{HOOK}}}]}}")).unwrap_err();
    assert_eq!(twice, "notify.receivers[1].name: `hook` is there twice; give each a name of its own");
    let told = settings("{external_url: example.com}").unwrap_err();
    assert!(told.starts_with("notify.external_url: is no address"), "{told}");
}

#[test]
fn a_star_stands_for_any_characters() {
    for (pattern, name, expected) in [
        ("*", "", true),
        ("*", "cart", true),
        ("cart", "cart", true),
        ("cart", "cart_lines", false),
        ("cart*", "cart", true),
        ("*cart", "cart", true),
        ("c*t", "cart", true),
        ("c*r*t", "cart", true),
        ("c*rt*t", "cart", false),
        ("a*a", "a", false),
        ("*ar*", "cart", true),
        ("*x*", "cart", false),
        ("", "cart", false),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
    }
}
