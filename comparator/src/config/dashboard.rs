//! The section `dashboard`: how the comparator's own pages are shown.

use super::Written;
use crate::dashboard::{BasePath, Options, TraceUrl};
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

/// The comparator's own pages.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenDashboard {
    /// Where traces are shown: an address with `{trace_id}` in it, such as `https://traces.example/trace/{trace_id}`. Divergences
    /// link to it.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub trace_url: Option<String>,
}

/// How the pages are shown.
pub(super) fn options(written: &Written, problems: &mut Problems) -> Options {
    let base = &written.listen.http_base_path;
    let base_path = BasePath::of(base).unwrap_or_else(|| {
        let message = format!(
            "`{base}` is no path; write `/` and letters, digits or `-._~`, 512 bytes at most, such as `/counterfoil`"
        );
        problems.add("listen.http_base_path", message);
        BasePath::default()
    });
    let trace_url = written.dashboard.trace_url.as_deref().and_then(|text| {
        let url = TraceUrl::of(text);
        if url.is_none() {
            let message = format!(
                "`{text}` is no address for traces; write one with `{{trace_id}}` in it, 512 bytes at most, such as \
                 `https://traces.example/trace/{{trace_id}}`"
            );
            problems.add("dashboard.trace_url", message);
        }
        url
    });
    Options { base_path, trace_url }
}
