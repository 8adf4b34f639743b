//! The section `listen` and the list `clients`: where to listen, and who may come.

use counterfoil_keys::TenantName;
use counterfoil_settings::Problems;
use counterfoil_tls::{Files, Rule, Rules};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Where to listen.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenListen {
    /// Address and port for sidecars (gRPC). Port 0 takes a free one.
    pub grpc: String,
    /// Address and port for people, scripts and Prometheus (HTTP). Port 0 takes a free one.
    pub http: String,
    /// Who this comparator is, and whose certificates it believes. Needed unless `insecure` is true; `clients` says who may do
    /// what then.
    #[serde(default)]
    pub tls: Option<WrittenTls>,
    /// Take batches in plain text, from whoever can reach the port.
    #[serde(default)]
    pub insecure: bool,
}

/// The section `listen.tls`. All files are PEM, and are read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenTls {
    /// File of the comparator's certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// File of the certificate's key. Its mode must be 0640, 0440 or stricter.
    pub key: PathBuf,
    /// File of the authorities' certificates that the sidecars' must come from.
    pub authorities: PathBuf,
    /// How often the files are looked at, in milliseconds.
    #[serde(default = "reload_ms")]
    #[schemars(range(min = 10, max = 3_600_000))]
    pub reload_ms: u32,
}

const fn reload_ms() -> u32 {
    10_000
}

/// Who may come, and what they may report.
#[derive(Clone, Debug)]
pub enum Security {
    /// Whoever can reach the port; everything.
    Insecure,
    /// Whoever shows a certificate that has a rule; what the rule says.
    Tls(Tls),
}

/// Who this comparator is, and what others may do.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate, key and authorities.
    pub files: Files,
    /// How often the files are looked at.
    pub reload: Duration,
    /// What each client may report.
    pub clients: Rules,
}

/// Checks who may come; `tenants` are those that the maps' contracts name.
pub(super) fn security(
    listen: &WrittenListen,
    clients: &[Rule],
    tenants: &BTreeSet<&str>,
    problems: &mut Problems,
) -> Option<Security> {
    let Some(tls) = &listen.tls else {
        if !listen.insecure {
            let message = "missing; write certificate, key and authorities, or `insecure: true` beside it for plain text";
            problems.add("listen.tls", message);
        } else if !clients.is_empty() {
            problems.add(
                "clients",
                "nobody proves who they are without listen.tls; write that, or leave this out",
            );
        }
        return listen.insecure.then_some(Security::Insecure);
    };
    if listen.insecure {
        problems.add("listen.insecure", "not with listen.tls; leave one of them out");
    }
    check_tenants(clients, tenants, problems);
    let clients = Rules::new(clients, "clients").map_err(|found| problems.0.extend(found.0)).ok()?;
    let WrittenTls { certificate, key, authorities, reload_ms } = tls.clone();
    let reload = Duration::from_millis(reload_ms.into());
    Some(Security::Tls(Tls { files: Files { certificate, key, authorities }, reload, clients }))
}

fn check_tenants(clients: &[Rule], tenants: &BTreeSet<&str>, problems: &mut Problems) {
    for (at, rule) in clients.iter().enumerate() {
        let message = match rule.tenant.parse::<TenantName>() {
            // What is empty is told with the other rules.
            _ if rule.tenant.trim().is_empty() => continue,
            Err(error) => error.to_string(),
            Ok(_) if tenants.contains(rule.tenant.as_str()) => continue,
            Ok(_) => {
                format!("`{}` has no map; write it as maps[].tenant too, or another one here", rule.tenant)
            }
        };
        problems.add(format!("clients[{at}].tenant"), message);
    }
}
