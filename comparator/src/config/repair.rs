//! Repair, as a person writes it into the configuration: once for the comparator, and for each map that may be repaired.

use super::{Written, WrittenMap, notify, wide};
use crate::contract::{Contract, Contracts, MapId};
use crate::repair::{BreakerTerms, Direction, Means, Own, Settings, Terms, Webhook};
use crate::store::{Changer, StoreUrl, Writing, WrittenStatements, WrittenStore};
use counterfoil_judge::Scope;
use counterfoil_keys::{DeploymentKey, Keyring, SigningKey};
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Nanoseconds in an hour.
const HOUR: i64 = 3_600_000_000_000;

/// What holds for the repairs of all maps.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenRepairs {
    /// A file of 64 hexadecimal digits that others may not read (mode 0400): the key that entries of the audit log are signed
    /// with. Without it they are chained, and not signed.
    pub signing_key_file: Option<PathBuf>,
    /// How long what a repair replaced is kept, sealed, so that it can be undone, in hours. 0 keeps nothing.
    #[schemars(range(max = 8_760))]
    pub undo_keep_h: u32,
}

impl Default for WrittenRepairs {
    fn default() -> Self {
        Self { signing_key_file: None, undo_keep_h: 72 }
    }
}

/// How a map and its store are brought together again where they diverge. Without this section nothing is ever written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenRepair {
    /// Which side is right: `map_wins`, `store_wins`, `newest_wins` (the map where the store holds an older write of it, else
    /// somebody is asked) or `ask` (whoever applies a repair says which).
    #[schemars(schema_with = "direction_schema")]
    pub direction: Direction,
    /// Who applies repairs: `by_hand` or `automatic`.
    #[serde(default)]
    pub apply: WrittenApply,
    /// Who has repairs made in place of the comparator, which then needs none of the keys from `url` to `locked_query`.
    #[serde(default)]
    pub webhook: Option<WrittenWebhook>,
    /// Where the store is, for a user who may write; of the same kind as the map's store. Everything but `url` and
    /// `password_file` is as it is for that store. Needed without `webhook`.
    #[serde(default)]
    pub url: Option<StoreUrl>,
    /// A file that holds the password and nothing else; read at each connect.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// SQL: makes a row, such as `INSERT INTO cart (k, v) VALUES ($key, $value)`. It has to fail where there is one already.
    #[serde(default)]
    pub insert: Option<String>,
    /// SQL: changes the row of a key, such as `UPDATE cart SET v = $value WHERE k = $key`.
    #[serde(default)]
    pub update: Option<String>,
    /// SQL: takes the row of a key away, such as `DELETE FROM cart WHERE k = $key`.
    #[serde(default)]
    pub remove: Option<String>,
    /// Postgres, MySQL and MariaDB: the map's `query` so that it locks the row, such as `SELECT k, v FROM cart WHERE k = ANY($1) FOR
    /// UPDATE`.
    #[serde(default)]
    pub locked_query: Option<String>,
    /// Most repairs of the map in a minute.
    #[serde(default = "rate_per_minute_max")]
    #[schemars(range(min = 1, max = 6_000))]
    pub rate_per_minute_max: u32,
    /// When repairs of the map stop until somebody lets them go on.
    #[serde(default)]
    pub breaker: WrittenBreaker,
}

/// Who is handed what is to be done.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenWebhook {
    /// Where tasks are posted to: CloudEvents, signed as in Standard Webhooks.
    #[schemars(length(max = 500))]
    pub url: String,
    /// A file that others may not read (mode 0400) with what tasks are signed with: `whsec_` and 24 to 64 random bytes in base 64.
    pub secret_file: PathBuf,
}

/// Who applies repairs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrittenApply {
    /// An operator, one plan after the other.
    #[default]
    ByHand,
    /// The comparator, as divergences are confirmed.
    Automatic,
}

/// When repairs of a map stop. They also stop where most repairs come to nothing, and where divergences multiply while the map is
/// repaired.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenBreaker {
    /// So many divergences that came back after they were repaired, within an hour.
    #[schemars(range(min = 1, max = 1_000))]
    pub recurrences_max: u32,
}

impl Default for WrittenBreaker {
    fn default() -> Self {
        Self { recurrences_max: 3 }
    }
}

fn rate_per_minute_max() -> u32 {
    60
}

/// A plain list, so that a refusal can name what may be written.
fn direction_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "enum": ["map_wins", "store_wins", "newest_wins", "ask"] })
}

/// What repairs need; `None` where no map may be repaired, or there are problems.
pub(super) fn settings(
    written: &Written,
    contracts: &Contracts,
    keys: &Keyring<DeploymentKey>,
    source: &str,
    problems: &mut Problems,
) -> Option<Settings> {
    let mut maps = Vec::new();
    for (at, map) in written.maps.iter().enumerate() {
        let Some(repair) = &map.repair else { continue };
        let path = format!("maps[{at}].repair");
        let Some((id, contract, store)) = repairable(map, contracts, &path, problems) else { continue };
        let means = match &repair.webhook {
            Some(webhook) => handed(webhook, repair, source, &path, problems),
            None => own(written.stores.get(store), repair, contract, &path, problems),
        };
        maps.extend(means.map(|means| terms(id, store, repair, means, map)));
    }
    let of_all = written.repair.clone().unwrap_or_default();
    let signing = of_all.signing_key_file.as_deref().map(SigningKey::from_file).transpose();
    let signing = signing.unwrap_or_else(|error| {
        problems.add("repair.signing_key_file", error.to_string());
        None
    });
    (!maps.is_empty()).then(|| Settings {
        maps,
        signing,
        undo_keep_ns: i64::from(of_all.undo_keep_h) * HOUR,
        keys: keys.clone(),
    })
}

/// A map that may be repaired, and its store.
fn repairable<'a>(
    map: &'a WrittenMap,
    contracts: &'a Contracts,
    path: &str,
    problems: &mut Problems,
) -> Option<(MapId, &'a Contract, &'a str)> {
    let id = contracts.named(&map.name, None)?;
    let contract = contracts.get(id)?;
    if map.stores.is_some() || contract.terms.scope == Scope::Process {
        problems.add(path, "goes with one `store` and `scope: shared`; remove this section");
        return None;
    }
    Some((id, contract, map.store.as_deref()?))
}

fn terms(id: MapId, store: &str, repair: &WrittenRepair, means: Means, map: &WrittenMap) -> Terms {
    Terms {
        id,
        name: map.name.as_str().into(),
        store: store.to_owned(),
        direction: repair.direction,
        is_automatic: repair.apply == WrittenApply::Automatic,
        means,
        rate_per_minute_max: wide(repair.rate_per_minute_max),
        breaker: BreakerTerms { recurrences_max: repair.breaker.recurrences_max.into() },
    }
}

/// Somebody who is handed the tasks, and then nothing with which the comparator would write by itself.
fn handed(
    webhook: &WrittenWebhook,
    repair: &WrittenRepair,
    source: &str,
    path: &str,
    problems: &mut Problems,
) -> Option<Means> {
    for (key, is_given) in [
        ("url", repair.url.is_some()),
        ("password_file", repair.password_file.is_some()),
        ("insert", repair.insert.is_some()),
        ("update", repair.update.is_some()),
        ("remove", repair.remove.is_some()),
        ("locked_query", repair.locked_query.is_some()),
    ] {
        if is_given {
            problems.add(
                format!("{path}.{key}"),
                "not beside `webhook`, which is handed the tasks; leave one out",
            );
        }
    }
    let path = format!("{path}.webhook");
    let (url, secret) = notify::webhook(webhook, &path, problems)?;
    let webhook = Webhook::new(url, secret, source);
    let webhook = webhook.map_err(|error| problems.add(format!("{path}.url"), error.to_string()));
    webhook.ok().map(|webhook| Means::Webhook(Box::new(webhook)))
}

/// What changes the store, with the credential of its own, and how.
fn own(
    read: Option<&WrittenStore>,
    repair: &WrittenRepair,
    contract: &Contract,
    path: &str,
    problems: &mut Problems,
) -> Option<Means> {
    let read = read?;
    let Some(url) = repair.url.clone() else {
        problems.add(
            format!("{path}.url"),
            "missing; write where the store is, for a user who may write, or a section `webhook`",
        );
        return None;
    };
    if url.kind() != read.url.kind() {
        problems.add(format!("{path}.url"), "is of another kind of store than that of the map's store");
        return None;
    }
    let password_file = repair.password_file.clone();
    let written = WrittenStore { url, password_file, ..read.clone() };
    let changer = Changer::new(&written).map_err(|found| problems.add_below(path, found.0)).ok()?;
    let statements = WrittenStatements {
        insert: repair.insert.as_deref(),
        update: repair.update.as_deref(),
        remove: repair.remove.as_deref(),
        locked_query: repair.locked_query.as_deref(),
    };
    let writing = Writing::new(statements, &contract.lookup, changer.kind(), path, problems)?;
    Some(Means::Own(Box::new(Own { changer, writing })))
}

#[cfg(test)]
mod tests;
