#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::contract::{MapId, Sample, Severity};
use crate::gate;
use counterfoil_judge::Terms;
use counterfoil_keys::TenantName;
use counterfoil_settings::Sources;

fn settings(change: impl Fn(String) -> String) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    counterfoil_keys::create_file(&key, &"0f".repeat(32)).unwrap();
    let yaml = format!(
        "kind: comparator
listen: {{grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}}
keys: [{{id: k1, file: {}}}]
stores: {{main: {{url: 'redis://127.0.0.1:1'}}}}
maps: [{{name: cart, store: main, prefix: 'cart:', deadline_ms: 2000}}]
ledger: {{path: ledger.db}}
",
        key.display()
    );
    let sources = Sources { yaml: change(yaml), overlays: Vec::new() };
    let written = sources.written::<Written>().map_err(|problems| problems.to_string())?;
    Settings::try_from_written(written).map_err(|problems| problems.to_string())
}

#[test]
fn the_contract_is_what_was_written() {
    let settings = settings(|yaml| yaml).unwrap();
    let contract = settings.contracts.iter().next().unwrap();
    assert_eq!(&*contract.name, "cart");
    assert_eq!(contract.terms.deadline, 2_000_000_000);
    assert_eq!(contract.terms.patience, 2_000_000_000, "as long as the deadline if not given");
    assert!(contract.scan.is_some(), "Redis is gone through without a query");
}

#[test]
fn every_problem_is_told_at_once_with_its_path() {
    let text = settings(|yaml| {
        yaml.replace("insecure: true", "insecure: false")
            .replace("'127.0.0.1:0', insecure", "'nowhere', insecure")
            .replace("store: main", "store: other")
            .replace("comparator", "sidecar")
    })
    .unwrap_err();
    for expected in ["kind:", "listen.tls:", "listen.http:", "maps[0].store: `other`", "there is: main"] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}

#[test]
fn a_problem_of_a_store_or_a_lookup_keeps_its_path() {
    let text = settings(|yaml| yaml.replace("redis://127.0.0.1:1", "mongodb://x")).unwrap_err();
    assert!(text.contains("stores.main.url"), "{text}");
    let text = settings(|yaml| yaml.replace("prefix: 'cart:'", "query: SELECT 1")).unwrap_err();
    assert!(text.contains("maps[0].query"), "{text}");
    let sql = "query: 'k = ANY($1)', scan: SELECT k FROM t";
    let text = settings(|yaml| {
        yaml.replace("redis://127.0.0.1:1", "postgres://me@127.0.0.1:1/d").replace("prefix: 'cart:'", sql)
    });
    assert!(text.is_err_and(|text| text.contains("maps[0].scan") && text.contains("LIMIT $2")));
}

#[test]
fn a_contract_has_the_form_of_its_codec_and_rules() {
    let form = |change: &str| {
        let found = settings(|yaml| yaml.replace("deadline_ms", &format!("{change}, deadline_ms")));
        found.map(|it| it.contracts.iter().next().unwrap().digesters.form().describe())
    };
    assert_eq!(form("codec: columns").unwrap(), "columns/1");
    let rules = "codec: json, rules: {numbers: [{fields: [price], decimals: 2}], null_is_absent: true}";
    let expected = "json/1, numbers: price (2 decimals); null_is_absent: everywhere";
    assert_eq!(form(rules).unwrap(), expected);
    let text = form("codec: bytes, rules: {trimmed: [a, b]}").unwrap_err();
    for expected in ["maps[0].rules.trimmed[0]: ", "maps[0].rules.trimmed[1]: "] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}

#[test]
fn a_contract_may_check_a_share_of_its_keys_and_say_how_much_they_matter() {
    let contract = |change: &str| {
        let settings = settings(|yaml| yaml.replace("deadline_ms", &format!("{change}deadline_ms")))?;
        let contract = settings.contracts.iter().next().unwrap();
        Ok((contract.sample, settings.contracts.severity("cart").unwrap()))
    };
    assert_eq!(contract(""), Ok((Sample::ALL, Severity::Warning)));
    let quarter = Sample::of(0.25).unwrap();
    assert_eq!(contract("sample: 0.25, severity: critical, "), Ok((quarter, Severity::Critical)));
    for (wrong, told) in [
        ("sample: 0, ", "maps[0].sample: is 0; write the share of keys to check, above 0 and at most 1"),
        ("sample: -1, ", "maps[0].sample"),
        ("sample: 25, ", "maps[0].sample"),
        ("severity: fatal, ", "maps[0].severity"),
        ("cohorts: [canary], ", "maps[0].cohorts[0]: `canary`: write a key of baggage and its value"),
        ("cohorts: [a=b, a=b], ", "maps[0].cohorts[1]: `a=b`: is there twice"),
    ] {
        let text: Result<(Sample, Severity), String> = contract(wrong);
        assert!(text.as_ref().is_err_and(|text| text.starts_with(told)), "{told} in {text:?}");
    }
}

#[test]
fn a_contract_says_what_the_gate_demands_and_what_it_does_not_say_has_a_default() {
    let gate = |change: &str| {
        let settings = settings(|yaml| yaml.replace("deadline_ms", &format!("{change}deadline_ms")))?;
        Ok(settings.contracts.iter().next().unwrap().gate)
    };
    let usual = gate::Terms {
        bad_ratio_max: 0.001,
        confidence: gate::Confidence::of(0.95).unwrap(),
        samples_min: 1_000,
        coverage_min: 0.95,
        lag_max: 14_000 * MS,
        open_divergences_max: 0,
    };
    assert_eq!(gate(""), Ok(usual), "an outcome takes the deadline, the patience and some seconds at most");
    let written = "gate: {bad_ratio_max: 0.2, confidence: 0.99, samples_min: 5, coverage_min: 0, lag_max_ms: 7, \
        open_divergences_max: 3}, ";
    let confidence = gate::Confidence::of(0.99).unwrap();
    let expected = gate::Terms {
        bad_ratio_max: 0.2,
        confidence,
        samples_min: 5,
        coverage_min: 0.0,
        lag_max: 7 * MS,
        open_divergences_max: 3,
    };
    assert_eq!(gate(written), Ok(expected));
    for (wrong, told) in [
        ("gate: {bad_ratio_max: 0}, ", "maps[0].gate.bad_ratio_max: is 0; write the largest share"),
        ("gate: {bad_ratio_max: 1}, ", "maps[0].gate.bad_ratio_max: is 1; write the largest share"),
        (
            "gate: {confidence: 0.97}, ",
            "maps[0].gate.confidence: is 0.97; write one of 0.9, 0.95, 0.99, 0.999",
        ),
        ("gate: {samples_min: 0}, ", "maps[0].gate.samples_min"),
        ("gate: {coverage_min: 95}, ", "maps[0].gate.coverage_min"),
        ("gate: {sample_min: 9}, ", "maps[0].gate.sample_min"),
    ] {
        let text: Result<gate::Terms, String> = gate(wrong);
        assert!(text.as_ref().is_err_and(|text| text.starts_with(told)), "{told} in {text:?}");
    }
}

#[test]
fn two_contracts_for_one_map_are_refused() {
    let text =
        settings(|yaml| yaml.replace("maps: [", "maps: [{name: cart, store: main, hash: h}, ")).unwrap_err();
    assert!(text.contains("maps[1].name") && text.contains("already"), "{text}");
}

/// With `maps` in place of the one that is written, and a second store.
fn of_maps(maps: &str) -> Result<Settings, String> {
    settings(|yaml| {
        let other = yaml.lines().filter(|line| !line.starts_with("maps")).collect::<Vec<_>>().join("\n");
        let other = other.replace("stores: {", "stores: {spare: {url: 'sqlite:///spare.db'}, ");
        format!("{other}\nmaps: [{{name: cart, deadline_ms: 2000, {maps}}}]\n")
    })
}

#[test]
fn a_map_of_several_stores_has_a_contract_with_each_in_their_order() {
    let settings = of_maps(
        "lead_ms: 7, stores: [{store: spare, query: 'SELECT rarray(?1)', deadline_ms: 50, lead_ms: 9}, \
         {store: main, hash: h, expires: true}]",
    )
    .unwrap();
    let contracts = &settings.contracts;
    let checks = contracts.find(&TenantName::default(), "cart");
    let told = |id: &MapId| {
        let contract = contracts.get(*id).unwrap();
        let Terms { deadline, lead, patience, expires, .. } = contract.terms;
        (
            contracts.store_name(*id).unwrap(),
            contract.is_reported,
            deadline / MS,
            lead / MS,
            patience / MS,
            expires,
        )
    };
    let told: Vec<_> = checks.iter().map(told).collect();
    assert_eq!(told, [("spare", true, 50, 9, 50, false), ("main", false, 2_000, 7, 2_000, true)]);
    assert_eq!(contracts.named("cart", Some("main")), Some(checks[1]));
    assert_eq!(contracts.named("cart", None), Some(checks[0]), "the first, where no store is named");
    assert_eq!(contracts.named("cart", Some("other")), None);
    assert!(contracts.find(&"acme".parse().unwrap(), "cart").is_empty(), "it is another tenant's");
}

#[test]
fn what_is_wrong_with_the_stores_of_a_map_is_told_with_what_to_write() {
    let one = "{store: main, hash: h}";
    let five = format!("stores: [{}]", [one; 5].join(", "));
    for (maps, expected) in [
        ("hash: h", "maps[0].store: missing; write the name of a store, or a list of `stores`"),
        ("store: main, hash: h, stores: []", "maps[0].stores: write `store` or `stores`, not both"),
        ("stores: []", "maps[0].stores: has 0 stores; write 1 to 4"),
        (&five, "maps[0].stores: has 5 stores; write 1 to 4"),
        (
            "stores: [{store: main, hash: h}, {store: main, hash: i}]",
            "maps[0].stores[1].store: `main` is there already",
        ),
        (
            "stores: [{store: main, hash: h}, {store: none, hash: h}]",
            "maps[0].stores[1].store: `none` is not in stores; there is: main, spare",
        ),
        ("stores: [{store: main}]", "maps[0].stores[0].prefix: missing"),
        ("hash: h, stores: [{store: main, hash: h}]", "maps[0]: has a lookup beside `stores`"),
        ("stores: [{store: main, hash: h, deadline_ms: 0}]", "maps[0].stores[0].deadline_ms"),
        ("stores: [{store: main, hash: h, hush: h}]", "maps[0].stores[0].hush: unknown key"),
    ] {
        let text = of_maps(maps).unwrap_err();
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}

#[test]
fn a_lost_source_expires_after_a_minute_unless_something_else_is_written() {
    let silence = |change: fn(String) -> String| settings(change).unwrap().silence;
    assert_eq!(silence(|yaml| yaml), Silence { timeout: 10_000_000_000, expiry: 60_000_000_000 });
    let written = silence(|yaml| yaml + "sources: {timeout_ms: 200, expiry_ms: 0}\n");
    assert_eq!(written, Silence { timeout: 200_000_000, expiry: 0 });
    let text = settings(|yaml| yaml + "sources: {expiry_ms: 86400001}\n").unwrap_err();
    assert!(text.contains("sources.expiry_ms"), "{text}");
}

#[test]
fn the_old_name_of_the_keys_is_refused_with_the_new_one_and_each_bad_key_with_its_path() {
    let old = settings(|yaml| yaml.replace("keys: [", "key: [")).unwrap_err();
    assert_eq!(old, "key: is a list now; write `keys: [{ id: …, file: … }]`");
    let missing = settings(|yaml| yaml.replace("keys: [", "keys: [{id: k0, file: /nowhere}, ")).unwrap_err();
    assert!(missing.starts_with("keys[0].file: ") && missing.contains("/nowhere"), "{missing}");
    let twice = settings(|yaml| {
        let key = yaml.lines().find_map(|line| line.strip_prefix("keys: [")?.strip_suffix(']')).unwrap();
        yaml.replace("keys: [", &format!("keys: [{key}, "))
    });
    assert_eq!(twice.unwrap_err(), "keys: `k1` is there twice; give each key an id of its own");
    let empty =
        settings(|yaml| yaml.lines().filter(|line| !line.starts_with("keys")).collect::<Vec<_>>().join("\n"));
    assert_eq!(empty.unwrap_err(), "keys: needs a key");
}

#[test]
fn a_map_is_the_default_tenants_unless_another_is_written() {
    let tenants = |change: fn(String) -> String| {
        settings(change).map(|it| it.contracts.tenants().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(tenants(|yaml| yaml).unwrap(), ["default"]);
    let two =
        tenants(|yaml| yaml.replace("maps: [", "maps: [{name: a, store: main, hash: h, tenant: acme}, "));
    assert_eq!(two.unwrap(), ["acme", "default"]);
    let bad = tenants(|yaml| yaml.replace("maps: [{", "maps: [{tenant: A, ")).unwrap_err();
    assert!(bad.starts_with("maps[0].tenant: "), "{bad}");
}

#[test]
fn who_may_come_is_either_everybody_or_those_with_a_certificate_and_a_rule() {
    const TLS: &str = "tls: {certificate: /c, key: /k, authorities: /a}";
    const RULE: &str = "clients: [{identity: 'spiffe://shop/cart', tenant: default, services: [cart]}]\n";
    let settings = |security: &str, clients: &str| {
        settings(|yaml| yaml.replace("insecure: true", security) + clients).map(|it| it.security)
    };
    assert!(matches!(settings("insecure: true", "").unwrap(), Security::Insecure));
    assert!(matches!(settings(TLS, RULE).unwrap(), Security::Tls(tls) if tls.reload.as_secs() == 10));
    let both = format!("insecure: true, {TLS}");
    let foreign = RULE.replace("default", "acme");
    let nobody = RULE.replace("spiffe://shop/cart", "cart");
    let rows = [
        ("insecure: false", "", "listen.tls: missing"),
        ("insecure: true", RULE, "clients: nobody proves"),
        (both.as_str(), RULE, "listen.insecure: not with listen.tls"),
        (TLS, "", "clients: no rules"),
        (TLS, foreign.as_str(), "clients[0].tenant: `acme` has no map"),
        (TLS, nobody.as_str(), "clients[0].identity: `cart`"),
    ];
    for (security, clients, expected) in rows {
        let problems = settings(security, clients).unwrap_err();
        assert!(
            problems.starts_with(expected) && problems.lines().count() == 1,
            "{expected} in:\n{problems}"
        );
    }
}

#[test]
fn a_token_over_http_has_a_name_a_role_and_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        counterfoil_keys::create_file(&path, text).unwrap();
        path.display().to_string()
    };
    let (one, other) = (file("one", "0123456789abcdef"), file("other", "fedcba9876543210"));
    let (same, short) = (file("same", "0123456789abcdef"), file("short", "0123"));
    let tokens = |list: String| {
        settings(|yaml| yaml.replace("insecure: true", &format!("insecure: true, http_tokens: [{list}]")))
    };
    let token = |name: &str, role: &str, file: &str| format!("{{name: {name}, role: {role}, file: {file}}}");
    let alice = token("alice", "operator", &one);
    let good = tokens(format!("{alice}, {}", token("bob", "viewer", &other))).unwrap();
    assert!(!format!("{good:?}").contains("0123456789abcdef"), "no token is ever shown");
    for (second, expected) in [
        (token("alice", "viewer", &other), "listen.http_tokens[1].name: `alice` is there twice"),
        (token("bob", "viewer", &same), "listen.http_tokens[1].file: has the token of `alice`"),
        (token("bob", "viewer", &short), "listen.http_tokens[1].file: token file"),
        (token("bob", "viewer", "/nowhere"), "listen.http_tokens[1].file: key file /nowhere"),
        (token("bob", "owner", &other), "listen.http_tokens[1].role"),
    ] {
        let problems = tokens(format!("{alice}, {second}")).unwrap_err();
        assert!(problems.starts_with(expected), "{expected} in {problems}");
    }
}

#[test]
fn a_ledger_is_in_a_file_or_on_a_server_and_every_mistake_names_its_key() {
    let at = |place: &str| settings(|yaml| yaml.replace("{path: ledger.db}", &format!("{{{place}}}")));
    assert!(matches!(at("path: ledger.db").unwrap().ledger, Place::File(_)));
    let server = at("postgres: {url: 'postgres://cf:secret@db/cf', schema: ours}").unwrap().ledger;
    let shown = format!("{server} {server:?}");
    assert!(shown.contains("db/cf") && shown.contains("ours") && !shown.contains("secret"), "{shown}");
    for (place, expected) in [
        ("", "ledger: says no place"),
        ("path: a, postgres: {url: 'postgres://db/cf'}", "ledger.path: contradicts"),
        ("postgres: {url: 'mysql://db/cf'}", "ledger.postgres.url: write postgres://"),
        ("postgres: {url: 'postgres://db:x/cf'}", "ledger.postgres.url: write postgres://"),
        ("postgres: {url: 'postgres://db/cf?sslmode=require'}", "ledger.postgres.tls: missing"),
        ("postgres: {url: 'postgres://db/cf', schema: 'a\"b'}", "ledger.postgres.schema"),
        ("postgres: {}", "ledger.postgres"),
    ] {
        let problems = at(place).unwrap_err();
        assert!(problems.starts_with(expected), "{expected} in {problems}");
    }
}

#[test]
fn what_is_resolved_is_kept_for_90_days_unless_something_else_is_written() {
    let kept = |more: &str| settings(|yaml| yaml.replace("ledger.db}", &format!("ledger.db{more}}}")));
    assert_eq!(kept("").unwrap().ledger_retention_ns, 90 * 86_400_000_000_000);
    assert_eq!(kept(", retention_days: 1").unwrap().ledger_retention_ns, 86_400_000_000_000);
    for wrong in ["0", "3651"] {
        let problems = kept(&format!(", retention_days: {wrong}")).unwrap_err();
        assert!(problems.starts_with("ledger.retention_days"), "{problems}");
    }
}

#[test]
fn evidence_is_off_unless_it_is_written_and_needs_a_key_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("signing");
    let with = |more: &str| {
        let section = format!("evidence: {{path: bundles, signing_key: {}{more}}}\n", key.display());
        settings(|yaml| yaml + &section)
    };
    assert!(settings(|yaml| yaml).unwrap().evidence.is_none());
    let missing = with("").unwrap_err();
    assert!(missing.contains("evidence.signing_key: key file"), "{missing}");
    counterfoil_keys::create_file(&key, &"0e".repeat(32)).unwrap();
    let evidence = with(", retention_days: 2, bytes_max: 16777216").unwrap().evidence.unwrap();
    assert_eq!((evidence.retention_ns, evidence.bytes_max), (2 * 86_400 * 1_000_000_000, 16_777_216));
    let small = with(", bytes_max: 5").unwrap_err();
    assert!(small.starts_with("evidence") && small.contains("\"bytes_max\":5"), "{small}");
}

#[test]
fn values_are_off_and_their_mask_is_held_against_the_codec() {
    let with = |map: &str| settings(|yaml| yaml.replace("deadline_ms: 2000", map));
    let values = |map: &str| with(map).unwrap().contracts.iter().next().unwrap().values.clone();
    assert!(values("values: false").is_none() && values("deadline_ms: 1").is_none());
    let mask = values("codec: json, values: true, mask: [card]").unwrap().mask;
    assert_eq!(mask.applied(br#"{"card":1}"#).unwrap(), &br#"{"card":"***"}"#[..]);
    for (map, expected) in [
        ("values: true, mask: [card]", "maps[0].mask: values of this codec have no fields"),
        ("codec: json, values: true, mask: [a..b]", "maps[0].mask[0]: has an empty name"),
        ("codec: json, mask: [a]", "maps[0].mask: not without `values: true`"),
    ] {
        let problems = with(map).unwrap_err();
        assert!(problems.starts_with(expected), "{expected} in {problems}");
    }
}

#[test]
fn values_do_not_travel_in_plain_text_unless_that_is_said_twice() {
    let with = |grpc: &str, http: &str, more: &str| {
        settings(|yaml| {
            let listen = format!("grpc: '{grpc}', http: '{http}'");
            let yaml = yaml.replace("grpc: '127.0.0.1:0', http: '127.0.0.1:0'", &listen);
            yaml.replace("deadline_ms: 2000", "values: true") + more
        })
    };
    let (here, anywhere) = ("127.0.0.1:0", "0.0.0.0:0");
    for (grpc, http, more, may_show) in [
        (here, here, "", Some(true)),
        (here, anywhere, "", Some(false)),
        (anywhere, here, "", None),
        (anywhere, anywhere, "recall: {insecure: true}\n", Some(true)),
    ] {
        match with(grpc, http, more) {
            Ok(settings) => assert_eq!(Some(settings.may_show_values), may_show, "{grpc} {http} {more}"),
            Err(problems) => {
                assert_eq!(may_show, None, "{problems}");
                assert!(
                    problems.starts_with("recall.insecure: values would travel in plain text"),
                    "{problems}"
                );
            }
        }
    }
    let bounds = with(here, here, "limits: {batch_bytes_max: 5000}\n").unwrap().recall;
    assert_eq!((bounds.value_bytes_max, bounds.in_flight_max, bounds.timeout.as_secs()), (5_000, 64, 5));
}

#[test]
fn pages_have_a_path_in_front_of_them_and_lead_to_traces() {
    let written = |path: &str, url: &str| {
        settings(|yaml| {
            yaml.replace("insecure: true", &format!("insecure: true, http_base_path: '{path}'"))
                + &format!("dashboard: {{trace_url: '{url}'}}\n")
        })
    };
    let dashboard = written("/watch/", "http://t.example/{trace_id}").unwrap().dashboard;
    assert_eq!(dashboard.base_path.as_str(), "/watch");
    assert_eq!(dashboard.trace_url.unwrap().to("07"), "http://t.example/07");
    let text = written("watch", "http://t.example/").unwrap_err();
    for expected in ["listen.http_base_path: `watch` is no path", "dashboard.trace_url: ", "{trace_id}"] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}
