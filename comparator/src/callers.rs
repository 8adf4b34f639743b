//! Who may ask over HTTP, and what.
//!
//! # Invariants
//!
//! - Who asks is what a token proves, never what a request says.
//! - Where nobody has a token, everybody may read and nobody may change anything.

use axum::http::HeaderValue;
use counterfoil_keys::Token;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// What a caller may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, and say what is done about divergences.
    Operator,
}

/// Somebody with a token.
#[derive(Debug)]
pub struct Caller {
    /// The name under which what he does is written down.
    pub name: Arc<str>,
    /// What he may do.
    pub role: Role,
    /// What he shows.
    pub token: Token,
}

/// Everybody with a token.
#[derive(Debug)]
pub struct Callers(Vec<Caller>);

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    /// Anybody: nobody has a token.
    Anybody,
    /// Whoever has the token of this name.
    Known(Arc<str>, Role),
}

/// Why a request is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TurnedAway {
    /// It shows no token.
    NoToken,
    /// It shows one that is nobody's.
    NotAToken,
}

impl Callers {
    /// Those who may ask; if there are none, everybody may read.
    #[must_use]
    pub fn new(callers: Vec<Caller>) -> Self {
        Self(callers)
    }

    /// Who asks with this `Authorization` header. Every token is looked at, so that the time it takes tells nothing of them.
    pub(crate) fn admit(&self, authorization: Option<&HeaderValue>) -> Result<Asking, TurnedAway> {
        if self.is_empty() {
            return Ok(Asking::Anybody);
        }
        let shown = authorization.and_then(|header| bearer(header.as_bytes())).ok_or(TurnedAway::NoToken)?;
        let found = self.of_token(shown);
        found.map(|caller| Asking::Known(caller.name.clone(), caller.role)).ok_or(TurnedAway::NotAToken)
    }

    /// Whose token that is.
    pub(crate) fn of_token(&self, shown: &[u8]) -> Option<&Caller> {
        self.0.iter().filter(|caller| caller.token.is(shown)).fold(None, |_, caller| Some(caller))
    }

    /// Nobody has a token.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The token of a header `Bearer TOKEN`.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: usize = "Bearer ".len();
    let (scheme, token) = header.split_at_checked(SCHEME)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn caller(name: &str, role: Role, token: &str) -> Caller {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        counterfoil_keys::create_file(&file, token).unwrap();
        Caller { name: name.into(), role, token: Token::from_file(&file).unwrap() }
    }

    #[test]
    fn a_caller_is_whoever_the_token_is_of() {
        let (alice, bob) = ("0123456789abcdef", "fedcba9876543210");
        let callers =
            Callers::new(vec![caller("alice", Role::Operator, alice), caller("bob", Role::Viewer, bob)]);
        let known = |name: &str, role| Ok(Asking::Known(name.into(), role));
        for (header, expected) in [
            (Some(format!("Bearer {alice}")), known("alice", Role::Operator)),
            (Some(format!("bearer  {bob} ")), known("bob", Role::Viewer)),
            (Some(format!("Bearer {alice}0")), Err(TurnedAway::NotAToken)),
            (Some("Bearer ".into()), Err(TurnedAway::NotAToken)),
            (Some(format!("Basic {alice}")), Err(TurnedAway::NoToken)),
            (Some(alice.into()), Err(TurnedAway::NoToken)),
            (None, Err(TurnedAway::NoToken)),
        ] {
            let value = header.as_ref().map(|header| HeaderValue::from_str(header).unwrap());
            assert_eq!(callers.admit(value.as_ref()), expected, "{header:?}");
        }
        assert_eq!(Callers::new(Vec::new()).admit(None), Ok(Asking::Anybody));
    }
}
