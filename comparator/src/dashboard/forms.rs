//! What browsers send of forms.

use crate::api::error::ApiError;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use std::collections::BTreeMap;
use url::form_urlencoded;

/// Largest form, in bytes: a reason, each of whose bytes may be written as three, and little else.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// The fields of a form that was sent.
pub(super) struct Form(BTreeMap<String, String>);

impl<S: Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let too_large = |_| ApiError::Bad(format!("the form has more than {FORM_BYTES_MAX} bytes"));
        let body = to_bytes(request.into_body(), FORM_BYTES_MAX).await.map_err(too_large)?;
        Ok(Self(form_urlencoded::parse(&body).into_owned().collect()))
    }
}

impl Form {
    /// The text of a field; `None` if it is empty or not there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}

/// A query without the fields that were left empty: a browser sends those too.
pub(super) fn filled(query: Option<&str>) -> String {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let filled = pairs.filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(filled).finish()
}

/// The query without `name`, and with it set to `value` if there is one.
pub(super) fn with(query: &str, name: &str, value: Option<&str>) -> String {
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(other, _)| other != name);
    let mut changed = form_urlencoded::Serializer::new(String::new());
    changed.extend_pairs(others).extend_pairs(value.map(|value| (name, value)));
    changed.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_empty_was_not_asked_for() {
        assert_eq!(filled(Some("map=&key=a%26b&state=")), "key=a%26b");
        assert_eq!(filled(None), "");
    }

    #[test]
    fn one_field_is_changed_and_the_others_stay() {
        assert_eq!(with("a=1&after=7&b=%26", "after", Some("9")), "a=1&b=%26&after=9");
        assert_eq!(with("a=1&after=7", "after", None), "a=1");
    }
}
