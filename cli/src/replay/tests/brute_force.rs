//! Legality against a search that knows nothing of the rule: it tries every order in which the writes and the read can
//! have taken effect.

use crate::replay::{Options, judge_all};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Most writes of a key; the search is factorial.
const WRITES_MAX: usize = 6;

const VALUES: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    Ok,
    Failed,
    Unknown,
}

#[derive(Clone, Debug)]
struct Write {
    key: &'static str,
    value: Option<&'static str>,
    map: Option<(i64, i64)>,
    store: Option<(i64, Option<i64>)>,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
struct Read {
    key: &'static str,
    value: Option<&'static str>,
    at: (i64, i64),
}

/// When a write may have taken effect; without an end, perhaps never.
struct Effect {
    value: Option<&'static str>,
    begin: i64,
    end: Option<i64>,
}

fn effect(write: &Write, options: &Options) -> Option<Effect> {
    let Options { deadline, lead, clock_error, .. } = *options;
    let supplied = || write.map.map(|(begin, end)| (begin - lead, Some(end + deadline)));
    let (begin, end) = write.store.or_else(supplied)?;
    let end = end.map(|end| end + clock_error);
    let begin = begin - clock_error;
    match write.outcome {
        Outcome::Ok => Some(Effect { value: write.value, begin, end }),
        Outcome::Unknown => Some(Effect { value: write.value, begin, end: None }),
        Outcome::Failed => None,
    }
}

/// Whether some order explains the read, given that the write `last` was the latest to take effect so far. `placed`
/// marks those that have. Before the first one the key may have held anything.
fn explained(effects: &[Effect], placed: &mut Vec<bool>, last: Option<usize>, read: &Read) -> bool {
    let waits_for = |begin: i64, placed: &[bool]| {
        effects.iter().zip(placed).any(|(other, &done)| !done && other.end.is_some_and(|end| end < begin))
    };
    let held = last.and_then(|last| effects.get(last));
    if !waits_for(read.at.0, placed) && held.is_none_or(|held| held.value == read.value) {
        return true;
    }
    (0..effects.len()).any(|next| {
        let Some(write) = effects.get(next) else { return false };
        let possible = !placed[next] && write.begin <= read.at.1 && !waits_for(write.begin, placed);
        if !possible {
            return false;
        }
        placed[next] = true;
        let found = explained(effects, placed, Some(next), read);
        placed[next] = false;
        found
    })
}

fn brute_force(writes: &[Write], read: &Read, options: &Options) -> bool {
    let of_key = writes.iter().filter(|write| write.key == read.key);
    let effects = of_key.filter_map(|write| effect(write, options)).collect::<Vec<_>>();
    explained(&effects, &mut vec![false; effects.len()], None, read)
}

fn text(writes: &[Write], reads: &[Read]) -> String {
    let write = |(at, write): (usize, &Write)| {
        let outcome = match write.outcome {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        };
        let mut line = json!({
            "type": "write", "id": format!("w{at}"), "key": write.key, "source": "s", "seq": at, "value": write.value,
            "outcome": outcome,
        });
        let legs = [("map", write.map.map(|leg| json!(leg))), ("store", write.store.map(|leg| json!(leg)))];
        for (name, leg) in legs {
            if let (Value::Object(line), Some(leg)) = (&mut line, leg) {
                line.insert(name.to_owned(), leg);
            }
        }
        line.to_string()
    };
    let read = |(at, read): (usize, &Read)| {
        json!({ "type": "read", "id": format!("r{at}"), "key": read.key, "at": read.at, "value": read.value })
            .to_string()
    };
    // Reads first: the order of lines means nothing.
    let lines = reads.iter().enumerate().map(read).chain(writes.iter().enumerate().map(write));
    lines.collect::<Vec<_>>().join("\n")
}

fn interval() -> impl Strategy<Value = (i64, i64)> {
    (0..40i64, 0..12i64).prop_map(|(begin, length)| (begin, begin + length))
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let key = prop_oneof![4 => Just("k"), 1 => Just("other")];
    let outcome =
        prop_oneof![4 => Just(Outcome::Ok), 1 => Just(Outcome::Failed), 1 => Just(Outcome::Unknown)];
    let legs = prop_oneof![
        4 => (interval(), interval()).prop_map(|(map, (begin, end))| (Some(map), Some((begin, Some(end))))),
        1 => interval().prop_map(|map| (Some(map), None)),
        1 => interval().prop_map(|(begin, end)| (None, Some((begin, Some(end))))),
        1 => (interval(), 0..40i64).prop_map(|(map, begin)| (Some(map), Some((begin, None)))),
    ];
    let write = (key, prop::sample::select(&VALUES[..]), legs, outcome)
        .prop_map(|(key, value, (map, store), outcome)| Write { key, value, map, store, outcome });
    prop::collection::vec(write, 0..=WRITES_MAX)
}

fn reads() -> impl Strategy<Value = Vec<Read>> {
    let read =
        (prop::sample::select(&VALUES[..]), interval()).prop_map(|(value, at)| Read { key: "k", value, at });
    prop::collection::vec(read, 1..5)
}

fn options() -> impl Strategy<Value = Options> {
    let map_order_is_exact = any::<bool>();
    (0..20i64, 0..5i64, 0..4i64, map_order_is_exact).prop_map(
        |(deadline, lead, clock_error, map_order_is_exact)| Options {
            deadline,
            lead,
            clock_error,
            map_order_is_exact,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn legality_is_that_of_a_search_over_every_order(
        writes in writes(), reads in reads(), options in options(),
    ) {
        let judged = judge_all(text(&writes, &reads).as_bytes(), &options).unwrap();
        prop_assert_eq!(judged.len(), reads.len());
        for (read, judged) in reads.iter().zip(judged) {
            let expected = brute_force(&writes, read, &options);
            prop_assert_eq!(judged.is_legal(), expected, "{:?}: {:?}", read, judged.judgement);
        }
    }
}
