//! sim
use counterfoil_sim::{plan::Options, run::run};
#[allow(clippy::print_stdout, reason="x")]
fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().expect("number"));
    let (a, b) = (args.next().unwrap_or(0), args.next().unwrap_or(1));
    let (mut events, mut bad) = (0, 0);
    let mut score = counterfoil_sim::oracle::Score::default();
    let mut paths = counterfoil_sim::oracle::Paths::default();
    let begin = counterfoil_clock::now();
    for seed in a..b {
        let outcome = run(seed, &Options::default(), false);
        events += outcome.events;
        score.merge(&outcome.score);
        paths.merge(&outcome.paths);
        if !outcome.breaches.is_empty() { bad += 1; if true { println!("seed {seed}"); for breach in outcome.breaches.iter().take(3) { println!("  {:.3} {}", (breach.at - 1_000_000_000_000) as f64/1e6, breach.what); } } }
    }
    let took = counterfoil_clock::now().since(begin) as f64 / 1e9;
    println!("{} seeds, bad {bad}, {events} events, {took:.1} s, {:.0}/s", b - a, events as f64 / took);
    println!("{score:#?}\n{paths:#?}\nmissing {:?}", paths.missing());
}
