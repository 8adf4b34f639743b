//! Whose batches are taken: tenants, keys, and what a peer may report.

use super::*;
use crate::engine::trial::{A, DEPOT, Sender};
use counterfoil_keys::TenantName;

fn acme() -> Sender {
    Sender { tenant: "acme".parse().unwrap(), ..Sender::default() }
}

#[test]
fn a_tenant_reports_about_its_own_maps_and_nothing_about_others() {
    let trial = Trial::new();
    for (sender, map, expected) in [
        (Sender::default(), "cart", CART),
        (Sender::default(), "depot", NO_CONTRACT),
        (acme(), "depot", DEPOT),
        (acme(), "cart", NO_CONTRACT),
    ] {
        let before = trial.engine.accepted(expected);
        let instance = format!("{}-{map}", sender.tenant);
        let (_, taken) = trial.hear_from(&sender, &writes(header(&instance, 0, 1), map, &["k"], 0), 11);
        let effects = taken.unwrap();
        assert_eq!((effects.accepted, trial.engine.accepted(expected)), (vec![(expected, 1)], before + 1));
    }
}

#[test]
fn the_same_names_are_different_sources_of_different_tenants() {
    let trial = Trial::new();
    for (sender, map) in [(Sender::default(), "cart"), (acme(), "depot")] {
        assert!(trial.hear_from(&sender, &writes(header("a", 0, 1), map, &["k"], 0), 11).1.is_ok());
    }
    let names: Vec<_> = trial.engine.sources().all().iter().map(|source| source.name.to_string()).collect();
    assert_eq!(names, ["shop/a/1", "acme:shop/a/1"]);
}

#[test]
fn a_batch_is_taken_under_each_accepted_key_and_its_digests_are_compared_under_that_key() {
    let trial = Trial::new();
    for (seq, key_id) in [(0, "k1"), (1, "k2")] {
        let sender = Sender { key_id, ..Sender::default() };
        let batch = writes(header("a", seq, 1), "cart", &[key_id], 0);
        assert!(trial.hear_from(&sender, &batch, 11).1.is_ok());
    }
    let probes = trial.engine.table().due(CART, Class::Fresh, at(30), 10, 0);
    let mut under: Vec<_> =
        probes.iter().map(|it| (it.key.to_vec(), it.against.digested_under.index())).collect();
    under.sort();
    assert_eq!(under, [(b"k1".to_vec(), 0), (b"k2".to_vec(), 1)]);
    assert_eq!(trial.engine.key_ids().collect::<Vec<_>>(), ["k1", "k2"]);
}

/// Grants one tenant and one service.
struct Only(TenantName, &'static str);

impl Grants for Only {
    fn tenant(&self, tenant: &TenantName) -> bool {
        *tenant == self.0
    }

    fn service(&self, service: &str) -> bool {
        service == self.1
    }
}

#[test]
fn a_peer_reports_for_the_tenant_and_the_services_that_it_is_granted() {
    let trial = Trial::new();
    let upload = || trial.upload(&writes(header("a", 0, 1), "cart", &["k"], 0));
    let take = |grants: &dyn Grants| trial.engine.take(upload(), grants, at(11));
    let tenant = take(&Only(acme().tenant, "shop")).unwrap_err();
    assert!(matches!(&tenant, Refused::Tenant(refused) if *refused == TenantName::default()), "{tenant}");
    let service = take(&Only(TenantName::default(), "shipping")).unwrap_err();
    assert!(matches!(&service, Refused::Service(refused) if **refused == *"shop"), "{service}");
    assert!(trial.engine.sources().all().is_empty(), "nothing of it was looked at");
    assert!(take(&Only(TenantName::default(), "shop")).is_ok());
}

#[test]
fn one_tenants_silence_holds_up_and_puts_in_doubt_nothing_of_anothers() {
    let trial = Trial::new();
    let engine = &trial.engine;
    assert!(trial.hear_from(&acme(), &heartbeat(header("b", 0, 0)), 0).1.is_ok());
    trial.hear(&heartbeat(header("a", 0, 5_000)), 5_000);
    let tenants = [acme().tenant, TenantName::default()];
    assert_eq!(engine.sources().horizons(&tenants, engine.clocks(), at(5_000)), [at(0), at(5_000)]);
    engine.mind_silence(at(10_001));
    assert!(engine.sources().has_lost());
    trial.hear(&writes(header("a", 0, 10_002), "cart", &["k"], 10_002), 10_012);
    let told = look(engine, CART, 10_030, A);
    assert!(matches!(told.verdicts[..], [(CART, Verdict::Consistent { .. })]), "{told:?}");
    trial.hear(&writes(header("a", 1, 10_040), "cart", &["l"], 10_040), 10_050);
    let wrong = look(engine, CART, 10_070, B);
    assert!(matches!(wrong.verdicts[..], [(CART, Verdict::Divergent(_))]), "not in doubt: {wrong:?}");
}
