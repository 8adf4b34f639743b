//! `path=value` pairs that are laid over the file.

use crate::{Problems, parse};
use serde_json::{Map, Value};

/// Environment variables that begin with this are overlays: `COUNTERFOIL__LIMITS__KEY_BYTES_MAX=100` sets
/// `limits.key_bytes_max`.
const ENVIRONMENT_PREFIX: &str = "COUNTERFOIL__";

/// Turns environment variables into overlays; others are left alone.
#[must_use]
pub fn from_environment(variables: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut overlays: Vec<_> = variables
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(ENVIRONMENT_PREFIX)?.to_lowercase().replace("__", ".");
            Some(format!("{path}={value}"))
        })
        .collect();
    overlays.sort();
    overlays
}

/// Sets the key that `overlay` names in `root`; sections that are missing are made.
pub(crate) fn apply(root: &mut Value, overlay: &str, problems: &mut Problems) {
    let Some((path, text)) = overlay.split_once('=') else {
        problems.add(overlay, "an overlay is written as path=value, such as limits.key_bytes_max=100");
        return;
    };
    let Ok(value) = parse(text) else {
        problems.add(path, format!("the overlaid value `{text}` is not YAML"));
        return;
    };
    match slot(root, path) {
        Some(slot) => *slot = value,
        None => problems.add(path, "an overlay needs a path of keys and [indexes] that fits the file"),
    }
}

fn slot<'a>(mut at: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    for part in path.split('.') {
        let (key, indexes) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        if key.is_empty() {
            return None;
        }
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut()?.entry(key).or_insert(Value::Null);
        for index in indexes.split_terminator('[').filter(|index| !index.is_empty()) {
            let index: usize = index.strip_suffix(']')?.parse().ok()?;
            at = at.as_array_mut()?.get_mut(index)?;
        }
    }
    Some(at)
}
