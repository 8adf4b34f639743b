//! Configuration of a process: one YAML file, overlaid by the environment and by flags.
//!
//! A configuration exists in two types. The *written* one derives [`serde::Deserialize`] and [`schemars::JsonSchema`]
//! and holds what a person wrote; its JSON Schema is the documentation, the editor's help and the first check. The
//! *used* one belongs to the process and is made from the written one by a conversion that collects [`Problems`].
//! Whatever is wrong is reported at once, each problem with the key's path and what to write instead.
//!
//! Order of precedence, weakest first: the file, `COUNTERFOIL__SECTION__KEY=value` from the environment, `--set
//! section.key=value` from the command line. Overlaid values are read as YAML, so numbers are numbers.

mod overlay;
mod schema;

pub use overlay::from_environment;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::path::Path;

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One thing that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Path of the key, such as `maps[0].deadline_ms`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes that the key at `path` is wrong.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), message: message.into() });
    }

    /// Notes what was `found` to be wrong below the key at `path`, with paths relative to it.
    pub fn add_below(&mut self, path: &str, found: impl IntoIterator<Item = Problem>) {
        let below = |found: Problem| Problem { path: format!("{path}.{}", found.path), ..found };
        self.0.extend(found.into_iter().map(below));
    }

    /// Gives `value` if nothing is wrong.
    ///
    /// # Errors
    ///
    /// Everything that was noted.
    pub fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Problem { path, message }) in self.0.iter().enumerate() {
            let line_end = if at == 0 { "" } else { "\n" };
            let colon = if path.is_empty() { "" } else { ": " };
            write!(f, "{line_end}{path}{colon}{message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where the parts of a configuration come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Text of the YAML file.
    pub yaml: String,
    /// `path=value` pairs from the environment and the flags, weakest first.
    pub overlays: Vec<String>,
}

impl Sources {
    /// Reads the file at `path` and puts `overlays` behind it.
    ///
    /// # Errors
    ///
    /// A problem that names the file, if it cannot be read or is too large.
    pub fn read(path: &Path, overlays: Vec<String>) -> Result<Self, Problems> {
        let unreadable =
            |why: String| Problem { path: String::new(), message: format!("{}: {why}", path.display()) };
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(
                unreadable(format!("{size} bytes; a configuration has at most {FILE_BYTES_MAX}")).into()
            );
        }
        let yaml = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self { yaml, overlays })
    }

    /// What the key `kind` at the top says: which process the configuration is for.
    ///
    /// # Errors
    ///
    /// Problems of syntax.
    pub fn kind(&self) -> Result<Option<String>, Problems> {
        let value = self.merged()?;
        Ok(value.get("kind").and_then(Value::as_str).map(str::to_owned))
    }

    /// The configuration as written: parsed, overlaid, checked against the schema of `T`.
    ///
    /// # Errors
    ///
    /// Every problem there is: syntax first; then unknown keys, missing keys, wrong types and values out of range.
    pub fn written<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Problems> {
        let value = self.merged()?;
        schema::check::<T>(&value)?;
        serde_json::from_value(value)
            .map_err(|error| Problem { path: String::new(), message: error.to_string() }.into())
    }

    fn merged(&self) -> Result<Value, Problems> {
        let mut value = parse(&self.yaml)
            .map_err(|error| Problem { path: String::new(), message: format!("not YAML: {error}") })?;
        if value.is_null() {
            value = Value::Object(serde_json::Map::new());
        }
        let mut problems = Problems::default();
        for overlay in &self.overlays {
            overlay::apply(&mut value, overlay, &mut problems);
        }
        problems.none_or(value)
    }
}

/// YAML 1.2 in that `no`, `on` and `y` are text: a map may well have such a name.
fn parse(yaml: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(yaml, serde_saphyr::options! { strict_booleans: true })
}

/// The JSON Schema of a written configuration, for editors and documentation.
#[must_use]
pub fn json_schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Written {
        kind: String,
        #[serde(default)]
        limits: Limits,
        #[serde(default)]
        maps: Vec<Map>,
    }
    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Limits {
        #[schemars(range(min = 1, max = 100))]
        key_bytes_max: u32,
    }
    impl Default for Limits {
        fn default() -> Self {
            Self { key_bytes_max: 10 }
        }
    }
    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Map {
        name: String,
    }

    fn written(yaml: &str, overlays: &[&str]) -> Result<Written, Problems> {
        let overlays = overlays.iter().map(|&overlay| overlay.to_owned()).collect();
        Sources { yaml: yaml.into(), overlays }.written()
    }

    #[test]
    fn overlays_win_over_the_file_and_later_ones_over_earlier() {
        let got = written(
            "kind: a\nlimits: {key_bytes_max: 5}\nmaps: [{name: x}]",
            &["limits.key_bytes_max=6", "limits.key_bytes_max=7", "maps[0].name=y"],
        )
        .unwrap();
        assert_eq!(got.limits.key_bytes_max, 7);
        assert_eq!(got.maps, [Map { name: "y".into() }]);
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_paths() {
        let problems =
            written("kinds: a\nlimits: {key_bytes_max: 500, extra: 1}\nmaps: [{name: 3}]", &[]).unwrap_err();
        let text = problems.to_string();
        for expected in ["kinds", "kind", "limits.key_bytes_max", "100", "extra", "maps[0].name"] {
            assert!(text.contains(expected), "{expected} in:\n{text}");
        }
        assert_eq!(problems.0.len(), 5, "{text}");
    }

    #[test]
    fn what_is_not_yaml_says_so() {
        assert!(written("kind: [", &[]).unwrap_err().to_string().contains("not YAML"));
        assert!(written("kind: a", &["limits"]).unwrap_err().to_string().contains("path=value"));
    }
}
