//! The section `uplink` as it is used: where the comparator is, and how the two know each other.

use super::settings::{Backoff, millis};
use super::{WrittenTls, WrittenUplink};
use counterfoil_settings::Problems;
use counterfoil_tls::{Files, Name};
use std::time::Duration;

/// The way to the comparator.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// The comparator, with its scheme.
    pub endpoint: String,
    /// Who this sidecar is and whom it believes; nothing where it sends in plain text.
    pub tls: Option<Tls>,
    /// Bytes that may wait for an acknowledgement.
    pub unacked_bytes_max: u32,
    /// The waits between attempts.
    pub backoff: Backoff,
}

/// Who this sidecar is, and whom it believes.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate, key and authorities.
    pub files: Files,
    /// Who the comparator is.
    pub server: Name,
    /// How often the files are looked at.
    pub reload: Duration,
}

/// How an endpoint is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Plain,
    Tls,
    Unknown,
}

/// The certificate that is to be used, if one is. Notes an endpoint that is none, and one that does not fit what is said of
/// its security.
pub(super) fn tls(uplink: &WrittenUplink, problems: &mut Problems) -> Option<Tls> {
    let scheme = scheme(&uplink.endpoint);
    if scheme == Scheme::Unknown {
        problems.add("uplink.endpoint", "write the comparator as https://host:port");
    }
    check_insecure(scheme, uplink, problems);
    match &uplink.tls {
        None if scheme == Scheme::Tls => {
            let wanted = "certificate, key, authorities and server";
            problems.add("uplink.tls", format!("missing; an https endpoint needs {wanted}"));
            None
        }
        None => None,
        Some(_) if scheme == Scheme::Plain => {
            problems.add("uplink.tls", "not used with http; write the endpoint as https://host:port");
            None
        }
        Some(tls) => used(tls, problems),
    }
}

fn check_insecure(scheme: Scheme, uplink: &WrittenUplink, problems: &mut Problems) {
    let message = match (scheme, uplink.insecure) {
        (Scheme::Tls, true) => "not with https; leave it out, or write the endpoint with http",
        (Scheme::Plain, false) => {
            "http is plain text; write `insecure: true` if you mean it, or an https endpoint and `tls`"
        }
        (Scheme::Unknown, true) if uplink.tls.is_some() => "not with `tls`; leave one of them out",
        (Scheme::Unknown, false) if uplink.tls.is_none() => "neither this nor `tls` is there; write `tls`",
        _ => return,
    };
    problems.add("uplink.insecure", message);
}

fn used(written: &WrittenTls, problems: &mut Problems) -> Option<Tls> {
    let server = Name::parse(&written.server);
    let server = server.map_err(|error| problems.add("uplink.tls.server", error.to_string())).ok()?;
    let files = Files {
        certificate: written.certificate.clone(),
        key: written.key.clone(),
        authorities: written.authorities.clone(),
    };
    Some(Tls { files, server, reload: millis(written.reload_ms) })
}

/// TLS calls a port that is written: there is no custom that says which.
fn scheme(endpoint: &str) -> Scheme {
    let is_host = |authority: &str| !authority.is_empty() && !authority.contains([' ', '\t', '\n', '/']);
    let has_port = |authority: &str| {
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        is_host(authority) && port.is_some_and(|port| port > 0)
    };
    match endpoint.strip_suffix('/').unwrap_or(endpoint).split_once("://") {
        Some(("http", authority)) if is_host(authority) => Scheme::Plain,
        Some(("https", authority)) if has_port(authority) => Scheme::Tls,
        _ => Scheme::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: &str = "{certificate: /c, key: /k, authorities: /a, server: 'spiffe://shop/comparator'}";

    /// The paths of what is wrong with an uplink.
    fn problems(yaml: &str) -> Vec<String> {
        let sources = counterfoil_settings::Sources { yaml: yaml.to_owned(), overlays: Vec::new() };
        let mut problems = Problems::default();
        tls(&sources.written().unwrap(), &mut problems);
        problems.0.into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn an_uplink_is_either_plain_text_and_says_so_or_has_all_that_tls_needs() {
        let rows: [(&str, bool, bool, &[&str]); 12] = [
            ("http://host:7411", false, true, &[]),
            ("http://host/", false, true, &[]),
            ("http://host:7411", false, false, &["uplink.insecure"]),
            ("http://host:7411", true, false, &["uplink.insecure", "uplink.tls"]),
            ("http://host:7411", true, true, &["uplink.tls"]),
            ("https://host:7411", true, false, &[]),
            ("https://[::1]:7411", true, false, &[]),
            ("https://host:7411", true, true, &["uplink.insecure"]),
            ("https://host:7411", false, false, &["uplink.tls"]),
            ("https://host", true, false, &["uplink.endpoint"]),
            ("https://host:7411/path", true, false, &["uplink.endpoint"]),
            ("host:7411", false, false, &["uplink.endpoint", "uplink.insecure"]),
        ];
        for (endpoint, tls, insecure, expected) in rows {
            let tls = if tls { TLS } else { "null" };
            let yaml = format!("endpoint: '{endpoint}'\ninsecure: {insecure}\ntls: {tls}\n");
            assert_eq!(problems(&yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn the_comparator_has_one_exact_name() {
        let written = |server: &str| {
            format!("endpoint: 'https://h:1'\ntls: {}", TLS.replace("spiffe://shop/comparator", server))
        };
        assert!(problems(&written("dns:comparator.shop")).is_empty());
        for wrong in ["comparator.shop", "dns:*.shop", "spiffe://shop/*"] {
            assert_eq!(problems(&written(wrong)), ["uplink.tls.server"], "{wrong}");
        }
    }
}
