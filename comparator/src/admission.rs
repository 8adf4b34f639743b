//! Who may open a stream, and what may be reported on it.

use crate::engine::{Anything, Grants};
use crate::metrics;
use ::metrics::Counter;
use counterfoil_clock::{Throttle, now};
use counterfoil_tls::{Peer, Reason, Refusal, Rules, unix_seconds};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Status};

/// A peer that showed a certificate for which there is no rule, as a label.
const NO_RULE: &str = "no_rule";

/// As long as a stream without a certificate may last.
const FOR_EVER: Duration = Duration::MAX;

/// Lets peers open streams, and counts those that are not let in.
pub(crate) struct Admission {
    /// Nothing where nobody proves who they are.
    rules: Option<Rules>,
    refused: BTreeMap<&'static str, Counter>,
    log_refused: Throttle,
}

/// What a peer may do.
pub(crate) struct Admitted {
    /// What it may report.
    pub(crate) grants: Arc<dyn Grants>,
    /// How long its certificate holds.
    pub(crate) for_time: Duration,
}

impl Admission {
    /// Admits by `rules`, or, without any, everybody to everything.
    pub(crate) fn new(rules: Option<Rules>) -> Self {
        let labels = Reason::ALL.map(Reason::label).into_iter().chain([NO_RULE]);
        let counter = |reason| (reason, metrics::REFUSED_PEERS.counter(&[("reason", reason)]));
        Self { rules, refused: labels.map(counter).collect(), log_refused: Throttle::new() }
    }

    /// What whoever made `request` may do.
    ///
    /// # Errors
    ///
    /// That it may do nothing, with the name to write a rule for.
    pub(crate) fn admit<T>(&self, request: &Request<T>) -> Result<Admitted, Status> {
        let Some(rules) = &self.rules else {
            return Ok(Admitted { grants: Arc::new(Anything), for_time: FOR_EVER });
        };
        let peer = request.extensions().get::<Peer>();
        let peer = peer.ok_or_else(|| Status::internal("nobody knows who opened the stream"))?;
        match rules.allow(peer) {
            Some(grant) => Ok(Admitted { grants: Arc::new(grant.clone()), for_time: remaining(peer) }),
            None => {
                let status = no_rule(peer);
                self.refuse(NO_RULE, Some(peer.address), status.message());
                Err(status)
            }
        }
    }

    /// Counts a connection that did not come about.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let said = refusal.error.as_ref().map_or_else(String::new, ToString::to_string);
        self.refuse(refusal.reason.label(), refusal.address, &said);
    }

    /// Counts a stream that outlived the certificate of its peer.
    pub(crate) fn outlived(&self) {
        self.refuse(Reason::Expired.label(), None, "the certificate ended while its stream was open");
    }

    fn refuse(&self, reason: &'static str, address: Option<SocketAddr>, said: &str) {
        if let Some(counter) = self.refused.get(reason) {
            counter.increment(1);
        }
        if let Some(unsaid) = self.log_refused.allows(now()) {
            let address = address.map(tracing::field::display);
            tracing::warn!(reason, address, unsaid, "a caller was not let in: {said}");
        }
    }
}

fn remaining(peer: &Peer) -> Duration {
    let left = |not_after: i64| u64::try_from(not_after.saturating_sub(unix_seconds())).unwrap_or(0);
    peer.not_after.map_or(FOR_EVER, |not_after| Duration::from_secs(left(not_after)))
}

fn no_rule(peer: &Peer) -> Status {
    let names: Vec<_> = peer.identities.iter().map(ToString::to_string).collect();
    let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    Status::permission_denied(format!("no rule for {names}; write one into the comparator's `clients`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_keys::TenantName;
    use counterfoil_tls::{Name, Rule};
    use tonic::Code;

    const CART: &str = "spiffe://shop/cart";

    fn admission() -> Admission {
        let rule = Rule { identity: CART.into(), tenant: "shop".into(), services: vec!["cart".into()] };
        Admission::new(Some(Rules::new(&[rule], "clients").unwrap()))
    }

    fn request(names: &[&str], not_after: Option<i64>) -> Request<()> {
        let identities = names.iter().map(|name| Name::parse(name).unwrap()).collect();
        let mut request = Request::new(());
        request.extensions_mut().insert(Peer { identities, not_after, address: ([127, 0, 0, 1], 9).into() });
        request
    }

    #[test]
    fn a_peer_may_report_what_the_rule_for_its_name_says() {
        let grants = admission().admit(&request(&[CART], None)).unwrap().grants;
        let may = |tenant: &str, service| {
            (grants.tenant(&tenant.parse::<TenantName>().unwrap()), grants.service(service))
        };
        assert_eq!(may("shop", "cart"), (true, true));
        assert_eq!(may("shops", "carts"), (false, false));
        assert_eq!(may("default", ""), (false, false));
    }

    #[test]
    fn a_peer_without_a_rule_and_one_that_nobody_knows_may_do_nothing() {
        let status = |request| admission().admit(&request).err().unwrap();
        let refused = status(request(&["spiffe://shop/stock", "dns:stock.shop"], None));
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("spiffe://shop/stock, dns:stock.shop"), "{refused}");
        assert_eq!(status(request(&[], None)).code(), Code::PermissionDenied);
        assert_eq!(status(Request::new(())).code(), Code::Internal);
    }

    #[test]
    fn a_stream_lasts_as_long_as_its_certificate_holds() {
        let lasts = |not_after| admission().admit(&request(&[CART], not_after)).unwrap().for_time;
        let hour = lasts(Some(unix_seconds() + 3600));
        assert!((3590..=3600).contains(&hour.as_secs()), "{hour:?}");
        assert_eq!(lasts(Some(unix_seconds() - 1)), Duration::ZERO);
    }

    #[test]
    fn in_plain_text_everything_is_granted() {
        let admitted = Admission::new(None).admit(&Request::new(())).unwrap();
        assert!(admitted.grants.tenant(&TenantName::default()) && admitted.grants.service("any"));
        assert_eq!(admitted.for_time, FOR_EVER);
    }
}
