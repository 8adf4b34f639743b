//! What the configuration says about the pages.

use std::fmt;
use std::sync::Arc;

/// Where the id of a trace goes in an address.
const TRACE_ID: &str = "{trace_id}";

/// Longest base path and address, in bytes.
const BYTES_MAX: usize = 512;

/// What the configuration says about the pages.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// In front of every path of a link.
    pub base_path: BasePath,
    /// Where traces are shown; `None` if nobody said.
    pub trace_url: Option<TraceUrl>,
}

/// A path in front of every path, such as `/counterfoil`; empty for none. It never ends with a slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BasePath(Arc<str>);

impl Default for BasePath {
    fn default() -> Self {
        Self("".into())
    }
}

impl BasePath {
    /// The path of this text; `None` if it is none.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment = |segment: &str| {
            !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_plain)
        };
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Some(Self::default());
        }
        let is_path = path.len() <= BYTES_MAX && path.strip_prefix('/')?.split('/').all(is_segment);
        is_path.then(|| Self(path.into()))
    }

    /// As it stands in front of a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address with `{trace_id}` in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceUrl(Arc<str>);

impl TraceUrl {
    /// The address of this text; `None` if it is none, or has no place for an id.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let url = url::Url::parse(&text.replace(TRACE_ID, "0")).ok()?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        (is_web && text.contains(TRACE_ID) && text.len() <= BYTES_MAX).then(|| Self(text.into()))
    }

    /// Where the trace of this id is shown.
    pub(crate) fn to(&self, trace_id: &str) -> String {
        self.0.replace(TRACE_ID, trace_id)
    }
}

/// A trace, and where it is shown if anybody said where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Traced {
    pub(super) id: String,
    pub(super) shown_at: Option<String>,
}

impl Options {
    /// The trace of this id.
    pub(super) fn traced(&self, id: String) -> Traced {
        Traced { shown_at: self.trace_url.as_ref().map(|url| url.to(&id)), id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_segments_of_plain_letters() {
        for (text, path) in [
            ("", Some("")),
            ("/", Some("")),
            ("/counterfoil", Some("/counterfoil")),
            ("/a/b-1/", Some("/a/b-1")),
            ("counterfoil", None),
            ("//evil.example", None),
            ("/a//b", None),
            ("/a/../b", None),
            ("/{id}", None),
            ("/a b", None),
            ("/a\"", None),
        ] {
            assert_eq!(BasePath::of(text).as_ref().map(BasePath::as_str), path, "{text}");
        }
        assert_eq!(BasePath::of(&format!("/{}", "a".repeat(BYTES_MAX))), None);
    }

    #[test]
    fn a_trace_is_shown_at_an_address_of_the_web_with_its_id_in_it() {
        let shown = |text| TraceUrl::of(text).map(|url| url.to("ab12"));
        assert_eq!(shown("https://t.example/{trace_id}?x").as_deref(), Some("https://t.example/ab12?x"));
        for bad in ["https://t.example/", "javascript:alert('{trace_id}')", "/{trace_id}", "{trace_id}"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
