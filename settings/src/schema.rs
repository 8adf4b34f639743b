//! The check of a configuration against the schema of its type.

use crate::{Problem, Problems};
use jsonschema::error::ValidationErrorKind;
use schemars::JsonSchema;
use serde_json::Value;

pub(crate) fn check<T: JsonSchema>(value: &Value) -> Result<(), Problems> {
    let schema = crate::json_schema::<T>();
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| Problem { path: String::new(), message: format!("schema: {error}") })?;
    let mut problems = Problems::default();
    for error in validator.iter_errors(value) {
        let path = dotted(error.instance_path().as_str());
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    problems.add(join(&path, key), format!("unknown key; {}", known_keys(&schema, &error)));
                }
            }
            ValidationErrorKind::Required { property } => {
                problems.add(join(&path, property.as_str().unwrap_or_default()), "missing; add this key");
            }
            _ => problems.add(path, error.to_string()),
        }
    }
    problems.none_or(())
}

/// `/maps/0/name` as `maps[0].name`.
fn dotted(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, part| match part.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) => join(&path, part),
    })
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The keys that the refused key's section has.
fn known_keys(schema: &Value, error: &jsonschema::ValidationError<'_>) -> String {
    let pointer = error.schema_path().as_str();
    let section = pointer.strip_suffix("/additionalProperties").unwrap_or_default();
    let section = resolve(schema, section);
    let keys = section.and_then(|section| section.get("properties")).and_then(Value::as_object);
    match keys {
        Some(keys) => {
            format!("known here: {}", keys.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        None => "remove it".to_owned(),
    }
}

/// Walks a schema path, following `$ref` steps.
fn resolve<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').filter(|part| !part.is_empty()).try_fold(root, |at, part| {
        if part == "$ref" {
            return root.pointer(at.get("$ref")?.as_str()?.strip_prefix('#')?);
        }
        match part.parse::<usize>() {
            Ok(index) if at.is_array() => at.get(index),
            _ => at.get(part),
        }
    })
}
