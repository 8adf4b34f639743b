#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::config::{Settings as All, Written};
use crate::repair::{Means, Terms};
use counterfoil_settings::Sources;

/// How a map in Redis, or in the reader service, is repaired by this section; `DIR` stands for a folder of secrets.
fn terms(store: &str, repair: &str) -> Result<Terms, String> {
    let directory = tempfile::tempdir().unwrap();
    let signing = format!("whsec_{}", "A".repeat(32));
    for (name, text) in [("key", "0f".repeat(32).as_str()), ("signing", &signing), ("nonsense", "nonsense")] {
        counterfoil_keys::create_file(&directory.path().join(name), text).unwrap();
    }
    let yaml = "kind: comparator
listen: {grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}
keys: [{id: k1, file: DIR/key}]
stores: {redis: {url: 'redis://127.0.0.1:1'}, service: {url: 'grpc://127.0.0.1:1'}}
maps: [{name: cart, store: STORE, LOOKUP, repair: {REPAIR}}]
ledger: {path: ledger.db}
";
    let lookup = if store == "redis" { "prefix: ''" } else { "collection: cart" };
    let yaml = yaml.replace("STORE", store).replace("LOOKUP", lookup).replace("REPAIR", repair);
    let yaml = yaml.replace("DIR", &directory.path().display().to_string());
    let written = Sources { yaml, overlays: Vec::new() }.written::<Written>().map_err(|it| it.to_string())?;
    let settings = All::try_from_written(written).map_err(|it| it.to_string())?;
    Ok(settings.repair.unwrap().maps.remove(0))
}

const HOOK: &str = "webhook: {url: 'http://127.0.0.1:1/h', secret_file: DIR/signing}";

#[test]
fn tasks_are_handed_to_a_webhook_also_of_stores_that_the_comparator_cannot_write_to() {
    for store in ["redis", "service"] {
        let terms = terms(store, &format!("direction: ask, {HOOK}")).unwrap();
        assert!(matches!(terms.means, Means::Webhook(_)), "{store}");
        let shown = format!("{:?}", terms.means);
        assert!(shown.contains("SigningSecret(***)") && !shown.contains("/h"), "{shown}");
    }
    let own = terms("redis", "direction: ask, url: 'redis://127.0.0.1:1'").unwrap();
    assert!(matches!(own.means, Means::Own(_)));
}

#[test]
fn what_does_not_go_together_is_refused_with_what_to_write() {
    for (store, repair, told) in [
        ("redis", "", "maps[0].repair.url: missing; write where the store is"),
        ("redis", "url: 'sqlite:a'", "maps[0].repair.url: is of another kind"),
        ("service", "url: 'grpc://127.0.0.1:1'", "cannot be written to key by key; write a webhook"),
        ("redis", &format!("url: 'redis://127.0.0.1:1', {HOOK}"), "maps[0].repair.url: not beside `webhook`"),
        ("redis", &format!("password_file: p, {HOOK}"), "maps[0].repair.password_file: not beside `webhook`"),
        ("redis", &format!("update: u, {HOOK}"), "maps[0].repair.update: not beside `webhook`"),
        (
            "redis",
            "webhook: {url: 'ftp://h', secret_file: DIR/signing}",
            "maps[0].repair.webhook.url: is no address of a web server",
        ),
        (
            "redis",
            "webhook: {url: 'https://a:b@h/', secret_file: DIR/signing}",
            "maps[0].repair.webhook.url: has a user or a password",
        ),
        (
            "redis",
            "webhook: {url: 'https://h/', secret_file: DIR/nonsense}",
            "maps[0].repair.webhook.secret_file: holds no signing secret",
        ),
        (
            "redis",
            "webhook: {url: 'https://h/', secret_file: DIR/none}",
            "maps[0].repair.webhook.secret_file: ",
        ),
    ] {
        let error = terms(store, &format!("direction: map_wins, {repair}")).unwrap_err();
        assert!(error.contains(told), "{repair}: {error}");
    }
}
