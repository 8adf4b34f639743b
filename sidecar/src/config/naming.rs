//! The section `source`: who the sources of this sidecar are.
//!
//! A source's name decides whose writes an event tells of, so it is not the payload's to choose. A peer is believed to be
//! of a service only if its user or group, which the kernel vouches for, is in that service's entry; and all instances
//! begin with the sidecar's own, so that no process passes for one of another pod.

use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;

/// Longest name of a service, and of an instance as it leaves the sidecar, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Longest `source.instance` in bytes: the name of a Kubernetes pod that a controller made, and room for what a process adds.
pub(crate) const INSTANCE_BYTES_MAX: usize = 64;

/// Between the sidecar's part of an instance and the process's.
const SEPARATOR: char = '/';

/// The section `source`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenSource {
    /// Which peers may report as which service. A hello that names no service gets the only one that its peer may report as.
    /// Needed unless `uplink.insecure` is true; without it, each peer is what it says.
    #[schemars(length(min = 1, max = 64))]
    pub services: Vec<WrittenService>,
    /// What the instance of each source begins with, before a `/` and what its process says: the pod's name. 1 to 64 bytes,
    /// without `/`.
    pub instance: Option<String>,
}

/// An entry of `source.services`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenService {
    /// The service, as hellos and the comparator's `clients[].services` call it. 1 to 128 bytes.
    pub name: String,
    /// User ids that may report as it. With both lists empty: whoever may connect.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub uids: Vec<u32>,
    /// Group ids that may report as it; what counts is the group that a process runs in.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub gids: Vec<u32>,
}

/// Who the sources of this sidecar are.
#[derive(Clone, Debug)]
pub struct Naming {
    /// Who may report as which service.
    pub services: Services,
    /// What their instances begin with, its `/` included; may be empty.
    pub instance_prefix: String,
}

/// Who may report as which service.
#[derive(Clone, Debug)]
pub enum Services {
    /// Each peer is what it says.
    AsSaid,
    /// Nobody is what no entry says.
    Listed(Vec<Service>),
}

/// A service, and who may report as it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// User ids. With both lists empty: whoever may connect.
    pub uids: Vec<u32>,
    /// Group ids.
    pub gids: Vec<u32>,
}

/// Why a peer is not what its hello says.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum NotGranted {
    #[error("hello.service is not in source.services; add an entry with its name")]
    Unlisted,
    #[error(
        "hello.service is not for user {uid} (group {gid}); add it to uids or gids of the service's entry in source.services"
    )]
    Others { uid: u32, gid: u32 },
    #[error(
        "hello.service is empty and source.services has none for user {uid} (group {gid}); add it to uids or gids of an entry"
    )]
    Nothing { uid: u32, gid: u32 },
    #[error(
        "hello.service is empty and source.services has {count} for user {uid} (group {gid}); send the name of one"
    )]
    Several { uid: u32, gid: u32, count: usize },
}

impl Naming {
    /// What is to be put before the instance that a process says it is: nothing where the pod's name stands there already, as
    /// in the host name of a pod.
    pub(crate) fn missing_prefix(&self, said: &str) -> &str {
        let own = said.strip_prefix(&self.instance_prefix);
        if own.is_some_and(|own| !own.is_empty()) { "" } else { &self.instance_prefix }
    }
}

impl Services {
    /// The service of a peer that says it is of `said`. Empty only where that is, and each peer is what it says.
    pub(crate) fn granted(&self, said: String, uid: u32, gid: u32) -> Result<String, NotGranted> {
        let Self::Listed(services) = self else { return Ok(said) };
        if said.is_empty() {
            return only(services, uid, gid);
        }
        let service = services.iter().find(|service| service.name == said).ok_or(NotGranted::Unlisted)?;
        if service.is_for(uid, gid) { Ok(said) } else { Err(NotGranted::Others { uid, gid }) }
    }
}

impl Service {
    fn is_for(&self, uid: u32, gid: u32) -> bool {
        let nobody_listed = self.uids.is_empty() && self.gids.is_empty();
        nobody_listed || self.uids.contains(&uid) || self.gids.contains(&gid)
    }
}

/// The only service that a peer may report as.
fn only(services: &[Service], uid: u32, gid: u32) -> Result<String, NotGranted> {
    let theirs: Vec<_> = services.iter().filter(|service| service.is_for(uid, gid)).collect();
    match theirs.as_slice() {
        [] => Err(NotGranted::Nothing { uid, gid }),
        [service] => Ok(service.name.clone()),
        several => Err(NotGranted::Several { uid, gid, count: several.len() }),
    }
}

/// Whether a service or an instance may have this name.
pub(crate) fn is_name(name: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// The section as it is used. Without TLS, `insecure`, it may leave the services to the peers.
pub(super) fn naming(written: WrittenSource, insecure: bool, problems: &mut Problems) -> Naming {
    if written.services.is_empty() && !insecure {
        let entry = "`services: [{ name: …, uids: [ … ] }]`";
        let message = format!(
            "missing; write who may report as which service, {entry}; only `uplink.insecure` does without"
        );
        problems.add("source.services", message);
    }
    check_services(&written.services, problems);
    let instance = written.instance;
    let is_good = |name: &String| is_name(name, INSTANCE_BYTES_MAX) && !name.contains(SEPARATOR);
    if instance.as_ref().is_some_and(|name| !is_good(name)) {
        let message = format!(
            "write 1 to {INSTANCE_BYTES_MAX} bytes without `{SEPARATOR}` and control characters, such as the pod's name"
        );
        problems.add("source.instance", message);
    }
    let services = written.services.into_iter();
    let listed: Vec<_> =
        services.map(|WrittenService { name, uids, gids }| Service { name, uids, gids }).collect();
    Naming {
        services: if listed.is_empty() { Services::AsSaid } else { Services::Listed(listed) },
        instance_prefix: instance.map(|name| format!("{name}{SEPARATOR}")).unwrap_or_default(),
    }
}

fn check_services(services: &[WrittenService], problems: &mut Problems) {
    for (at, service) in services.iter().enumerate() {
        let path = format!("source.services[{at}].name");
        if !is_name(&service.name, NAME_BYTES_MAX) {
            let message = format!("write a name of 1 to {NAME_BYTES_MAX} bytes without control characters");
            problems.add(path, message);
        } else if services.iter().take(at).any(|other| other.name == service.name) {
            problems.add(path, format!("`{}` is there twice; put its users into one entry", service.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_settings::Sources;

    fn read(yaml: &str, insecure: bool) -> (Naming, Problems) {
        let written = Sources { yaml: yaml.to_owned(), overlays: Vec::new() }.written().unwrap();
        let mut problems = Problems::default();
        (naming(written, insecure, &mut problems), problems)
    }

    #[test]
    fn a_peer_is_of_a_service_only_if_an_entry_has_its_user_or_group() {
        const CART: &str = "{name: cart, uids: [10, 11]}";
        const STOCK: &str = "{name: stock, uids: [11], gids: [20]}";
        const OPEN: &str = "{name: open}";
        let others = |uid, gid| Err(NotGranted::Others { uid, gid });
        let rows = [
            (vec![CART], "cart", (10, 1), Ok("cart")),
            (vec![CART], "cart", (12, 10), others(12, 10)),
            (vec![CART], "cart", (0, 0), others(0, 0)),
            (vec![CART], "Cart", (10, 1), Err(NotGranted::Unlisted)),
            (vec![CART], "cart\n", (10, 1), Err(NotGranted::Unlisted)),
            (vec![CART], "", (10, 1), Ok("cart")),
            (vec![CART], "", (12, 10), Err(NotGranted::Nothing { uid: 12, gid: 10 })),
            (vec![CART, STOCK], "stock", (12, 20), Ok("stock")),
            (vec![CART, STOCK], "stock", (20, 11), others(20, 11)),
            (vec![CART, STOCK], "stock", (10, 1), others(10, 1)),
            (vec![CART, STOCK], "stock", (11, 1), Ok("stock")),
            (vec![CART, STOCK], "", (12, 20), Ok("stock")),
            (vec![CART, STOCK], "", (11, 1), Err(NotGranted::Several { uid: 11, gid: 1, count: 2 })),
            (vec![CART, OPEN], "open", (12, 1), Ok("open")),
            (vec![CART, OPEN], "", (12, 1), Ok("open")),
            (vec![CART, OPEN], "", (10, 1), Err(NotGranted::Several { uid: 10, gid: 1, count: 2 })),
            (vec![], "anything", (12, 1), Ok("anything")),
            (vec![], "", (12, 1), Ok("")),
        ];
        for (entries, said, (uid, gid), expected) in rows {
            let yaml = if entries.is_empty() {
                "{}".to_owned()
            } else {
                format!("services: [{}]", entries.join(", "))
            };
            let (naming, _) = read(&yaml, true);
            let granted = naming.services.granted(said.to_owned(), uid, gid);
            assert_eq!(granted, expected.map(str::to_owned), "{said:?} by {uid}:{gid} with {yaml}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_section_is_named() {
        let long = format!("instance: {}", "x".repeat(INSTANCE_BYTES_MAX + 1));
        let longest = format!("instance: {}", "x".repeat(INSTANCE_BYTES_MAX));
        let wide = format!("services: [{{name: {}}}]", "ä".repeat(NAME_BYTES_MAX / 2 + 1));
        let rows: [(&str, bool, &[&str]); 11] = [
            ("{}", true, &[]),
            ("{}", false, &["source.services"]),
            ("instance: pod-7", false, &["source.services"]),
            ("services: [{name: cart}]\ninstance: pod-7", false, &[]),
            (&longest, true, &[]),
            (&long, true, &["source.instance"]),
            ("instance: a/b", true, &["source.instance"]),
            ("instance: ''", true, &["source.instance"]),
            ("services: [{name: a}, {name: b, uids: [1]}, {name: a}]", false, &["source.services[2].name"]),
            (
                "services: [{name: ''}, {name: \"a\\n\"}]",
                false,
                &["source.services[0].name", "source.services[1].name"],
            ),
            (&wide, false, &["source.services[0].name"]),
        ];
        for (yaml, insecure, expected) in rows {
            let (_, problems) = read(yaml, insecure);
            let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths, expected, "{yaml}: {problems}");
        }
    }

    #[test]
    fn an_empty_list_of_services_is_no_way_to_admit_everybody() {
        let sources = Sources { yaml: "services: []".to_owned(), overlays: Vec::new() };
        let problems = sources.written::<WrittenSource>().unwrap_err().to_string();
        assert!(problems.starts_with("services: "), "{problems}");
    }
}
