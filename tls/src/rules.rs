//! What a peer may do, by its name.

use crate::{Name, Peer};
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};

/// In place of the services' names: all of them.
const EVERY_SERVICE: &str = "*";

/// One peer and what it may do, as it is written in a configuration.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Who: a SPIFFE id `spiffe://TRUST-DOMAIN/PATH`, or `dns:NAME`. Exact, without wildcards.
    pub identity: String,
    /// The tenant that it speaks for.
    pub tenant: String,
    /// Exact names of the services that it may report for; `["*"]` for all.
    pub services: Vec<String>,
}

/// What one peer may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The tenant that it speaks for.
    pub tenant: String,
    services: Services,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Services {
    Every,
    These(BTreeSet<String>),
}

impl Grant {
    /// Whether the peer may report for the service of this exact name.
    #[must_use]
    pub fn service(&self, name: &str) -> bool {
        match &self.services {
            Services::Every => true,
            Services::These(names) => names.contains(name),
        }
    }
}

/// All rules: who is not named may do nothing.
#[derive(Clone, Debug)]
pub struct Rules {
    grants: HashMap<Name, Grant>,
}

impl Rules {
    /// Checks `written`, which stands at `path` in the configuration, such as `tls.rules`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong: no rules at all, identities that are no [`Name`] or are named twice, tenants without
    /// a name, no services, services without a name or named twice, and `*` beside others.
    pub fn new(written: &[Rule], path: &str) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        if written.is_empty() {
            problems.add(path, "no rules, so that nobody may do anything; write one per peer");
        }
        let mut grants = HashMap::new();
        for (at, rule) in written.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let grant = rule.grant(&path, &mut problems);
            match Name::parse(&rule.identity) {
                Ok(name) if grants.contains_key(&name) => problems.add(
                    format!("{path}.identity"),
                    format!("`{name}` has a rule already; write one per identity"),
                ),
                Ok(name) => drop(grants.insert(name, grant)),
                Err(error) => problems.add(format!("{path}.identity"), error.to_string()),
            }
        }
        problems.none_or(Self { grants })
    }

    /// What `peer` may do, by the first of its names that has a rule. Nothing for a peer of a plain-text connection.
    #[must_use]
    pub fn allow(&self, peer: &Peer) -> Option<&Grant> {
        peer.identities.iter().find_map(|name| self.grants.get(name))
    }
}

impl Rule {
    fn grant(&self, path: &str, problems: &mut Problems) -> Grant {
        if self.tenant.trim().is_empty() {
            problems.add(format!("{path}.tenant"), "empty; write the tenant's name");
        }
        let services: BTreeSet<String> = self.services.iter().cloned().collect();
        let every = services.contains(EVERY_SERVICE);
        let mut wrong = |message: &str| problems.add(format!("{path}.services"), message);
        if services.is_empty() {
            wrong("empty; write the names of services, or [\"*\"] for all");
        }
        if services.len() < self.services.len() {
            wrong("a service is named twice; write it once");
        }
        if every && services.len() > 1 {
            wrong("`*` beside names; write [\"*\"] alone for all, or leave it out");
        }
        if services.iter().any(|name| name.trim().is_empty()) {
            wrong("a service without a name; write its name, or leave it out");
        }
        Grant {
            tenant: self.tenant.clone(),
            services: if every { Services::Every } else { Services::These(services) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: &str = "spiffe://shop/cart";

    /// A peer's names, a service, and what is granted: the tenant, and whether the service is.
    type Row = (&'static [&'static str], &'static str, Option<(&'static str, bool)>);

    fn rule(identity: &str, tenant: &str, services: &[&str]) -> Rule {
        let services = services.iter().map(|&name| name.to_owned()).collect();
        Rule { identity: identity.to_owned(), tenant: tenant.to_owned(), services }
    }

    fn peer(identities: &[&str]) -> Peer {
        let identities = identities.iter().map(|name| Name::parse(name).unwrap()).collect();
        Peer { identities, not_after: None, address: ([127, 0, 0, 1], 1).into() }
    }

    #[test]
    fn a_peer_may_do_what_the_first_of_its_names_with_a_rule_may_do() {
        let rules = [rule(CART, "shop", &["cart", "basket"]), rule("dns:Stock.shop", "stock", &["*"])];
        let rules = Rules::new(&rules, "tls.rules").unwrap();
        let rows: [Row; 8] = [
            (&[CART], "cart", Some(("shop", true))),
            (&[CART], "Cart", Some(("shop", false))),
            (&[CART], "car", Some(("shop", false))),
            (&["dns:x", "dns:stock.shop", CART], "anything", Some(("stock", true))),
            (&["dns:x", CART, "dns:stock.shop"], "anything", Some(("shop", false))),
            (&["spiffe://shop/cart/2"], "cart", None),
            (&["dns:a.stock.shop"], "cart", None),
            (&[], "cart", None),
        ];
        for (names, service, expected) in rows {
            let grant =
                rules.allow(&peer(names)).map(|grant| (grant.tenant.as_str(), grant.service(service)));
            assert_eq!(grant, expected, "{names:?} {service}");
        }
    }

    #[test]
    fn everything_wrong_with_the_rules_is_said_at_once() {
        let rules = [
            rule(CART, "shop", &["cart"]),
            rule(CART, " ", &[]),
            rule("spiffe://shop/*", "shop", &["a", "a"]),
            rule("dns:a", "shop", &["*", "a"]),
            rule("dns:A", "shop", &[""]),
        ];
        let problems = Rules::new(&rules, "tls.rules").unwrap_err();
        let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
        let expected = [
            "tls.rules[1].tenant",
            "tls.rules[1].services",
            "tls.rules[1].identity",
            "tls.rules[2].services",
            "tls.rules[2].identity",
            "tls.rules[3].services",
            "tls.rules[4].services",
            "tls.rules[4].identity",
        ];
        assert_eq!(paths, expected, "{problems}");
        assert_eq!(Rules::new(&[], "tls.rules").unwrap_err().0.len(), 1);
    }
}
