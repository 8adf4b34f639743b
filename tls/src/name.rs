//! How a peer is named: `spiffe://TRUST-DOMAIN/PATH`, or `dns:NAME`.
//!
//! The specification of SPIFFE ids is <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>; the one of
//! the certificates that carry them is `X509-SVID.md` beside it.

use rustls::pki_types::{CertificateDer, DnsName};
use std::fmt;
use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const SPIFFE: &str = "spiffe://";
const DNS: &str = "dns:";

/// Longest SPIFFE id, by its specification.
const SPIFFE_BYTES_MAX: usize = 2048;

/// One exact name of a peer, valid and in the one form in which names are compared: DNS names in lower case, SPIFFE ids
/// as they are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name(String);

/// Text that is no name, or a certificate that names nobody clearly.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Misnamed {
    /// Neither form.
    #[error("`{0}` is no identity; write `spiffe://TRUST-DOMAIN/PATH` or `dns:NAME`")]
    Form(String),
    /// A SPIFFE id that breaks the rules of its specification.
    #[error(
        "`{0}` is no SPIFFE id; write `spiffe://TRUST-DOMAIN/PATH` with a lower-case trust domain, no wildcard and no empty part"
    )]
    Spiffe(String),
    /// Not the name of a host.
    #[error("`{0}` is no DNS name; write `dns:` and one whole name, without a wildcard")]
    Dns(String),
    /// A certificate that cannot be read.
    #[error("a certificate that cannot be read")]
    Certificate,
    /// SPIFFE allows one URI in a certificate.
    #[error("a certificate with a SPIFFE id and {0} URIs; it may have one")]
    ManyUris(usize),
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`Misnamed`], with what to write instead.
    pub fn parse(text: &str) -> Result<Self, Misnamed> {
        if text.starts_with(SPIFFE) {
            is_spiffe(text).then(|| Self(text.to_owned())).ok_or_else(|| Misnamed::Spiffe(text.to_owned()))
        } else if let Some(host) = text.strip_prefix(DNS) {
            Self::dns(host)
        } else {
            Err(Misnamed::Form(text.to_owned()))
        }
    }

    /// The name of a host.
    fn dns(host: &str) -> Result<Self, Misnamed> {
        let whole = DnsName::try_from(host).is_ok() && !host.ends_with('.');
        whole
            .then(|| Self(format!("{DNS}{}", host.to_ascii_lowercase())))
            .ok_or_else(|| Misnamed::Dns(host.to_owned()))
    }

    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, if this is the name of one.
    pub(crate) fn host(&self) -> Option<&str> {
        self.0.strip_prefix(DNS)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_spiffe(text: &str) -> bool {
    let Some((domain, path)) = text.strip_prefix(SPIFFE).and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let in_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(in_path);
    text.len() <= SPIFFE_BYTES_MAX
        && !domain.is_empty()
        && domain.bytes().all(in_domain)
        && path.split('/').all(is_part)
}

/// What a certificate says of its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Described {
    /// Its names, in the order of the certificate. What is no [`Name`], such as a wildcard or a URI of another scheme,
    /// is left out: it could match no rule, and must not look like a name of another kind.
    pub(crate) names: Vec<Name>,
    /// When the certificate ends, in seconds since 1970.
    pub(crate) not_after: i64,
}

/// Reads names and end out of a certificate. Whether it can be trusted is not looked at.
///
/// # Errors
///
/// [`Misnamed`] if it cannot be read, or has a SPIFFE id and another URI beside it.
pub(crate) fn describe(certificate: &CertificateDer<'_>) -> Result<Described, Misnamed> {
    let parsed = parse(certificate)?;
    let extension = parsed.subject_alternative_name().map_err(|_| Misnamed::Certificate)?;
    let names = extension.map(|found| names(&found.value.general_names)).transpose()?;
    Ok(Described { names: names.unwrap_or_default(), not_after: parsed.validity().not_after.timestamp() })
}

/// When a certificate ends, whatever its names, in seconds since 1970.
///
/// # Errors
///
/// [`Misnamed::Certificate`] if it cannot be read.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Result<i64, Misnamed> {
    parse(certificate).map(|parsed| parsed.validity().not_after.timestamp())
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Misnamed> {
    X509Certificate::from_der(certificate).map(|(_, parsed)| parsed).map_err(|_| Misnamed::Certificate)
}

fn names(written: &[GeneralName<'_>]) -> Result<Vec<Name>, Misnamed> {
    let uris: Vec<&str> = written
        .iter()
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .collect();
    if uris.len() > 1 && uris.iter().any(|uri| uri.starts_with(SPIFFE)) {
        return Err(Misnamed::ManyUris(uris.len()));
    }
    let named = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) if uri.starts_with(SPIFFE) => Name::parse(uri).ok(),
        GeneralName::DNSName(host) => Name::dns(host).ok(),
        _ => None,
    };
    Ok(written.iter().filter_map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_and_exact_names_are_names() {
        let rows = [
            ("spiffe://example.org/ns/shop/sa/cart", true),
            ("spiffe://example.org/Cart_1.x-y", true),
            ("spiffe://example.org", false),
            ("spiffe://example.org/", false),
            ("spiffe://Example.org/cart", false),
            ("spiffe:///cart", false),
            ("spiffe://example.org//cart", false),
            ("spiffe://example.org/cart/", false),
            ("spiffe://example.org/../cart", false),
            ("spiffe://example.org/*", false),
            ("spiffe://example.org:80/cart", false),
            ("spiffe://example.org/cart?x", false),
            ("dns:cart.shop.svc", true),
            ("dns:*.shop.svc", false),
            ("dns:cart.shop.svc.", false),
            ("dns:", false),
            ("cart.shop.svc", false),
            ("https://example.org/cart", false),
            ("", false),
        ];
        for (text, valid) in rows {
            assert_eq!(Name::parse(text).is_ok(), valid, "{text}");
        }
        assert!(Name::parse(&format!("spiffe://example.org/{}", "x".repeat(SPIFFE_BYTES_MAX))).is_err());
    }

    #[test]
    fn dns_names_are_compared_in_lower_case_and_spiffe_paths_as_they_are() {
        let same = |a, b| Name::parse(a).unwrap() == Name::parse(b).unwrap();
        assert!(same("dns:Cart.Shop", "dns:cart.shop"));
        assert!(!same("spiffe://a/Cart", "spiffe://a/cart"));
    }

    #[test]
    fn a_uri_cannot_pose_as_a_dns_name_and_a_wildcard_is_nobody() {
        let written = [
            GeneralName::URI("dns:admin"),
            GeneralName::DNSName("*.shop"),
            GeneralName::RFC822Name("a@b"),
            GeneralName::DNSName("Cart"),
        ];
        assert_eq!(names(&written), Ok(vec![Name("dns:cart".to_owned())]));
    }

    #[test]
    fn a_second_uri_beside_a_spiffe_id_is_refused() {
        let written = [GeneralName::URI("spiffe://a/b"), GeneralName::URI("spiffe://a/c")];
        assert_eq!(names(&written), Err(Misnamed::ManyUris(2)));
    }
}
