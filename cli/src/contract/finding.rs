//! What a comparator would make of what a store answered: errors are what keeps it from a verdict, warnings are what will hurt.

use super::comparison::{Comparison, compare};
use super::look::{Chosen, Seen};
use counterfoil_comparator::contract::Contract;
use counterfoil_comparator::store::{Answer, Description, Found, Reader, StoreError, StoreKind, differing};
use counterfoil_digest::Form;
use serde::Serialize;
use std::collections::BTreeSet;

/// One map against one store.
#[derive(Serialize)]
pub(super) struct Check {
    pub(super) map: String,
    pub(super) store: String,
    pub(super) kind: &'static str,
    /// How values are compared.
    pub(super) form: String,
    #[serde(flatten)]
    pub(super) description: Description,
    /// How long one read of these keys took, in milliseconds.
    pub(super) read_ms: Option<f64>,
    pub(super) keys: Vec<Key>,
    /// A value that was given beside the store's; `None` if none was, or they cannot be compared.
    pub(super) comparison: Option<Comparison>,
    pub(super) warnings: Vec<String>,
    pub(super) errors: Vec<String>,
}

/// One key, as the store has it.
#[derive(Serialize)]
pub(super) struct Key {
    pub(super) key: Shown,
    /// Whether there is a value; `None` if the store could not tell.
    pub(super) is_found: Option<bool>,
    pub(super) version: Option<u64>,
    /// Length of the value as it was read.
    pub(super) bytes: Option<usize>,
    /// What is compared; `None` if it is hidden, absent, or has no such form.
    pub(super) canonical: Option<Shown>,
    pub(super) error: Option<String>,
}

/// Bytes for people: as text where they are text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shown {
    Text(String),
    Hex(String),
}

impl Shown {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

impl Check {
    /// The same without what the values are.
    pub(super) fn without_values(mut self) -> Self {
        self.keys.iter_mut().for_each(|key| key.canonical = None);
        self.comparison = self.comparison.map(Comparison::without_values);
        self
    }
}

/// What is to be said about a contract's store, and of the value that the map's side has for the first key, if it is `given`.
pub(super) fn judge(contract: &Contract, reader: &Reader, seen: Seen, given: Option<&[u8]>) -> Check {
    let form = contract.digesters.form();
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    of_choice(&seen.chosen, &mut warnings, &mut errors);
    let answers = seen.answers.unwrap_or_else(|error| {
        errors.push(error.to_string());
        Vec::new()
    });
    of_noise(&answers, &seen.again, form, &mut warnings);
    let comparison = given.zip(answers.first()).and_then(|(given, found)| {
        let refused = |error| errors.push(format!("the value that was given: {error}"));
        compare(given, found, form).map_err(refused).ok().flatten()
    });
    let keys: Vec<_> = seen.keys.iter().zip(answers).map(|(key, answer)| key_of(key, answer, form)).collect();
    of_keys(&keys, &seen.chosen, &mut warnings, &mut errors);
    let description = seen.description.unwrap_or_else(|error| {
        let why = error.to_string();
        if !errors.iter().any(|error| error.contains(&why)) {
            warnings.push(format!("the store says nothing of itself: {why}"));
        }
        Description::default()
    });
    of_description(&description, contract, &mut warnings);
    Check {
        map: contract.name.to_string(),
        store: reader.name().to_owned(),
        kind: kind(reader.kind()),
        form: form.describe(),
        description,
        read_ms: seen.read_ms,
        keys,
        comparison,
        warnings,
        errors,
    }
}

fn kind(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Sqlite => "sqlite",
        StoreKind::Postgres => "postgres",
        StoreKind::Mysql => "mysql",
        StoreKind::Redis => "redis",
        StoreKind::Grpc => "grpc",
    }
}

fn of_choice(chosen: &Chosen, warnings: &mut Vec<String>, errors: &mut Vec<String>) {
    match chosen {
        Chosen::Given | Chosen::Scanned => {}
        Chosen::NoRows => warnings.push("the store has no rows, so no value was looked at".into()),
        Chosen::NoScan => errors.push(
            "no key was looked up: the contract has no `scan` that would give some; write one, or give --key KEY"
                .into(),
        ),
        Chosen::ScanFailed(StoreError::Query { why }) => {
            errors.push(format!("scan does not work: {why}; or give --key KEY"));
        }
        Chosen::ScanFailed(error) => errors.push(error.to_string()),
    }
}

fn key_of(key: &[u8], answer: Answer, form: &Form) -> Key {
    let unknown =
        Key { key: Shown::of(key), is_found: None, version: None, bytes: None, canonical: None, error: None };
    match answer {
        Err(error) => Key { error: Some(error.to_string()), ..unknown },
        Ok(Found::Absent) => Key { is_found: Some(false), ..unknown },
        Ok(Found::Value(value, version)) => {
            let (canonical, error) = match form.canonical(&value) {
                Ok(canonical) => (Some(Shown::of(&canonical)), None),
                Err(error) => (None, Some(error.to_string())),
            };
            Key { is_found: Some(true), version, bytes: Some(value.len()), canonical, error, ..unknown }
        }
    }
}

fn of_keys(keys: &[Key], chosen: &Chosen, warnings: &mut Vec<String>, errors: &mut Vec<String>) {
    let unusable = keys.iter().filter(|key| key.error.is_some()).count();
    if unusable > 0 {
        errors.push(format!("{unusable} of {} keys cannot be compared, see each key", keys.len()));
    }
    let absent = keys.iter().filter(|key| key.is_found == Some(false)).count();
    match chosen {
        Chosen::Scanned if absent > 0 => warnings.push(format!(
            "{absent} of {} keys that `scan` gave are absent to the lookup, or have just been removed; do both have the \
             same keys?",
            keys.len()
        )),
        Chosen::Given if absent == keys.len() => {
            warnings.push("none of the keys was found, so no value was looked at".into());
        }
        _ => {}
    }
}

/// What the same keys gave when they were read twice in a row.
fn of_noise(answers: &[Answer], again: &[Answer], form: &Form, warnings: &mut Vec<String>) {
    let told = answers.iter().zip(again).filter_map(|(first, second)| differing(first, second, form));
    let noisy: Vec<_> = told.filter(|hints| !hints.is_empty()).collect();
    if noisy.is_empty() {
        return;
    }
    let fields: BTreeSet<_> = noisy.iter().flatten().map(|hint| format!("`{}`", hint.field)).collect();
    let fields = Vec::from_iter(fields).join(", ");
    warnings.push(format!(
        "{} of {} keys gave another value when they were read again at once, in {fields}: unless they were just written, the \
         query gives another value for the same row each time, and nothing will ever agree; look for now(), random() or an \
         aggregate without an order, or `ignore` the fields in `rules`",
        noisy.len(),
        answers.len()
    ));
}

fn of_description(description: &Description, contract: &Contract, warnings: &mut Vec<String>) {
    if description.is_primary == Some(false) {
        warnings
            .push("the server is a replica and may answer with old values; point url at the primary".into());
    }
    for table in description.tables_scanned.iter().flatten() {
        warnings.push(format!(
            "the lookup reads all of `{table}` each time, as no index serves it; make one on what `query` compares with \
             the keys"
        ));
    }
    if let Some(rights) = description.may_write.as_ref().filter(|rights| !rights.is_empty()) {
        let rights = rights.join(", ");
        warnings.push(format!("these credentials might change {rights}; use some that can only read"));
    }
    if let Some(eviction) =
        description.eviction.as_ref().filter(|it| it.drops_values() && !contract.terms.expires)
    {
        let policy = &eviction.policy;
        warnings.push(format!(
            "the server drops values when its memory is full ({policy}), and they would be told as missing; write `expires: true` \
             in the contract, or make the server's policy noeviction"
        ));
    }
}
