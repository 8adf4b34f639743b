//! A network between sidecar and comparator that drops, refuses or forgets. The sidecar has a network of its own.

use crate::machine::Need;
use crate::plan::Plan;
use crate::promise::Takes;
use crate::round::Round;
use crate::scenario::{Props, Rounds, Scenario};
use crate::tools::Netns;
use rand::Rng;

const NEEDS: &[Need] = &[Need::Netns, Need::Nft];
/// For so long nothing new comes through before a partition ends, in milliseconds.
const STANDSTILL_MS: u64 = 500;
/// Resets in a row.
const RESETS: u32 = 5;

/// The scenarios.
pub(super) fn all() -> Vec<Scenario> {
    let network = |name: &str, what, takes, rounds, inject| Scenario {
        name: name.to_owned(),
        what,
        expected: "what was kept meanwhile is delivered, once",
        needs: NEEDS,
        takes,
        levels: &[],
        rounds,
        subject: "",
        prepare,
        inject,
    };
    vec![
        network(
            "partition",
            "nothing gets through, either way, for 1 to 3 s",
            Takes::Time,
            Rounds::NOT_IN_CI,
            partition,
        ),
        network(
            "partition-one-way",
            "nothing gets through one way, for 1 to 3 s",
            Takes::Time,
            Rounds::SOME,
            one_way,
        ),
        network(
            "packet-loss",
            "a tenth of all packets is lost, for 3 s",
            Takes::Time,
            Rounds::NOT_IN_CI,
            packet_loss,
        ),
        network("resets", "connections are reset, five times", Takes::Time, Rounds::SOME, resets),
        network(
            "half-open-sidecar",
            "the comparator is killed and comes back while nothing gets through: the sidecar's connection leads nowhere",
            Takes::Comparator,
            Rounds::NOT_IN_CI,
            half_open_sidecar,
        ),
        network(
            "half-open-comparator",
            "the sidecar is killed and comes back while nothing gets through: the comparator's connection leads nowhere",
            Takes::Sidecar,
            Rounds::NOT_IN_CI,
            half_open_comparator,
        ),
    ]
}

fn prepare(plan: &mut Plan) -> Result<Props, String> {
    let network = Netns::make()?;
    plan.sidecar_under = network.under();
    plan.comparator_address.clone_from(&network.host);
    Ok(Props { network: Some(network), ..Props::default() })
}

/// Applies `rules` (chain and rule) for so many milliseconds, and sees everything come through again.
fn under_rules(
    round: &mut Round<'_>,
    rules: &[(&str, &str)],
    ms: std::ops::Range<u64>,
) -> Result<(), String> {
    round.work(300..900);
    round.fault_begins();
    for (chain, rule) in rules {
        round.network()?.rule(chain, rule)?;
    }
    round.work(ms);
    if rules.iter().any(|(_, rule)| *rule == "drop") {
        round.sees_standstill(STANDSTILL_MS)?;
    }
    let mark = round.mark()?;
    round.network()?.heal()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn partition(round: &mut Round<'_>) -> Result<(), String> {
    under_rules(round, &[("input", "drop"), ("output", "drop")], 1_000..3_000)
}

fn one_way(round: &mut Round<'_>) -> Result<(), String> {
    let chain = if round.random.random() { "input" } else { "output" };
    under_rules(round, &[(chain, "drop")], 1_000..3_000)
}

fn packet_loss(round: &mut Round<'_>) -> Result<(), String> {
    let lossy = "numgen random mod 10 0 drop";
    under_rules(round, &[("input", lossy), ("output", lossy)], 3_000..3_001)
}

fn resets(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..900);
    round.fault_begins();
    for _ in 0..RESETS {
        round.network()?.rule("output", "meta l4proto tcp reject with tcp reset")?;
        round.work(20..200);
        round.network()?.heal()?;
        round.work(50..300);
    }
    let mark = round.mark()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn cut(round: &Round<'_>) -> Result<(), String> {
    round.network()?.rule("input", "drop")?;
    round.network()?.rule("output", "drop")
}

fn half_open_sidecar(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..900);
    round.fault_begins();
    cut(round)?;
    round.rig.kill_comparator()?;
    let mark = round.mark()?;
    round.rig.start_comparator()?;
    round.work(500..1_000);
    round.network()?.heal()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn half_open_comparator(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..900);
    round.fault_begins();
    cut(round)?;
    round.rig.kill_sidecar();
    round.rig.start_sidecar()?;
    round.work(500..1_000);
    let mark = round.mark()?;
    round.network()?.heal()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}
