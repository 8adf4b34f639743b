//! `cargo xtask bench`: what Counterfoil costs, against its targets; writes `docs/benchmarks.md`. With names of parts as
//! arguments it measures those alone, and shows the figures; with `--write` before them it puts them into the page.
//!
//! Every figure is CPU time that the kernel counted, memory that it counted, events that were counted, or, for an emitter's
//! calls and for opening a spool, time that passed. The figures of the processes vary from run to run on a busy machine.
//! Each ratio is taken within one run.

mod calls;
mod comparator;
mod cpu;
mod crowd;
mod demo;
mod feed;
mod floor;
mod levels;
mod load;
mod memory;
mod processes;
mod recovery;
mod report;
mod rounds;
mod rule;
mod sidecar;
mod stores;
mod sweep;
mod table;
mod telling;
mod usage;
mod workload;

use report::{Report, Section};

/// A part of the bench: its name, and how it is measured.
type Part = (&'static str, fn() -> Section);

/// In the order in which they are measured and shown. The rule and the table count the CPU time of this process, so they
/// come before anything that starts threads in it.
const PARTS: [Part; 13] = [
    ("rule", rule::section),
    ("table", table::section),
    ("memory", memory::section),
    ("processes", processes::section),
    ("levels", levels::section),
    ("calls", calls::section),
    ("recovery", recovery::section),
    ("stores", stores::section),
    ("sweep", sweep::section),
    ("ledger", telling::ledger::section),
    ("pages", telling::pages::section),
    ("evidence", telling::evidence::section),
    ("live", telling::live::section),
];

fn main() {
    let mut named: Vec<String> = std::env::args().skip(1).collect();
    let is_to_be_written = named.is_empty() || named.first().is_some_and(|first| first == "--write");
    named.retain(|name| name != "--write");
    let is_known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    let known = PARTS.map(|(part, _)| part).join(", ");
    assert!(named.iter().all(is_known), "the parts are {known}");
    let is_wanted = |part: &&Part| named.is_empty() || named.iter().any(|name| name == part.0);
    let measured = PARTS.iter().filter(is_wanted).map(|(name, section)| {
        eprintln!("{name}");
        section()
    });
    let report = Report { sections: measured.collect() };
    match (named.is_empty(), is_to_be_written) {
        (true, _) => report.write(),
        (false, true) => report.write_into_page(),
        (false, false) => report.show(),
    }
}
