//! Rules as a person writes them.

use super::{Rule, Rules};
use crate::codec::Codec;
use crate::instant::{Epoch, Precision};
use crate::path::{Path, Step};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Most paths that the rules of a map may have: each is looked for in every value.
const PATHS_MAX: usize = 256;

/// Which differences between the values of a map do not count. A path is the names of members with points between
/// (`address.city`); `*` is every member or element, a lone `.` the value itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenRules {
    /// Fields that do not count.
    pub ignore: Vec<String>,
    /// Fields that are numbers, or texts that are numbers, and are compared as numbers.
    pub numbers: Vec<WrittenNumbers>,
    /// Fields that are points in time.
    pub timestamps: Vec<WrittenTimestamps>,
    /// Texts whose spaces at the end do not count, as those of CHAR(n).
    pub trimmed: Vec<String>,
    /// Whether members that are null do not count: null is the same as no member.
    pub null_is_absent: bool,
    /// Arrays in which neither order nor repetition counts.
    pub sets: Vec<String>,
}

/// Fields that are compared as numbers.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenNumbers {
    /// Paths of the fields.
    #[schemars(length(min = 1))]
    pub fields: Vec<String>,
    /// Digits behind the point that count; the number is rounded to them, halves to the even digit. All of them if not given.
    #[serde(default)]
    #[schemars(range(max = 40))]
    pub decimals: Option<u8>,
}

/// Fields that are points in time.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenTimestamps {
    /// Paths of the fields. Texts are read as RFC 3339 or ISO 8601, with an offset, `Z`, or nothing, which is UTC.
    #[schemars(length(min = 1))]
    pub fields: Vec<String>,
    /// What is finer does not count: `s`, `ms`, `us` or `ns`.
    #[serde(default)]
    pub precision: Precision,
    /// What a number counts since 1970: `s`, `ms` or `us`. Without it, numbers are no points in time.
    #[serde(default)]
    pub epoch: Option<Epoch>,
}

/// A rule that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleProblem {
    /// Where it is written, below the map: `rules.numbers[0].fields[1]`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl WrittenRules {
    /// The rules that are written, for values of `codec`.
    pub(crate) fn used(&self, codec: Codec) -> Result<Rules, Vec<RuleProblem>> {
        let mut reading = Reading { codec, rules: Vec::new(), problems: Vec::new() };
        reading.take("ignore", &self.ignore, Rule::Ignore);
        reading.take("trimmed", &self.trimmed, Rule::Trimmed);
        for (at, WrittenNumbers { fields, decimals }) in self.numbers.iter().enumerate() {
            reading.take(&format!("numbers[{at}].fields"), fields, |path| Rule::Numbers(path, *decimals));
        }
        for (at, WrittenTimestamps { fields, precision, epoch }) in self.timestamps.iter().enumerate() {
            let rule = |path| Rule::Timestamps(path, *precision, *epoch);
            reading.take(&format!("timestamps[{at}].fields"), fields, rule);
        }
        reading.take("sets", &self.sets, Rule::Sets);
        if self.null_is_absent {
            reading.note("null_is_absent", Rule::NullIsAbsent);
        }
        reading.finish()
    }
}

impl Rule {
    /// Why values of `codec` have no use for the rule, and what to write instead.
    pub(crate) fn objection(&self, codec: Codec) -> Option<&'static str> {
        let is_root = self.path().is_none_or(Path::is_root);
        match (codec, self) {
            (Codec::Bytes, _) => {
                Some("values of the codec `bytes` have no fields; remove `rules`, or set `codec` to another")
            }
            (Codec::Text, Self::Ignore(_) | Self::Sets(_) | Self::NullIsAbsent) => {
                Some("a text has no parts; remove it, or set `codec` to `json`")
            }
            (Codec::Text, _) if !is_root => Some("a text has no fields; write `.`, the value itself"),
            (Codec::Columns, _) if is_root && self.path().is_some() => {
                Some("the value itself is always an object here; write the name of a column")
            }
            (_, Self::Ignore(path)) if matches!(path.steps(), [] | [Step::Each]) => {
                Some("nothing would be left to compare; name the fields that do not count")
            }
            _ => None,
        }
    }
}

/// Rules read so far, and what is wrong with them.
struct Reading {
    codec: Codec,
    rules: Vec<Rule>,
    problems: Vec<RuleProblem>,
}

impl Reading {
    /// Reads the paths that stand at `place`.
    fn take(&mut self, place: &str, paths: &[String], rule: impl Fn(Path) -> Rule) {
        for (at, text) in paths.iter().enumerate() {
            let place = format!("{place}[{at}]");
            match text.parse() {
                Ok(path) => self.note(&place, rule(path)),
                Err(error) => self.refuse(&place, error.to_string()),
            }
        }
    }

    fn note(&mut self, place: &str, rule: Rule) {
        match rule.objection(self.codec) {
            Some(objection) => self.refuse(place, objection.to_owned()),
            None => self.rules.push(rule),
        }
    }

    fn refuse(&mut self, place: &str, message: String) {
        self.problems.push(RuleProblem { path: format!("rules.{place}"), message });
    }

    fn finish(mut self) -> Result<Rules, Vec<RuleProblem>> {
        if self.rules.len() > PATHS_MAX {
            let message = format!("have {} paths; write at most {PATHS_MAX}", self.rules.len());
            self.problems.push(RuleProblem { path: "rules".to_owned(), message });
        }
        self.refuse_contradictions();
        if self.problems.is_empty() { Ok(Rules::new(self.rules)) } else { Err(self.problems) }
    }

    /// A field is compared in one way.
    fn refuse_contradictions(&mut self) {
        let mut seen = BTreeSet::new();
        let mut twice = Vec::new();
        for rule in &self.rules {
            if let Rule::Numbers(path, _) | Rule::Timestamps(path, ..) = rule
                && !seen.insert(path)
            {
                twice.push((rule.section(), path.to_string()));
            }
        }
        for (section, path) in twice {
            self.refuse(
                section,
                format!("`{path}` has a rule under `numbers` or `timestamps` already; remove one"),
            );
        }
    }
}
