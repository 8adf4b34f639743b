//! What is generated: `docs/config.md` from the types of the configurations, `docs/metrics.md` from the catalogues of metrics,
//! and the dashboards.

use crate::dashboards;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The generated files: where each is, and what it should say.
#[must_use]
pub fn pages() -> Vec<(PathBuf, String)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let pages = [(docs.join("config.md"), config()), (docs.join("metrics.md"), metrics())];
    let dashboards = dashboards::all().map(|dashboard| (dashboard.path(), dashboard.json()));
    pages.into_iter().chain(dashboards).collect()
}

const CONFIG_HEAD: &str = "\
# Configuration

Written by `cargo xtask docs` from the types; do not edit. `counterfoil config check FILE` checks a file,
`counterfoil config schema sidecar` and `counterfoil config schema comparator` print the JSON Schemas that this page is made
of. `[]` stands for the index of a list entry, `*` for a name of your choice.
";

fn config() -> String {
    let mut page = CONFIG_HEAD.to_owned();
    let schemas = [
        ("The sidecar", counterfoil_settings::json_schema::<counterfoil_sidecar::config::Written>()),
        ("The comparator", counterfoil_settings::json_schema::<counterfoil_comparator::config::Written>()),
    ];
    for (title, schema) in schemas {
        writeln!(page, "\n## {title}\n\n| key | type | meaning |\n|---|---|---|").expect("a string grows");
        rows(&schema, &schema, "", &mut page);
    }
    page
}

/// A row for each key of an object, and then for the keys below it.
fn rows(root: &Value, object: &Value, path: &str, page: &mut String) {
    let properties = object.get("properties").and_then(Value::as_object);
    let required = object.get("required").and_then(Value::as_array);
    for (key, written) in properties.into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let resolved = resolve(root, written);
        let needed = required.is_some_and(|keys| keys.iter().any(|it| it == key));
        let meaning =
            text(written, "description").or_else(|| text(resolved, "description")).unwrap_or_default();
        let needed = if needed { " **Needed.**" } else { "" };
        let default = written.get("default").filter(|it| !it.is_object() && !it.is_null());
        let default = default.map(|it| format!(" Default: `{it}`.")).unwrap_or_default();
        let meaning = meaning.replace('\n', " ").replace('|', "\\|");
        writeln!(page, "| `{path}` | {} | {meaning}{default}{needed} |", kind(root, resolved))
            .expect("a string grows");
        rows(root, resolved, &path, page);
        if let Some(entry) = resolved.get("items") {
            rows(root, resolve(root, entry), &format!("{path}[]"), page);
        }
        if let Some(entry) = resolved.get("additionalProperties").filter(|it| it.is_object()) {
            rows(root, resolve(root, entry), &format!("{path}.*"), page);
        }
    }
}

/// Follows `$ref`, and takes what is not null out of "this or null".
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(schema, |target| resolve(root, target));
    }
    let choices = schema.get("anyOf").and_then(Value::as_array);
    let choice =
        choices.and_then(|it| it.iter().find(|choice| text(choice, "type").as_deref() != Some("null")));
    choice.map_or(schema, |choice| resolve(root, choice))
}

/// The type in words, with its range or its choices.
fn kind(root: &Value, schema: &Value) -> String {
    if let Some(words) = choices(schema) {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            names.iter().find_map(|it| it.as_str().filter(|it| *it != "null")).unwrap_or("any").into()
        }
        _ => "any".to_owned(),
    };
    let bound = |key: &str| schema.get(key).map(ToString::to_string);
    match (name.as_str(), bound("minimum"), bound("maximum")) {
        ("object", ..) if schema.get("properties").is_some() => "section".to_owned(),
        ("object", ..) => "sections by name".to_owned(),
        ("array", ..) => {
            let of = schema.get("items").map(|entry| kind(root, resolve(root, entry))).unwrap_or_default();
            format!("list of {of}")
        }
        (_, Some(least), Some(most)) => format!("{name}, {least} to {most}"),
        (_, None, Some(most)) => format!("{name} up to {most}"),
        (_, Some(least), None) => format!("{name} from {least}"),
        _ => name,
    }
}

/// The words of a closed list.
fn choices(schema: &Value) -> Option<Vec<String>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let words: Vec<_> =
        schema.get("oneOf")?.as_array()?.iter().filter_map(|choice| text(choice, "const")).collect();
    (!words.is_empty()).then_some(words)
}

fn text(schema: &Value, key: &str) -> Option<String> {
    schema.get(key).and_then(Value::as_str).map(str::to_owned)
}

const METRICS_HEAD: &str = "\
# Metrics

Written by `cargo xtask docs` from the catalogues; do not edit. Both processes serve them at `/metrics` in Prometheus' text
format. Every series exists from the start of its process, at 0.
";

fn metrics() -> String {
    let sections =
        [("Sidecar", counterfoil_sidecar::METRICS), ("Comparator", counterfoil_comparator::METRICS)];
    format!("{METRICS_HEAD}\n{}", counterfoil_telemetry::catalogue_markdown(&sections))
}
