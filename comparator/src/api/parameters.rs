//! What stands behind the `?` of a request.

use super::error::ApiError;
use crate::ledger::PAGE_ROWS_MAX;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::collections::BTreeMap;
use std::fmt::Display;
use url::form_urlencoded;

/// Rows on a page that does not say how many.
const PAGE_ROWS: u32 = 100;

/// The parameters of a request. Each is taken by its name, and what is left in the end has no meaning.
#[derive(Debug)]
pub(crate) struct Parameters {
    left: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of(parts.uri.query().unwrap_or_default())
    }
}

impl Parameters {
    /// Those of a query.
    pub(crate) fn of(query: &str) -> Result<Self, ApiError> {
        let mut left = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if left.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(ApiError::Bad(format!("{name}: is there twice; give it once")));
            }
        }
        Ok(Self { left, known: Vec::new() })
    }

    /// The text of `name`, if it is there.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.left.remove(name)
    }

    /// What `parse` makes of `name`, if it is there; what it makes nothing of is refused with what is `allowed`.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        allowed: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let refused = || ApiError::Bad(format!("{name}: is `{text}`; write {allowed}"));
        parse(&text).map(Some).ok_or_else(refused)
    }

    /// How many rows a page may have.
    pub(crate) fn limit(&mut self) -> Result<u32, ApiError> {
        let allowed = format!("a number of rows from 1 to {PAGE_ROWS_MAX}");
        let within = |text: &str| text.parse().ok().filter(|limit| (1..=PAGE_ROWS_MAX).contains(limit));
        Ok(self.take("limit", allowed, within)?.unwrap_or(PAGE_ROWS))
    }

    /// Where the page before ended.
    pub(crate) fn after<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
        self.take("after", "the `next` of the page before, or leave it out", parse)
    }

    /// All that has a meaning is taken.
    pub(crate) fn done(self) -> Result<(), ApiError> {
        let Some(name) = self.left.keys().next() else { return Ok(()) };
        let known = self.known.join(", ");
        Err(ApiError::Bad(format!("{name}: is no parameter of this path; there is: {known}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn refused(query: &str) -> String {
        let read = |query| {
            let mut asked = Parameters::of(query)?;
            asked.limit()?;
            asked.after(|text| text.parse::<i64>().ok())?;
            asked.done()
        };
        match read(query) {
            Err(ApiError::Bad(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name_with_what_is_allowed() {
        for (query, expected) in [
            ("limit=0", "limit: is `0`; write a number of rows from 1 to 1000"),
            ("limit=x", "limit: is `x`; write a number"),
            ("limit=7&limit=7", "limit: is there twice"),
            ("after=x", "after: is `x`; write the `next`"),
            ("limt=7", "limt: is no parameter of this path; there is: limit, after"),
        ] {
            let told = refused(query);
            assert!(told.starts_with(expected), "{query}: {told}");
        }
    }

    #[test]
    fn a_value_is_decoded() {
        let mut asked = Parameters::of("key=a%26b+c%3D&limit=7").unwrap();
        assert_eq!((asked.text("key").as_deref(), asked.limit().unwrap()), (Some("a&b c="), 7));
        asked.done().unwrap();
    }
}
