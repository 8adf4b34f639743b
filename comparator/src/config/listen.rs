//! The section `listen` and the list `clients`: where to listen, and who may come.

use crate::callers::{Caller, Callers, Role};
use counterfoil_keys::{TenantName, Token};
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
    /// Who may ask over HTTP, each by a bearer token of his own. Without any, whoever can reach the port may read what is under
    /// `/v1`, and nobody may acknowledge, ignore or reopen a divergence.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub http_tokens: Vec<WrittenHttpToken>,
    /// The path under which a proxy shows the comparator's pages, such as `/counterfoil`: it stands in front of every link. What
    /// is at `/` is also there, so the proxy may take the path away or leave it.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub http_base_path: String,
}

/// Who may ask over HTTP.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenHttpToken {
    /// Whose it is: what he does about divergences is written down under this name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// What he may do: `viewer` reads, `operator` also acknowledges, ignores and reopens divergences.
    pub role: Role,
    /// A file of the token, 16 to 512 letters, digits and `-._~+/=` (`counterfoil key new` prints such), that others may not read
    /// (mode 0400).
    pub file: PathBuf,
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

/// Reads the tokens of those who may ask over HTTP.
pub(super) fn callers(written: &[WrittenHttpToken], problems: &mut Problems) -> Callers {
    let mut callers: Vec<Caller> = Vec::new();
    for (at, WrittenHttpToken { name, role, file }) in written.iter().enumerate() {
        let path = format!("listen.http_tokens[{at}]");
        if callers.iter().any(|caller| *caller.name == **name) {
            problems
                .add(format!("{path}.name"), format!("`{name}` is there twice; give each a name of his own"));
        }
        let token = match Token::from_file(file) {
            Ok(token) => token,
            Err(error) => {
                problems.add(format!("{path}.file"), error.to_string());
                continue;
            }
        };
        if let Some(other) = callers.iter().find(|caller| caller.token.is(token.expose().as_bytes())) {
            problems
                .add(format!("{path}.file"), format!("has the token of `{}`; write another one", other.name));
        }
        callers.push(Caller { name: name.as_str().into(), role: *role, token });
    }
    Callers::new(callers)
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
