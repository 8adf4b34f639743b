//! Paths: which fields of a value a rule is about.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Longest path, in steps: deeper than any value that is worth a rule.
const STEPS_MAX: usize = 32;

/// Fields of a value: `price`, `address.city`, `items.*.price`.
///
/// Names of members with a point between them; `*` is every member of an object or element of an array. A lone `.` is the
/// value itself. A backslash takes away the meaning of the character behind it (`a\.b` is one name), and `\0` is a name
/// without characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Path(Vec<Step>);

/// One step down.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    /// To the member of this name.
    Member(String),
    /// To every member or element.
    Each,
}

/// The name of a member as it is written in a path.
pub(crate) struct MemberName<'a>(pub(crate) &'a str);

/// It is no path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PathError {
    /// Nothing, or nothing between two points.
    #[error("has an empty name; write member names with one point between, such as `address.city`, or `.`")]
    Empty,
    /// Characters that nobody can read.
    #[error("has a control character; name the object that the member is in")]
    Control,
    /// Too deep.
    #[error("has more than {STEPS_MAX} steps; name an object further up")]
    Deep,
}

impl Path {
    /// Its steps, the outermost first.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it is the value itself.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path one step further down.
    pub(crate) fn join(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// Whether the two may lead to one part.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let is_same =
            |(one, other): (&Step, &Step)| one == other || *one == Step::Each || *other == Step::Each;
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }

    /// Whether it can be written, and read back.
    pub(crate) fn is_writable(&self) -> bool {
        self.to_string().parse() == Ok(self.clone())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text == "." {
            return Ok(Self::default());
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        let mut steps = Vec::new();
        let mut chars = text.chars().peekable();
        loop {
            let (step, is_last) = next_step(&mut chars)?;
            steps.push(step);
            if steps.len() > STEPS_MAX {
                return Err(PathError::Deep);
            }
            if is_last {
                return Ok(Self(steps));
            }
        }
    }
}

/// The step that comes next, and whether it is the last one.
fn next_step(chars: &mut impl Iterator<Item = char>) -> Result<(Step, bool), PathError> {
    let (mut name, mut is_escaped, mut is_last) = (String::new(), false, true);
    while let Some(next) = chars.next() {
        match next {
            '\\' => {
                is_escaped = true;
                name.extend(chars.next().filter(|escaped| *escaped != '0'));
            }
            '.' => {
                is_last = false;
                break;
            }
            _ => name.push(next),
        }
    }
    match (name.as_str(), is_escaped) {
        ("", false) => Err(PathError::Empty),
        ("*", false) => Ok((Step::Each, is_last)),
        _ => Ok((Step::Member(name), is_last)),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            step.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.write_str("*"),
            Self::Member(name) => MemberName(name).fmt(f),
        }
    }
}

impl fmt::Display for MemberName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str(r"\0"),
            "*" => f.write_str(r"\*"),
            name if name.contains(['\\', '.']) => f.write_str(&name.replace('\\', r"\\").replace('.', r"\.")),
            name => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(name: &str) -> Step {
        Step::Member(name.to_owned())
    }

    #[test]
    fn a_path_is_names_with_points_between() {
        for (text, steps) in [
            (".", vec![]),
            ("price", vec![member("price")]),
            ("items.*.price", vec![member("items"), Step::Each, member("price")]),
            (r"a\.b.\*.\\", vec![member("a.b"), member("*"), member("\\")]),
            (r"\0", vec![member("")]),
            ("**", vec![member("**")]),
        ] {
            assert_eq!(text.parse(), Ok(Path(steps)), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_says_what_to_write() {
        let deep = vec!["a"; STEPS_MAX + 1].join(".");
        for (text, expected) in [
            ("", PathError::Empty),
            ("a..b", PathError::Empty),
            ("a.", PathError::Empty),
            (".a", PathError::Empty),
            ("a\nb", PathError::Control),
            (deep.as_str(), PathError::Deep),
        ] {
            assert_eq!(text.parse::<Path>(), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_path_reads_back_as_it_was_written(names in prop::collection::vec(r"[ab.*\\0é ]{0,4}", 1..4)) {
            let path = Path(names.iter().map(|name| member(name)).collect());
            prop_assert!(path.is_writable(), "{}", path);
        }
    }
}
