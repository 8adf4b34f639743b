//! The section `values`: of which maps recent values are kept, so that the comparator can recall the ones it needs.

use super::{Map, WrittenLimits, WrittenUplink};
use counterfoil_digest::{Mask, RuleProblem};
use counterfoil_settings::{Problem, Problems};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;
use tonic::transport::Uri;

/// The section `values`. Values that are kept are in memory alone, and gone when the sidecar ends.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenValues {
    /// The maps whose values are kept and shown to the comparator when it asks for them; names from `maps`. The comparator asks only
    /// for those of maps whose contract says `values: true`.
    #[schemars(length(min = 1, max = 1024))]
    pub maps: Vec<String>,
    /// How long a value is kept, in seconds.
    #[serde(default = "keep_s")]
    #[schemars(range(min = 1, max = 86_400))]
    pub keep_s: u32,
    /// About the most bytes of memory that kept values take, over all maps and sources; the oldest are let go of first.
    #[serde(default = "bytes_max")]
    #[schemars(range(min = 65_536, max = 17_179_869_184_u64))]
    pub bytes_max: u64,
    /// Most bytes of values a second that are sent to the comparator. Batches of events go first in any case.
    #[serde(default = "bytes_per_s_max")]
    #[schemars(range(min = 1_024, max = 1_073_741_824))]
    pub bytes_per_s_max: u32,
    /// Fields that are replaced by `***` before a value is kept, written as in rules: `card`, `address.city`, `items.*.price`. A value
    /// that has one of them can be looked at, and nothing can be repaired with it.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub mask: Vec<String>,
    /// Let values travel in plain text, over an `http` endpoint that is not on this machine: whoever is on the way can read them.
    #[serde(default)]
    pub insecure: bool,
}

const fn keep_s() -> u32 {
    900
}

const fn bytes_max() -> u64 {
    67_108_864
}

const fn bytes_per_s_max() -> u32 {
    1_048_576
}

/// Which values are kept.
#[derive(Clone, Debug)]
pub struct Values {
    /// For each map of the configuration, in their order, what is masked in its values; nothing where they are not kept.
    pub masks: Vec<Option<Mask>>,
    /// How long.
    pub keep: Duration,
    /// About the most memory.
    pub bytes_max: usize,
    /// Most bytes a second that are shown.
    pub bytes_per_s_max: u32,
    /// They travel in plain text to another machine.
    pub is_insecure: bool,
}

/// The section as it is used for `maps`; what is wrong with it is added to `problems`.
pub(super) fn values(
    written: &WrittenValues,
    maps: &[Map],
    limits: &WrittenLimits,
    uplink: &WrittenUplink,
    problems: &mut Problems,
) -> Values {
    for (at, name) in written.maps.iter().enumerate() {
        if !maps.iter().any(|map| *map.name == **name) {
            problems.add(format!("values.maps[{at}]"), format!("`{name}` is not in maps; write one that is"));
        }
    }
    if written.bytes_max < u64::from(limits.frame_bytes_max) * FRAMES_MIN {
        let message = format!(
            "holds fewer than {FRAMES_MIN} frames of limits.frame_bytes_max; write at least {}",
            u64::from(limits.frame_bytes_max) * FRAMES_MIN
        );
        problems.add("values.bytes_max", message);
    }
    let leaves_in_plain_text = uplink.insecure && !is_loopback(&uplink.endpoint);
    if leaves_in_plain_text && !written.insecure {
        let message = "values would leave this machine in plain text; write an https uplink, or `insecure: true` here too if you \
                       mean it";
        problems.add("values.insecure", message);
    }
    Values {
        masks: masks(written, maps, problems),
        keep: Duration::from_secs(written.keep_s.into()),
        bytes_max: usize::try_from(written.bytes_max).unwrap_or(usize::MAX),
        bytes_per_s_max: written.bytes_per_s_max,
        is_insecure: leaves_in_plain_text,
    }
}

/// What is kept has room for this many frames at least, so that a frame's values never push out themselves.
const FRAMES_MIN: u64 = 4;

fn masks(written: &WrittenValues, maps: &[Map], problems: &mut Problems) -> Vec<Option<Mask>> {
    let mut found: Vec<RuleProblem> = Vec::new();
    let mask = |map: &Map| {
        let is_kept = written.maps.iter().any(|name| *map.name == **name);
        let mask = is_kept.then(|| Mask::new(&map.form, &written.mask))?;
        // A path that is none is wrong for each of the maps, and told once.
        mask.map_err(|wrong| found.extend(wrong)).ok()
    };
    let masks = maps.iter().map(mask).collect();
    found.dedup_by(|one, other| one.path == other.path && one.message == other.message);
    problems.add_below(
        "values",
        found.into_iter().map(|RuleProblem { path, message }| Problem { path, message }),
    );
    masks
}

/// Whether what is sent to `endpoint` stays on this machine.
fn is_loopback(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{GOOD, settings};

    #[test]
    fn no_value_is_kept_unless_somebody_says_so() {
        assert!(settings(GOOD, &[]).unwrap().values.is_none());
        let maps = "maps=[{name: a}, {name: b, codec: json}]";
        let values = settings(GOOD, &[maps, "values={maps: [b]}"]).unwrap().values.unwrap();
        let kept: Vec<_> = values.masks.iter().map(Option::is_some).collect();
        assert_eq!(kept, [false, true]);
        assert_eq!(
            (values.keep.as_secs(), values.bytes_max, values.bytes_per_s_max),
            (900, 1 << 26, 1 << 20)
        );
        assert!(settings(GOOD, &["values={}"]).is_err() && settings(GOOD, &["values={maps: []}"]).is_err());
    }

    #[test]
    fn what_cannot_be_kept_or_masked_is_told_with_what_to_write() {
        let maps = "maps=[{name: a, codec: json}, {name: b, codec: json}, {name: c}]";
        for (values, expected) in [
            ("{maps: [a, d]}", "values.maps[1]: `d` is not in maps"),
            ("{maps: [a, b], mask: ['x..y']}", "values.mask[0]: has an empty name"),
            ("{maps: [c], mask: [x]}", "values.mask: values of this codec have no fields"),
            ("{maps: [a], bytes_max: 65536}", "values.bytes_max: holds fewer than 4 frames"),
        ] {
            let problems = settings(GOOD, &[maps, &format!("values={values}")]).unwrap_err();
            assert_eq!(problems.0.len(), 1, "{problems}");
            assert!(problems.to_string().starts_with(expected), "{expected} in {problems}");
        }
    }

    #[test]
    fn values_leave_the_machine_in_plain_text_only_where_that_is_said_twice() {
        for (endpoint, insecure, is_taken, is_insecure) in [
            ("http://127.0.0.1:7411", false, true, false),
            ("http://[::1]:7411", false, true, false),
            ("http://localhost:7411", false, true, false),
            ("http://comparator:7411", false, false, true),
            ("http://10.0.0.1:7411", false, false, true),
            ("http://comparator:7411", true, true, true),
        ] {
            let uplink = format!("uplink={{endpoint: '{endpoint}', insecure: true}}");
            let values = format!("values={{maps: [cart], insecure: {insecure}}}");
            match settings(GOOD, &[&uplink, &values]) {
                Ok(settings) => {
                    assert_eq!(
                        (true, settings.values.unwrap().is_insecure),
                        (is_taken, is_insecure),
                        "{endpoint}"
                    );
                }
                Err(problems) => {
                    assert!(!is_taken, "{endpoint}: {problems}");
                    assert!(
                        problems.to_string().starts_with("values.insecure: values would leave"),
                        "{problems}"
                    );
                }
            }
        }
    }
}
