//! From the maps and stores of a configuration to contracts: one for each store of a map.

use super::{MS, Written, WrittenMap, WrittenMapStore, recall};
use crate::contract::{Contract, Contracts, Sample};
use crate::store::{Reader, Rows, WrittenLookup};
use counterfoil_digest::{Codec, Form, MapDigesters, RuleProblem};
use counterfoil_judge::Terms;
use counterfoil_keys::{DeploymentKey, Keyring, TenantName};
use counterfoil_settings::{Problem, Problems};
use std::collections::BTreeMap;

/// Most contracts; the key table has 16 bits for one.
const CONTRACTS_MAX: usize = 65_000;

/// Most stores of a map: each is a history, a read and an outcome more for every event.
const STORES_MAX: usize = 4;

/// The stores by their names, in whose order contracts number them.
type Readers<'a> = BTreeMap<&'a str, Reader>;

/// All contracts, and the stores they name; `None` if there are problems.
pub(super) fn contracts(
    written: &Written,
    keys: &Keyring<DeploymentKey>,
    problems: &mut Problems,
) -> Option<Contracts> {
    let readers = readers(written, problems);
    if written.maps.is_empty() {
        problems.add("maps", "empty; write a contract for each map");
    }
    let mut contracts = Vec::new();
    for (at, map) in written.maps.iter().enumerate() {
        let path = format!("maps[{at}]");
        if written.maps.iter().take(at).any(|other| other.name == map.name) {
            problems.add(format!("{path}.name"), format!("`{}` has a contract already", map.name));
        }
        contracts.extend(of_map(map, &path, keys, &readers, problems));
    }
    if contracts.len() > CONTRACTS_MAX {
        let count = contracts.len();
        problems.add(
            "maps",
            format!("has {count} contracts, one per map and store; at most {CONTRACTS_MAX} fit"),
        );
    }
    problems.0.is_empty().then(|| Contracts::new(contracts, readers.into_values().collect()))
}

fn readers<'a>(written: &'a Written, problems: &mut Problems) -> Readers<'a> {
    let mut readers = BTreeMap::new();
    for (name, store) in &written.stores {
        match Reader::new(name, store) {
            Ok(reader) => _ = readers.insert(name.as_str(), reader),
            Err(found) => problems.add_below(&format!("stores.{name}"), found.0),
        }
    }
    readers
}

/// The contracts of one map, in the order of its stores.
fn of_map(
    map: &WrittenMap,
    path: &str,
    keys: &Keyring<DeploymentKey>,
    readers: &Readers<'_>,
    problems: &mut Problems,
) -> Vec<Contract> {
    let tenant = map.tenant.parse::<TenantName>();
    if let Err(error) = &tenant {
        problems.add(format!("{path}.tenant"), error.to_string());
    }
    let tenant = tenant.unwrap_or_default();
    let sample = sample(map, path, problems);
    check_cohorts(map, path, problems);
    map.gate.check(&format!("{path}.gate"), problems);
    let Some(form) = form(map, path, problems) else { return Vec::new() };
    let values = recall::values(map, &form, path, problems);
    let rows = if map.codec == Codec::Columns { Rows::Columns } else { Rows::Value };
    let mut contracts = Vec::new();
    for (place, (path, store)) in stores(map, path, problems).into_iter().enumerate() {
        let Some((number, kind)) = find(readers, &store.store, &path, problems) else { continue };
        let scan = store.lookup.scan(&path, kind, rows, problems);
        if let Some(lookup) = store.lookup.used(&path, kind, rows, problems) {
            let terms = terms(map, &store);
            contracts.push(Contract {
                name: map.name.as_str().into(),
                digesters: MapDigesters::new(&keys.tenant(&tenant), &map.name, form.clone()),
                tenant: tenant.clone(),
                store: number,
                is_reported: place == 0,
                lookup,
                scan,
                gate: map.gate.terms(&terms),
                terms,
                sample,
                severity: map.severity,
                cohorts: map.cohorts.clone(),
                values: values.clone(),
            });
        }
    }
    contracts
}

/// How the map's values are compared.
fn form(map: &WrittenMap, path: &str, problems: &mut Problems) -> Option<Form> {
    let note = |found: Vec<RuleProblem>| {
        let found = found.into_iter().map(|RuleProblem { path, message }| Problem { path, message });
        problems.add_below(path, found);
    };
    Form::new(map.codec, &map.rules).map_err(note).ok()
}

/// Which of the map's keys are checked.
fn sample(map: &WrittenMap, path: &str, problems: &mut Problems) -> Sample {
    let sample = Sample::of(map.sample);
    if sample.is_none() {
        let message = format!("is {}; write the share of keys to check, above 0 and at most 1", map.sample);
        problems.add(format!("{path}.sample"), message);
    }
    sample.unwrap_or(Sample::ALL)
}

fn check_cohorts(map: &WrittenMap, path: &str, problems: &mut Problems) {
    for (at, cohort) in map.cohorts.iter().enumerate() {
        let message = match cohort.split_once('=') {
            _ if map.cohorts.iter().take(at).any(|other| other == cohort) => "is there twice; remove one",
            Some((key, value)) if !key.is_empty() && !value.is_empty() => continue,
            _ => "write a key of baggage and its value, such as `deployment=canary`",
        };
        problems.add(format!("{path}.cohorts[{at}]"), format!("`{cohort}`: {message}"));
    }
}

/// The stores of a map, each with the path of the keys that are about it.
fn stores(map: &WrittenMap, path: &str, problems: &mut Problems) -> Vec<(String, WrittenMapStore)> {
    match (&map.store, &map.stores) {
        (Some(store), None) => {
            let (store, lookup) = (store.clone(), map.lookup.clone());
            let alone = WrittenMapStore { store, lookup, deadline_ms: None, lead_ms: None, expires: None };
            vec![(path.to_owned(), alone)]
        }
        (None, Some(stores)) => {
            check_several(map, stores, path, problems);
            let path_of = |place| format!("{path}.stores[{place}]");
            stores.iter().enumerate().map(|(place, store)| (path_of(place), store.clone())).collect()
        }
        (None, None) => {
            problems
                .add(format!("{path}.store"), "missing; write the name of a store, or a list of `stores`");
            Vec::new()
        }
        (Some(_), Some(_)) => {
            problems.add(format!("{path}.stores"), "write `store` or `stores`, not both");
            Vec::new()
        }
    }
}

fn check_several(map: &WrittenMap, stores: &[WrittenMapStore], path: &str, problems: &mut Problems) {
    let count = stores.len();
    if !(1..=STORES_MAX).contains(&count) {
        problems.add(format!("{path}.stores"), format!("has {count} stores; write 1 to {STORES_MAX}"));
    }
    for (place, store) in stores.iter().enumerate() {
        if stores.iter().take(place).any(|other| other.store == store.store) {
            let message = format!("`{}` is there already; name each store once", store.store);
            problems.add(format!("{path}.stores[{place}].store"), message);
        }
    }
    if map.lookup != WrittenLookup::default() {
        problems.add(
            path,
            "has a lookup beside `stores`; write query, key_type, prefix and hash within each of them",
        );
    }
}

/// Number and kind of the store of this name.
fn find(
    readers: &Readers<'_>,
    name: &str,
    path: &str,
    problems: &mut Problems,
) -> Option<(usize, crate::store::StoreKind)> {
    let number = readers.keys().position(|known| *known == name);
    let found = number.zip(readers.get(name).map(Reader::kind));
    if found.is_none() {
        let known = readers.keys().copied().collect::<Vec<_>>().join(", ");
        problems.add(format!("{path}.store"), format!("`{name}` is not in stores; there is: {known}"));
    }
    found
}

fn terms(map: &WrittenMap, store: &WrittenMapStore) -> Terms {
    let ms = |count: u32| i64::from(count) * MS;
    let deadline_ms = store.deadline_ms.unwrap_or(map.deadline_ms);
    Terms {
        deadline: ms(deadline_ms),
        lead: ms(store.lead_ms.unwrap_or(map.lead_ms)),
        give_up: map.give_up_ms.map(ms),
        patience: ms(map.patience_ms.unwrap_or(deadline_ms)),
        expires: store.expires.unwrap_or(map.expires),
        scope: map.scope.into(),
    }
}
