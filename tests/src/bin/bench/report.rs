//! `docs/benchmarks.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// One figure, and what it should be.
pub(crate) struct Figure {
    what: String,
    value: f64,
    target: Option<(f64, Bound)>,
    unit: &'static str,
    decimals: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Most,
    Least,
}

impl Figure {
    /// A figure that should not be larger than `target`.
    pub(crate) fn most(
        what: impl Into<String>,
        value: f64,
        target: f64,
        unit: &'static str,
        decimals: usize,
    ) -> Self {
        Self { what: what.into(), value, target: Some((target, Bound::Most)), unit, decimals }
    }

    /// A figure that should not be smaller than `target`.
    pub(crate) fn least(
        what: impl Into<String>,
        value: f64,
        target: f64,
        unit: &'static str,
        decimals: usize,
    ) -> Self {
        Self { what: what.into(), value, target: Some((target, Bound::Least)), unit, decimals }
    }

    /// A figure without a target of its own.
    pub(crate) fn plain(what: impl Into<String>, value: f64, unit: &'static str, decimals: usize) -> Self {
        Self { what: what.into(), value, target: None, unit, decimals }
    }

    /// Whether it should be as large or small as something.
    pub(crate) fn has_target(&self) -> bool {
        self.target.is_some()
    }

    fn row(&self) -> String {
        let Self { what, value, unit, decimals, .. } = self;
        let (target, verdict) = match self.target {
            None => (String::new(), ""),
            Some((target, bound)) => {
                let (sign, met) = match bound {
                    Bound::Most => ("≤", *value <= target),
                    Bound::Least => ("≥", *value >= target),
                };
                (format!("{sign} {target} {unit}"), if met { "met" } else { "**missed**" })
            }
        };
        format!("| {what} | {} | {target} | {verdict} |", format!("{value:.decimals$} {unit}").trim_end())
    }
}

/// Figures that belong together.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) figures: Vec<Figure>,
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) sections: Vec<Section>,
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which builds in release mode, runs and counts. CPU time is what the kernel counted, user and
system; memory is what it counted as resident. The figures of the processes vary from run to run on a busy machine:
compare runs on one that is otherwise idle.

**The rule** is judged on keys in turn that are at hand in the processor's caches. A write is live while it can still matter;
all live writes of a key overlap, so each is compared with each. A read agrees, or it saw what nothing explains: then the rule
also looks for a name for it. The cheapest of seven rounds counts.

**The key table** takes events in batches of 500, in an order that is not that of the keys, and gives out probes, takes back
what they saw and has it judged, 500 at a time. The floor is a hash table that replaces a key's last write, with the same
keys, hashes and batches.

**Memory** per pending key is everything that the table has: entry, index, heap of due times. What is asked of the
allocator is counted at the allocator; what is resident includes what the allocator adds, and not the room that was asked
for and never touched. Each kind of key has a process of its own.

**The processes** are real ones. CPU time is that of all their threads, memory their peak resident size. Events on the socket
have 270 bytes with a value of 200, and come in writes of just under 64 KiB. The floor is a loop that reads the same bytes from
a Unix socket and digests the values, many at a time, with the digest that the sidecar uses; it neither parses nor sends
anything. The comparator gets batches of 4,096 events over 250,000 keys; its probes are put off, so no store is read. The demo
runs an application, its store, a sidecar and a comparator in one process for 20 seconds.

**The levels of acknowledgement** are compared on the same load, in turn, round by round; a ratio is the middle one of the
rounds' own. One sidecar with a spool, which it syncs every 20 ms where that is asked for, serves a source of each level; another
has no spool. With a spool every batch goes through it, whatever the level: what a spool costs is told by the sidecar without one.
A round ends when everything is acknowledged at its level and a comparator that takes everything has it. What the kernel does for
the disk in threads of its own is not the sidecar's. The spool lies where the system has its temporary files.

**An emitter's calls** are timed by the application's thread, which makes a dual write of a value of 200 bytes every 200 µs and
sleeps in between; map and store do nothing, so what is left is the emitter's. Each round has an emitter of its own and lasts three
seconds, from the instant on at which the sidecar is stopped (frozen, SIGSTOP) or killed (SIGKILL), or nothing happens to it. The
ring is made so small that without a sidecar it is full after the first second; what follows is counted as lost. The states
take turns, nine rounds each; a figure is the middle one of the rounds' own. How much the machine moves a p99.9 is told by the
rounds with a healthy sidecar: another state may be as far above the middle one of them as their upper quarter is.

**A spool is opened** that a sidecar filled and was killed over, its comparator away. A sidecar opens it as durable before it is
ready; what is timed is from its start to its readiness, which is looked at every 20 ms. Alone, the spool is opened by a process
that does nothing else. Of all entries only those of the last segment are read into memory, 16 MiB at most, and only as durable;
that segment is nearly full here. Time is the middle one of five openings, memory the most of them.

**Stores are read** over one connection, 500 keys at a time, of 500,000 rows with keys of 20 bytes and values of 200. A comparator,
as it ships and without a journal, has taken in a write of each key, and reads and judges them as they become due; each is
confirmed. Counted is the time from the instant at which the first key is due until the last one is known to be confirmed, so that
nothing of taking keys, reading, digesting, waiting for the source's promise, judging and telling is left out. Its floor is a loop
that makes the same reads, one after the other, through the same client library, and looks at each byte of each value. Of Redis the
comparator may have four reads on their way over its connection, the loop one. The two take turns, five rounds each; a speed is the middle one of its rounds, a ratio that of the speeds. The servers run on the same
machine, without durability, so the comparator has what they leave of it.

**A sweep** is made by a comparator that knows a million keys at rest, over a table in Postgres with that many rows of a number and
200 bytes of text, with no budget. Planted are 100 rows that changed, 100 that are missing and 100 that no map knows, spread evenly,
the last behind all others. The comparator goes through all rows, page by page, and compares each with its key; beside that it goes
through all keys, after each round over the rows, and looks up those that no row showed to agree. What counts is the longer of a
round over the rows and one over the keys, both made side by side after everything planted was found: in that time each row and
each key has been compared. reladiff (PyPI) compares the same table with another one in the same server that holds what the map
holds: with checksums, as it does between two databases (`hashdiff`), and by letting the server join them, as it can only within
one (`joindiff`), which no map in a process's memory has; with a thread for each processor and without its check for duplicate keys.
Its time is that of the whole command. Both find exactly what was planted. Three rounds, in which they take turns; the middle one
counts. A million rows and not ten, so that the whole takes minutes.

**The ledger** is a file in which 100,000 divergences are open and 20,000 resolved, of four maps, five kinds and forty sources; of a
hundred one is acknowledged and one ignored. Each round writes the transitions of 20,000 others into a copy of it, opened, confirmed
and resolved mixed, as the comparator's telling hands them over, until all are synced; and once more with a receiver who is to be told of
every one. The floor is a loop that inserts as many rows of a number, 16 bytes and a word into a file of its own, in transactions of
the same size. Both with a write-ahead log that is synced with each transaction. Three rounds, in turn; the middle one counts.

**Pages** of that ledger are asked of a comparator that has just been started over it: 100 rows each, one page after the other, each
over a new connection, fifty times in turn. The ten oldest divergences are those of a source that told of no other: to find them
all others are passed over. The floor is `/readyz`, for which nothing is looked up.

**Evidence** is that of 200 keys whose writes the store has not. Each has 20 writes with traces, of which the last 8 overlap, in five signed
batches. The keys are confirmed one after the other; of each the comparator's own metric says how long its bundle took: to gather
what it says, to write and sign the statement, to sync and rename the file and sync the folder. Bundles that came between two looks at the
metric count as all of them together. The floor signs the same bytes and syncs them into a file.
Now and then the disk holds up a sync for some tens of milliseconds; which of the two that meets changes from run to run.

**The overview** is that of a comparator with four maps, each with 25,000 divergences that it found and confirmed, while a source writes to
other keys 500 times a second, which it reads and confirms. Fifty viewers watch for 20 seconds, each over a connection to
`/dashboard/live`; before and after that nobody does for 10 seconds each. What diverges is not read again meanwhile: that costs the same
whoever watches.
";

impl Report {
    /// Writes the page with these sections alone, and shows it.
    pub(crate) fn write(&self) {
        write(&machine(), &self.tables());
        self.show();
    }

    /// Puts these sections into the page, in place of what it says under their titles, and shows them. They name the machine
    /// where the page names another: what else it says was measured there.
    pub(crate) fn write_into_page(&self) {
        let page = fs::read_to_string(page()).unwrap_or_default();
        let (head, tables) = page.split_at(page.find(TITLE_MARK).unwrap_or(page.len()));
        let here = machine();
        let of_page = head.lines().find(|line| line.starts_with(MACHINE)).unwrap_or(&here);
        let note = if of_page == here { String::new() } else { format!("{here}\n\n") };
        let sections = self.sections.iter();
        write(of_page, &sections.fold(tables.to_owned(), |tables, section| section.put_into(&tables, &note)));
        self.show();
    }

    /// Shows the figures.
    pub(crate) fn show(&self) {
        eprint!("{}\n{}", machine(), self.tables());
    }

    fn tables(&self) -> String {
        self.sections.iter().map(|section| section.table("")).collect()
    }
}

/// How the line begins that says what figures were taken on.
const MACHINE: &str = "Machine: ";
/// How the title of a section begins.
const TITLE_MARK: &str = "\n## ";

impl Section {
    /// With a `note` above the figures.
    fn table(&self, note: &str) -> String {
        let Self { title, figures } = self;
        let rows = figures.iter().map(|figure| figure.row() + "\n").collect::<String>();
        format!("{TITLE_MARK}{title}\n\n{note}| what | measured | target | |\n|---|---|---|---|\n{rows}")
    }

    /// These sections with this one in place of that with the same title, or at their end.
    fn put_into(&self, sections: &str, note: &str) -> String {
        let title = format!("{TITLE_MARK}{}\n", self.title);
        let Some((before, old)) = sections.split_once(&title) else {
            return sections.to_owned() + &self.table(note);
        };
        let after = old.find(TITLE_MARK).and_then(|end| old.get(end..)).unwrap_or_default();
        format!("{before}{}{after}", self.table(note))
    }
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md")
}

fn write(machine: &str, tables: &str) {
    let text = format!("{HEAD}\n{machine}\n{tables}");
    fs::write(page(), text).expect("docs/benchmarks.md is written");
}

/// The line that says what the figures are taken on.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(|it: char| it.is_whitespace() || it == ':');
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = kernel.trim().split('-').next().unwrap_or_default();
    format!("{MACHINE}{cores} cores of {model}, Linux {version}.")
}
