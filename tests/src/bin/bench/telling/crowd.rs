//! Divergences as a ledger comes to have them: of several maps, stores, kinds and sources, in no order.

use counterfoil_clock::wall_unix_ns;
use counterfoil_comparator::ledger::{
    Act, Acting, Answer, BATCH_MAX, DivergenceId, Ledger, Opened, State, Transition,
};
use counterfoil_digest::Differing;
use counterfoil_judge::Digest;
use std::sync::LazyLock;
use tokio::task::JoinSet;

/// Divergences that are not resolved.
pub(super) const OPEN: u32 = 100_000;
/// Of so many, one is resolved besides.
const RESOLVED_IN: u32 = 6;
/// All of them.
const ALL: u32 = OPEN / (RESOLVED_IN - 1) * RESOLVED_IN;
/// Of so many, one is acknowledged, and one is ignored.
const ACTED_ON_IN: u32 = 100;
/// Divergences that are acted on at a time.
const ACTS: usize = 500;

/// The maps.
pub(super) const MAPS: [&str; 4] = ["cart", "customer", "price", "stock"];
const STORES: [&str; 2] = ["main", "second"];
const KINDS: [&str; 5] = ["missing", "stale", "foreign", "inverted", "resurrected"];
/// Processes that emit.
const SOURCES: u32 = 40;
/// A source that told of the first few divergences only: whoever asks for it goes past all others.
pub(super) const RARE_SOURCE: &str = "shop/rare/1";
/// How many these are.
pub(super) const RARE: u32 = 10;

/// An odd number with which those of divergences are multiplied, so that their ids are in no order.
const SCATTER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
/// How long ago the first one was opened, in nanoseconds: what was resolved long ago is forgotten.
const AGO: i64 = 3_600_000 * MS;
const MS: i64 = 1_000_000;
/// When it was: wall-clock time, nanoseconds since 1970.
static BEGIN_UNIX_NS: LazyLock<i64> = LazyLock::new(|| wall_unix_ns() - AGO);

/// Which of the choices the divergence of this number has; `every` spreads what several of them say.
fn choice<const N: usize>(choices: [&'static str; N], number: u32, every: u32) -> &'static str {
    let place = usize::try_from(number / every).unwrap_or_default() % N;
    choices.get(place).copied().unwrap_or_default()
}

pub(super) fn id(number: u32) -> DivergenceId {
    DivergenceId((u128::from(number) + 1).wrapping_mul(SCATTER).to_be_bytes())
}

/// The key of the divergence of this number.
pub(super) fn key(number: u32) -> String {
    format!("user-{number:015}")
}

fn at_unix_ns(number: u32) -> i64 {
    *BEGIN_UNIX_NS + i64::from(number) * MS
}

/// The divergence of this number is seen.
pub(super) fn opened(number: u32) -> Transition {
    let kind = choice(KINDS, number, 8);
    let source = match number {
        0..RARE => RARE_SOURCE.to_owned(),
        _ => format!("shop/pod-{}/1", number % SOURCES),
    };
    let fields = Differing { names: vec!["price".into(), "items.0.count".into()], only_there: 0 };
    let opened = Opened {
        id: id(number),
        map: choice(MAPS, number, 1).to_owned(),
        store: Some(choice(STORES, number, 4).to_owned()),
        key: key(number).into_bytes(),
        kind,
        source,
        seq: number.into(),
        opened_at_unix_ns: at_unix_ns(number),
        store_digest: Digest::ABSENT,
        map_digest: Digest(id(number).0),
        stale_versions: (kind == "stale").then_some(3),
        stale_at_least_ns: (kind == "stale").then_some(5 * MS),
        write_ended_ns: Some(at_unix_ns(number)),
        seen_after_ns: Some(20 * MS),
        trace_id: Some(id(number).0),
        fields: Some(Box::new(fields)),
    };
    opened.into()
}

/// It outlived its deadline.
pub(super) fn confirmed(number: u32) -> Transition {
    Transition::Confirmed { id: id(number), at_unix_ns: at_unix_ns(number) + 500 * MS, fields: None }
}

/// The two sides agree again.
pub(super) fn resolved(number: u32) -> Transition {
    Transition::Resolved { id: id(number), at_unix_ns: at_unix_ns(number) + 900 * MS, how: "agreed" }
}

/// How the divergence of this number stands in the end.
fn state(number: u32) -> State {
    match number % RESOLVED_IN {
        0 => State::Resolved,
        1 => State::Opened,
        _ => State::Confirmed,
    }
}

/// All transitions of the divergence of this number.
fn life(number: u32) -> impl Iterator<Item = Transition> {
    let (is_confirmed, is_resolved) = match state(number) {
        State::Opened => (false, false),
        State::Confirmed => (true, false),
        State::Resolved => (true, true),
    };
    let rest = [is_confirmed.then(|| confirmed(number)), is_resolved.then(|| resolved(number))];
    [opened(number)].into_iter().chain(rest.into_iter().flatten())
}

/// Fills a ledger: [`OPEN`] divergences are open, others are resolved, and people acted on some.
pub(super) async fn fill(ledger: &Ledger) {
    let numbers: Vec<_> = (0..ALL).collect();
    for some in numbers.chunks(BATCH_MAX) {
        let transitions = some.iter().copied().flat_map(life).collect();
        ledger.record(transitions).await.expect("the ledger takes them");
    }
    ledger.flush().await.expect("they are written");
    let acted_on: Vec<_> = numbers.iter().filter_map(|number| acting(*number)).collect();
    for some in acted_on.chunks(ACTS) {
        let mut acts = JoinSet::new();
        for acting in some.iter().cloned() {
            let ledger = ledger.clone();
            acts.spawn(async move { ledger.act(acting).await });
        }
        for answer in acts.join_all().await {
            assert_eq!(answer.expect("the ledger acts"), Answer::Done);
        }
    }
}

/// What somebody does about the divergence of this number, if anybody does.
fn acting(number: u32) -> Option<Acting> {
    let act = match number % ACTED_ON_IN {
        2 => Act::Acknowledge,
        3 => Act::Ignore { until_unix_ns: None },
        _ => return None,
    };
    let revision = u32::try_from(life(number).count()).ok()?;
    let (by, why) = ("alice".to_owned(), "known, and in hand".to_owned());
    Some(Acting { id: id(number), act, by, why, revision, at_unix_ns: at_unix_ns(number) + 700 * MS })
}
