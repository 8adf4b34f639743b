//! What it takes to open a spool that is full of batches nobody has taken: how long, and how much memory.

use crate::load::Load;
use crate::report::{Figure, Section};
use crate::rounds::{median, share, sorted};
use crate::sidecar::with_spool;
use crate::workload::{MAP, Workload};
use counterfoil_clock::now;
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_tests::memory::peak_bytes;
use counterfoil_tests::{Harness, Map, Setup, wait};
use rustix::fs::{Advice, fadvise};
use serde::Deserialize;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The disk cap, large enough that nothing is shed.
const SPOOL_BYTES_MAX: u64 = 4 << 30;
/// Segments of 16 MiB, of which the last one is nearly full: just above 256 MiB and 1 GiB.
const SMALL: Size = Size { name: "256 MiB", segments: 17 };
const LARGE: Size = Size { name: "1 GiB", segments: 65 };
/// What the last segment has besides what it began with. Its entries are read into memory, the more the more it has.
const LAST_SEGMENT_BYTES: f64 = 12.0 * MIB;
/// Frames after which it is looked how much the spool has: about 1.5 MiB.
const FRAMES: usize = 64;
/// How often each is opened.
const ROUNDS: usize = 5;

/// What opening 1 GiB may take in seconds.
const SECONDS_MAX: f64 = 3.0;
/// How much more memory a spool of 1 GiB may take to open than one of 256 MiB.
const GROWTH_MAX: f64 = 1.1;

const MIB: f64 = 1_048_576.0;

/// How full a spool is.
#[derive(Clone, Copy)]
struct Size {
    name: &'static str,
    segments: usize,
}

/// What opening a spool took: what `bench-spool` prints.
#[derive(Clone, Copy, Deserialize)]
struct Opening {
    /// How long.
    seconds: f64,
    /// The largest resident memory of the process until then.
    peak_bytes: f64,
}

/// Fills a spool and opens it again, as a part of a sidecar and alone.
pub(crate) fn section() -> Section {
    let workload = Workload::new();
    let mut spool = Spool::new();
    let empty = Openings::of(|| spool.restart());
    eprintln!("recovery: {}", SMALL.name);
    spool.fill(&workload, SMALL);
    let small = Sorts::measure(&mut spool);
    eprintln!("recovery: {}", LARGE.name);
    spool.fill(&workload, LARGE);
    let large = Sorts::measure(&mut spool);
    let from_disk = Openings::of(|| {
        spool.leave_page_cache();
        spool.restart()
    });
    let mut figures = large.figures(LARGE, &small);
    figures.extend(small.plain_figures(SMALL));
    figures.extend([
        Figure::plain("sidecar starts over, 1 GiB, none of it in the page cache", from_disk.seconds, "s", 2),
        Figure::plain("sidecar starts, spool empty", empty.seconds, "s", 2),
        Figure::plain("sidecar starts, spool empty: peak memory", empty.peak_bytes / MIB, "MiB", 1),
    ]);
    Section { title: "Opening a spool", figures }
}

/// Openings of the same spool: the middle time, the most memory.
#[derive(Clone, Copy)]
struct Openings {
    seconds: f64,
    peak_bytes: f64,
}

impl Openings {
    fn of(mut open: impl FnMut() -> Opening) -> Self {
        let rounds: Vec<_> = (0..ROUNDS).map(|_| open()).collect();
        let peaks = sorted(rounds.iter().map(|round| round.peak_bytes));
        Self { seconds: median(rounds.iter().map(|round| round.seconds)), peak_bytes: share(&peaks, 1.0) }
    }
}

/// The same spool, opened by whom and how.
struct Sorts([(&'static str, Openings); 3]);

impl Sorts {
    fn measure(spool: &mut Spool) -> Self {
        Self([
            ("sidecar starts over", Openings::of(|| spool.restart())),
            ("spool alone, durable", Openings::of(|| spool.open_alone("durable"))),
            ("spool alone, buffered", Openings::of(|| spool.open_alone("buffered"))),
        ])
    }

    /// Against the targets.
    fn figures(&self, size: Size, smaller: &Self) -> Vec<Figure> {
        let name = size.name;
        let times = self.0.iter().map(|(what, opened)| {
            Figure::most(format!("{what}, {name}"), opened.seconds, SECONDS_MAX, "s", 2)
        });
        let growth = self.0.iter().zip(&smaller.0).map(|((what, opened), (_, smaller))| {
            let what = format!("{what}: peak memory with 1 GiB, as a multiple of that with 256 MiB");
            Figure::most(what, opened.peak_bytes / smaller.peak_bytes, GROWTH_MAX, "x", 2)
        });
        times.chain(growth).chain(self.peaks(size)).collect()
    }

    fn plain_figures(&self, size: Size) -> Vec<Figure> {
        let name = size.name;
        let times = self
            .0
            .iter()
            .map(|(what, opened)| Figure::plain(format!("{what}, {name}"), opened.seconds, "s", 2));
        times.chain(self.peaks(size)).collect()
    }

    fn peaks(&self, size: Size) -> impl Iterator<Item = Figure> {
        self.0.iter().map(move |(what, opened)| {
            Figure::plain(format!("{what}, {}: peak memory", size.name), opened.peak_bytes / MIB, "MiB", 1)
        })
    }
}

/// A spool of a sidecar whose comparator is away.
struct Spool {
    harness: Harness,
    path: PathBuf,
}

impl Spool {
    fn new() -> Self {
        let map = Map::new(MAP, ("prefix", String::new()));
        let (setup, path) = with_spool(Setup::new().map(&map), SPOOL_BYTES_MAX);
        Self { harness: Harness::prepared(setup), path }
    }

    /// Lets a sidecar fill it, and kills the sidecar.
    fn fill(&mut self, workload: &Workload, size: Size) {
        self.harness.start_sidecar();
        let mut load = Load::connect(workload, &self.harness.socket(), AckLevel::Spooled);
        while self.segments() < size.segments {
            self.add(&mut load);
        }
        let full = self.used_bytes() + LAST_SEGMENT_BYTES;
        while self.used_bytes() < full {
            self.add(&mut load);
        }
        assert_eq!(self.segments(), size.segments, "the last segment has room for what was added");
        self.harness.kill_sidecar();
    }

    /// Lets the spool have more.
    fn add(&self, load: &mut Load<'_>) {
        load.send(FRAMES, Duration::ZERO);
        wait::until("the spool to have it", || load.is_acknowledged().then_some(()));
    }

    /// How many segments it has.
    fn segments(&self) -> usize {
        self.files().filter(|file| file.extension().is_some_and(|ending| ending == "seg")).count()
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.path).expect("the spool's directory is there");
        entries.map(|entry| entry.expect("an entry of the directory").path())
    }

    /// How many bytes it has, as the sidecar says.
    fn used_bytes(&self) -> f64 {
        self.harness.sidecar_metric("counterfoil_spool_used_bytes", &[])
    }

    /// Starts a sidecar, which opens it before it is ready, and kills it then.
    fn restart(&mut self) -> Opening {
        let begun = now();
        self.harness.start_sidecar();
        let seconds = now().since(begun) as f64 / 1e9;
        let peak_bytes = peak_bytes(self.harness.sidecar_id()) as f64;
        self.harness.kill_sidecar();
        Opening { seconds, peak_bytes }
    }

    /// Opens it in a process that does nothing else.
    fn open_alone(&self, how: &str) -> Opening {
        let program =
            std::env::current_exe().expect("a program knows its file").with_file_name("bench-spool");
        let output = Command::new(program).arg(&self.path).arg(how).output();
        let output = output.expect("`cargo xtask bench` built bench-spool");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("bench-spool prints an object")
    }

    /// Lets the system forget what the files hold, so that it is read from disk.
    fn leave_page_cache(&self) {
        for path in self.files() {
            let file = File::open(&path).expect("a file of the spool");
            // Only what is on disk already can be forgotten.
            file.sync_all().expect("the disk takes it");
            fadvise(&file, 0, None, Advice::DontNeed).expect("the system takes advice");
        }
    }
}
