//! The maps of a sidecar's configuration as they are used.

use super::WrittenMap;
use counterfoil_digest::{Form, RuleProblem};
use counterfoil_settings::{Problem, Problems};
use std::sync::Arc;

/// A map that is known.
#[derive(Clone, Debug)]
pub struct Map {
    /// Its name.
    pub name: Arc<str>,
    /// How its values are written, and what does not count in them.
    pub form: Form,
    /// What of its values travels besides their digests.
    pub told: Told,
}

/// What of a map's values travels besides their digests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// The prints of the fields of each.
    pub fields: bool,
    /// The spellings of some.
    pub samples: bool,
}

/// The maps as they are used; what is wrong with one is added to `problems`.
pub(super) fn maps(written: &[WrittenMap], problems: &mut Problems) -> Vec<Map> {
    let mut maps = Vec::new();
    for (at, map) in written.iter().enumerate() {
        match Form::new(map.codec, &map.rules) {
            Ok(form) if map.fields == Some(true) && !form.has_fields() => {
                let message =
                    "values of this codec have no fields; remove it, or set `codec` to `json` or `columns`";
                problems.add(format!("maps[{at}].fields"), message);
            }
            Ok(form) => {
                let samples = map.fields.unwrap_or(true);
                let told = Told { fields: samples && form.has_fields(), samples };
                maps.push(Map { name: map.name.as_str().into(), form, told });
            }
            Err(found) => {
                let found = found.into_iter().map(|RuleProblem { path, message }| Problem { path, message });
                problems.add_below(&format!("maps[{at}]"), found);
            }
        }
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{GOOD, settings};
    use super::*;

    #[test]
    fn a_map_may_have_rules_and_each_that_cannot_be_used_is_told_with_its_path() {
        let maps = "maps=[{name: a, codec: json, rules: {ignore: [seen_at]}}, {name: b}]";
        let maps = settings(GOOD, &[maps]).unwrap().maps;
        let forms: Vec<_> = maps.iter().map(|map| map.form.describe()).collect();
        assert_eq!(forms, ["json/1, ignore: seen_at", "bytes/1"]);
        let wrong =
            "maps=[{name: a}, {name: b, codec: json, rules: {numbers: [{fields: [a, .., c]}], sets: []}}]";
        let problems = settings(GOOD, &[wrong]).unwrap_err().to_string();
        assert!(problems.starts_with("maps[1].rules.numbers[0].fields[1]: has an empty name"), "{problems}");
        let unknown = settings(GOOD, &["maps=[{name: a, rules: {ignored: [a]}}]"]).unwrap_err().to_string();
        assert!(unknown.starts_with("maps[0].rules.ignored: unknown key"), "{unknown}");
    }

    #[test]
    fn more_than_digests_travels_where_nobody_says_otherwise() {
        let told =
            |map: &str| settings(GOOD, &[&format!("maps=[{{name: a, {map}}}]")]).map(|it| it.maps[0].told);
        for (map, fields, samples) in [
            ("codec: json", true, true),
            ("codec: columns, fields: true", true, true),
            ("codec: json, fields: false", false, false),
            ("codec: text", false, true),
            ("codec: bytes, fields: false", false, false),
        ] {
            assert_eq!(told(map).unwrap(), Told { fields, samples }, "{map}");
        }
        for codec in ["text", "bytes"] {
            let problems = told(&format!("codec: {codec}, fields: true")).unwrap_err().to_string();
            assert!(
                problems.starts_with("maps[0].fields: values of this codec have no fields"),
                "{problems}"
            );
        }
    }
}
