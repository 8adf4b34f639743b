//! The contracts: what each map's owner promises about its stores, and the stores they name.
//!
//! A *check* is one map against one store. A map whose contract names several stores has as many checks; each is judged by
//! itself, with histories, outcomes and divergences of its own, and has a [`MapId`] of its own.

mod sample;

pub use sample::Sample;

use crate::gate;
use crate::store::{Lookup, Reader, Scan};
use counterfoil_digest::{MapDigesters, Mask};
use counterfoil_judge::{Scope, Terms};
use counterfoil_keys::TenantName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Number of a check among the contracts: of a map, where it has one store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MapId(pub u32);

impl MapId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// How much a divergence of a map matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody is to be woken up.
    Critical,
    /// Somebody is to look at it.
    #[default]
    Warning,
    /// It is good to know.
    Info,
}

impl Severity {
    /// The one of this label.
    pub(crate) fn of(label: &str) -> Option<Self> {
        [Self::Critical, Self::Warning, Self::Info].into_iter().find(|severity| severity.label() == label)
    }

    /// As it is written, and as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Most cohorts that a contract may name: each has series of its own.
pub const COHORTS_MAX: usize = 32;

/// The place of a cohort among those that a contract names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cohort(u8);

impl Cohort {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.into()
    }
}

const _: () = assert!(COHORTS_MAX <= 256, "a byte numbers them");

/// One map's contract with one store.
pub struct Contract {
    /// The map's name.
    pub name: Arc<str>,
    /// Whose map it is: only that tenant's sources report about it.
    pub tenant: TenantName,
    /// Index of its store among [`Contracts::readers`].
    pub store: usize,
    /// Whether a store leg that is reported is this store's: it is that of the first store of its map. Of the others' calls
    /// nobody tells, so the contract supplies their legs.
    pub is_reported: bool,
    /// How its keys are looked up there.
    pub lookup: Lookup,
    /// How all its keys there are gone through; `None` if nobody wrote how.
    pub scan: Option<Scan>,
    /// Digests what is found, under each key that batches are accepted under.
    pub digesters: MapDigesters,
    /// What it says about time.
    pub terms: Terms,
    /// Which of its keys are checked: the same ones in every store of the map.
    pub sample: Sample,
    /// How much its divergences matter.
    pub severity: Severity,
    /// The cohorts, as `key=value`, whose outcomes are counted by themselves. At most [`COHORTS_MAX`].
    pub cohorts: Vec<String>,
    /// What is demanded before traffic is moved over.
    pub gate: gate::Terms,
    /// What a person says of recalling values from sidecars; `None` where he did not turn it on.
    pub values: Option<Values>,
}

/// Values of a map may be recalled.
#[derive(Clone, Debug)]
pub struct Values {
    /// Fields that are replaced before somebody sees a value, of either side.
    pub mask: Mask,
}

impl Contract {
    /// The cohort of this name; `None` if it is counted with the others.
    #[must_use]
    pub fn cohort(&self, name: &str) -> Option<Cohort> {
        let place = self.cohorts.iter().position(|known| known == name)?;
        u8::try_from(place).ok().map(Cohort)
    }

    /// Whether the store can be gone through for rows that the map does not know. A copy of each process holds what it likes.
    #[must_use]
    pub fn has_scan(&self) -> bool {
        self.scan.is_some() && self.terms.scope == Scope::Shared
    }
}

impl std::fmt::Debug for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contract")
            .field("name", &self.name)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// All contracts and stores of a comparator. Neither changes while it runs.
#[derive(Debug)]
pub struct Contracts {
    contracts: Vec<Contract>,
    /// The checks of each map, in the order of its stores.
    by_name: HashMap<Arc<str>, Vec<MapId>>,
    /// Each once, in the order of their names.
    tenants: Vec<TenantName>,
    readers: Vec<Arc<Reader>>,
    deadline_max: i64,
}

impl Contracts {
    /// The contracts in their order; `readers` are what their `store` points into.
    #[must_use]
    pub fn new(contracts: Vec<Contract>, readers: Vec<Reader>) -> Self {
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (contract, id) in contracts.iter().zip(0..) {
            by_name.entry(contract.name.clone()).or_default().push(MapId(id));
        }
        let deadline_max = contracts.iter().map(|contract| contract.terms.deadline).max().unwrap_or(0);
        let mut tenants: Vec<_> = contracts.iter().map(|contract| contract.tenant.clone()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let readers = readers.into_iter().map(Arc::new).collect();
        Self { by_name, tenants, readers, deadline_max, contracts }
    }

    /// The contract of a check.
    #[must_use]
    pub fn get(&self, map: MapId) -> Option<&Contract> {
        self.contracts.get(map.index())
    }

    /// The checks of the map of this name, the one whose store leg is reported first; none if it is not the tenant's.
    #[must_use]
    pub fn find(&self, tenant: &TenantName, name: &str) -> &[MapId] {
        let checks = self.checks(name);
        let is_of_tenant =
            |first: &MapId| self.get(*first).is_some_and(|contract| contract.tenant == *tenant);
        if checks.first().is_some_and(is_of_tenant) { checks } else { &[] }
    }

    /// The check of this map, whosever it is, against this store; against its first one if no store is named.
    #[must_use]
    pub fn named(&self, name: &str, store: Option<&str>) -> Option<MapId> {
        let is_against = |id: &&MapId| store.is_none_or(|store| self.store_name(**id) == Some(store));
        self.checks(name).iter().find(is_against).copied()
    }

    /// How much divergences of the map of this name matter; `None` if it has no contract.
    #[must_use]
    pub fn severity(&self, name: &str) -> Option<Severity> {
        self.get(*self.checks(name).first()?).map(|contract| contract.severity)
    }

    /// The name of a check's store.
    #[must_use]
    pub fn store_name(&self, map: MapId) -> Option<&str> {
        self.readers.get(self.get(map)?.store).map(|reader| reader.name())
    }

    fn checks(&self, name: &str) -> &[MapId] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The tenants that have a map, in the order of their names.
    #[must_use]
    pub fn tenants(&self) -> &[TenantName] {
        &self.tenants
    }

    /// The place of a tenant among [`Self::tenants`].
    #[must_use]
    pub fn tenant_place(&self, tenant: &TenantName) -> Option<usize> {
        self.tenants.binary_search(tenant).ok()
    }

    /// The contracts in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Contract> {
        self.contracts.iter()
    }

    /// The stores.
    #[must_use]
    pub fn readers(&self) -> &[Arc<Reader>] {
        &self.readers
    }

    /// The longest deadline of any map, in nanoseconds.
    #[must_use]
    pub fn deadline_max(&self) -> i64 {
        self.deadline_max
    }
}
