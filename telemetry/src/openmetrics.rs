//! The metrics in the [OpenMetrics] text format, which has a place for exemplars; otherwise it is the older format with a few
//! differences of form.
//!
//! [OpenMetrics]: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md

use crate::exemplars::{Exemplar, Exemplars};
use crate::exposition::{Family, families};
use std::fmt::Write;

/// Names the format in `Accept` headers.
const MEDIA_TYPE: &str = "application/openmetrics-text";

/// Names the format in answers.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether somebody who accepts this takes the format.
pub(crate) fn is_accepted(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(MEDIA_TYPE));
        let weight = parts.find_map(|it| it.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
        is_named && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// What the recorder tells as `told`, with exemplars.
pub(crate) fn render(told: &str, exemplars: &Exemplars) -> String {
    let mut text = String::with_capacity(told.len());
    for family in families(told) {
        // Writing to a String cannot fail.
        write_family(&mut text, &family, exemplars).unwrap_or_default();
    }
    text + "# EOF\n"
}

fn write_family(text: &mut String, family: &Family<'_>, exemplars: &Exemplars) -> std::fmt::Result {
    let Family { name, help, kind, samples } = family;
    // The family of a counter has the name without what its samples end with.
    let name = if *kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
    writeln!(text, "# TYPE {name} {kind}")?;
    if !help.is_empty() {
        writeln!(text, "# HELP {name} {}", help.replace('"', "\\\""))?;
    }
    for sample in samples {
        write!(text, "{} {}", sample.series, sample.value)?;
        if let Some(exemplar) = exemplars.get(sample.series) {
            write_exemplar(text, *exemplar)?;
        }
        text.push('\n');
    }
    Ok(())
}

/// One was counted, in this trace, at that time in seconds.
fn write_exemplar(text: &mut String, exemplar: Exemplar) -> std::fmt::Result {
    let trace_id = u128::from_be_bytes(exemplar.trace_id);
    let at_unix_ms = exemplar.at_unix_ns.div_euclid(1_000_000);
    let (seconds, ms) = (at_unix_ms.div_euclid(1_000), at_unix_ms.rem_euclid(1_000));
    write!(text, " # {{trace_id=\"{trace_id:032x}\"}} 1 {seconds}.{ms:03}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::tests::TOLD;

    #[test]
    fn the_format_is_told_to_those_who_name_it() {
        let of_prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, accepted) in [
            (of_prometheus, true),
            ("text/plain, Application/OpenMetrics-Text; version=1.0.0; q=0.5", true),
            ("application/openmetrics-text;q=0, text/plain", false),
            ("text/plain;version=0.0.4", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(is_accepted(accept), accepted, "{accept}");
        }
    }

    #[test]
    fn counters_lose_their_suffix_empty_lines_go_and_exemplars_stand_behind_their_series() {
        let exemplar = Exemplar { trace_id: [0xab; 16], at_unix_ns: 1_700_000_000_042_999_999 };
        let exemplars = Exemplars::from([("c_events_total{map=\"a\"}".to_owned(), exemplar)]);
        let expected = "# TYPE c_events counter\n# HELP c_events Events, \\\"all\\\" of them.\n\
            c_events_total{map=\"a\"} 3 # {trace_id=\"abababababababababababababababab\"} 1 1700000000.042\n\
            c_events_total{map=\"b \\\"c\\\", \\\\d\\ne\"} 0\n\
            # TYPE g gauge\ng NaN\n\
            # TYPE h_seconds histogram\n# HELP h_seconds Lag.\n\
            h_seconds_bucket{map=\"a\",le=\"0.5\"} 1\n";
        let rendered = render(TOLD, &exemplars);
        assert!(rendered.starts_with(expected), "{rendered}");
        assert!(rendered.ends_with("h_seconds_count{map=\"b\"} 0\n# EOF\n"), "{rendered}");
    }
}
