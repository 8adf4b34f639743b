//! What is asked of the gate: parameters of a query, or a webhook's metadata. Anything that is not understood is refused: a window
//! or a cohort that is overlooked would be another question.

use crate::api::error::ApiError;
use crate::contract::{Contract, Contracts, MapId};
use crate::gate::{WINDOW_MAX, WINDOW_MIN};
use crate::tally::OTHER;
use jiff::SignedDuration;

/// The window of a question that does not say how long, in nanoseconds.
pub(crate) const WINDOW: i64 = 600_000_000_000;

const PARAMETERS: &str = "map, store, cohort, against, window";

/// A question.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Asked {
    /// About this map; about all of them if it is not said.
    map: Option<String>,
    /// Against this store; against each of the map's if it is not said.
    store: Option<String>,
    /// About the events of this cohort alone.
    pub(super) cohort: Option<String>,
    /// Whether that cohort is worse than this one.
    pub(super) against: Option<String>,
    /// The length of time, until now, in nanoseconds.
    pub(super) window: i64,
}

/// Places of cohorts among the counts of a check.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Slots {
    /// Of the one that is asked about; `None` for all.
    pub(crate) cohort: Option<usize>,
    /// Of the one that it is compared with.
    pub(crate) against: Option<usize>,
}

impl Asked {
    pub(super) fn of(parameters: impl Iterator<Item = (String, String)>) -> Result<Self, ApiError> {
        let (mut map, mut store, mut cohort, mut against, mut window) = (None, None, None, None, None);
        for (name, value) in parameters {
            let place = match name.as_str() {
                "map" => &mut map,
                "store" => &mut store,
                "cohort" => &mut cohort,
                "against" => &mut against,
                "window" => &mut window,
                _ => return Err(ApiError::Bad(format!("`{name}` is no parameter; there is: {PARAMETERS}"))),
            };
            if place.replace(value).is_some() {
                return Err(ApiError::Bad(format!("{name}: is there twice; give it once")));
            }
        }
        let window = window.as_deref().map_or(Ok(WINDOW), parsed_window)?;
        if store.is_some() && map.is_none() {
            return Err(ApiError::Bad("store: name the `map` beside it, whose store it is".to_owned()));
        }
        match (&cohort, &against) {
            (None, Some(_)) => Err(ApiError::Bad(
                "against: name the `cohort` beside it, to be held against this one".to_owned(),
            )),
            (Some(cohort), Some(against)) if cohort == against => {
                Err(ApiError::Bad(format!("against: `{against}` is the cohort itself; name another")))
            }
            _ => Ok(Self { map, store, cohort, against, window }),
        }
    }

    /// The checks that it is about, in their order.
    pub(super) fn checks(&self, contracts: &Contracts) -> Result<Vec<MapId>, ApiError> {
        let checks = || (0..).map(MapId).zip(contracts.iter());
        let is_asked = |contract: &Contract| self.map.as_deref().is_none_or(|map| map == &*contract.name);
        let of_map: Vec<_> = checks().filter(|(_, it)| is_asked(it)).map(|(id, _)| id).collect();
        if let (Some(map), true) = (&self.map, of_map.is_empty()) {
            let mut known: Vec<_> = contracts.iter().map(|contract| &*contract.name).collect();
            known.dedup();
            let known = known.join(", ");
            return Err(ApiError::Bad(format!("map: there is no contract for `{map}`; there is: {known}")));
        }
        let Some(store) = &self.store else { return Ok(of_map) };
        let names = of_map.iter().filter_map(|id| contracts.store_name(*id));
        let names: Vec<_> = names.collect();
        let found = of_map.iter().copied().filter(|id| contracts.store_name(*id) == Some(store));
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            let names = names.join(", ");
            return Err(ApiError::Bad(format!("store: `{store}` is none of the map's; there is: {names}")));
        }
        Ok(found)
    }

    /// Where the cohorts of a check are counted.
    pub(super) fn slots(&self, contract: &Contract) -> Result<Slots, ApiError> {
        let slot = |parameter: &str, name: &Option<String>| {
            name.as_deref().map(|name| slot(contract, parameter, name)).transpose()
        };
        Ok(Slots { cohort: slot("cohort", &self.cohort)?, against: slot("against", &self.against)? })
    }
}

fn slot(contract: &Contract, parameter: &str, name: &str) -> Result<usize, ApiError> {
    let Contract { name: map, cohorts, .. } = contract;
    if cohorts.is_empty() {
        let error = format!("{parameter}: the contract of `{map}` names no cohorts; write maps[].cohorts");
        return Err(ApiError::Bad(error));
    }
    // Those of all others are counted behind them.
    let other = (name == OTHER).then_some(cohorts.len());
    cohorts.iter().position(|known| known == name).or(other).ok_or_else(|| {
        let known = cohorts.join(", ");
        ApiError::Bad(format!(
            "{parameter}: the contract of `{map}` has no `{name}`; there is: {known}, {OTHER}"
        ))
    })
}

/// Nanoseconds of a window as people write it.
fn parsed_window(text: &str) -> Result<i64, ApiError> {
    let parsed = text.parse::<SignedDuration>().ok();
    let nanoseconds = parsed.and_then(|window| i64::try_from(window.as_nanos()).ok());
    nanoseconds.filter(|window| (WINDOW_MIN..=WINDOW_MAX).contains(window)).ok_or_else(|| {
        ApiError::Bad(format!("window: `{text}`; write a length of time from 10s to 24h, such as 10m"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::engine::trial::{SAMPLED, TWINS, Trial};

    fn said(refused: ApiError) -> String {
        match refused {
            ApiError::Bad(error) => error,
            other => panic!("{other:?}"),
        }
    }

    fn asked(query: &str) -> Result<Asked, String> {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Asked::of(pairs).map_err(said)
    }

    #[test]
    fn a_window_is_written_as_people_do_and_is_ten_minutes_if_it_is_not() {
        for (query, window_s) in [
            ("", 600),
            ("window=10s", 10),
            ("window=90m", 5_400),
            ("window=24h", 86_400),
            ("window=1h30m", 5_400),
        ] {
            assert_eq!(asked(query).unwrap().window, window_s * 1_000_000_000, "{query}");
        }
    }

    #[test]
    fn a_cohort_may_be_written_with_its_sign_as_it_is_or_escaped() {
        for query in ["cohort=deployment=canary", "cohort=deployment%3Dcanary"] {
            assert_eq!(asked(query).unwrap().cohort.as_deref(), Some("deployment=canary"));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_there_is() {
        let trial = Trial::new();
        let contracts = trial.engine.contracts();
        let sampled = contracts.get(SAMPLED).unwrap();
        for (query, told) in [
            ("windows=10m", "`windows` is no parameter; there is: map, store, cohort, against, window"),
            ("map=cart&map=cart", "map: is there twice"),
            ("window=600", "window: `600`; write a length of time from 10s to 24h"),
            ("window=9s", "window: `9s`"),
            ("window=-10m", "window: `-10m`"),
            ("window=25h", "window: `25h`"),
            ("store=main", "store: name the `map` beside it"),
            ("against=zone=a", "against: name the `cohort` beside it"),
            ("cohort=a=b&against=a=b", "against: `a=b` is the cohort itself"),
            ("map=trolley", "map: there is no contract for `trolley`; there is: cart, basket, depot, twin"),
            ("map=twin&store=third", "store: `third` is none of the map's; there is: main, spare"),
            (
                "cohort=zone=b",
                "cohort: the contract of `sampled` has no `zone=b`; there is: zone=a, deployment=canary, other",
            ),
            ("cohort=other&against=x=y", "against: the contract of `sampled` has no `x=y`"),
        ] {
            let answer = asked(query).and_then(|asked| {
                asked.checks(contracts).map_err(said)?;
                asked.slots(sampled).map_err(said)
            });
            assert!(answer.as_ref().is_err_and(|error| error.starts_with(told)), "{told} in {answer:?}");
        }
        let cart = contracts.get(MapId(0)).unwrap();
        let none = asked("cohort=zone=a").unwrap().slots(cart).map_err(said);
        assert_eq!(
            none,
            Err("cohort: the contract of `cart` names no cohorts; write maps[].cohorts".to_owned())
        );
    }

    #[test]
    fn a_map_stands_for_all_its_stores_and_other_for_the_cohorts_without_a_name() {
        let trial = Trial::new();
        let contracts = trial.engine.contracts();
        let checks = |query: &str| asked(query).unwrap().checks(contracts).map_err(said);
        assert_eq!(checks("map=twin").unwrap(), TWINS);
        assert_eq!(checks("map=twin&store=spare").unwrap(), TWINS[1..]);
        assert_eq!(checks("").unwrap().len(), contracts.iter().len());
        let slots =
            asked("cohort=deployment=canary&against=other").unwrap().slots(contracts.get(SAMPLED).unwrap());
        assert_eq!(slots.map_err(said), Ok(Slots { cohort: Some(1), against: Some(2) }));
    }
}
