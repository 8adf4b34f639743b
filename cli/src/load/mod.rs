//! `counterfoil load`: drives a real store and a running sidecar from a recorded workload, as an application would that
//! has a map beside its store. Bugs can be planted on the way; their keys are printed, to be compared with the
//! comparator's divergences.

mod drive;
mod report;
mod survey;
mod trace;
mod value;

use crate::app_store::{AppStore, StoreUrl};
use crate::exit::{Answer, Failure};
use crate::output::Output;
use crate::pace::since;
use crate::plant::Plant;
use crate::progress::Progress;
use clap::{ArgGroup, Args};
use counterfoil_clock::now;
use counterfoil_emitter::{Emitter, Identity};
use drive::{Drive, DriveError};
use report::Report;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;
use survey::{Survey, Wanted, survey};
use thiserror::Error;
use trace::{BadLine, Format, TraceWrite};

/// How long the sidecar may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// How long the emitter may take to deliver the rest.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The bugs that make sense on a workload of which nothing but the order is known.
const PLANTS: [Plant; 4] = [Plant::Dropped, Plant::RemoveLost, Plant::Corrupted, Plant::ForeignWriter];

/// Writes between two looks at the progress.
const PROGRESS_EVERY: u64 = 256;

/// Flags of `counterfoil load`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("workload").required(true).args(["trace", "generate"]))]
pub(crate) struct LoadArgs {
    /// The recorded workload
    #[arg(long, value_name = "FILE", requires = "format")]
    trace: Option<PathBuf>,
    /// Its form
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// A workload that is made up instead: ycsb:N for N writes as YCSB makes them
    #[arg(long, value_name = "ycsb:N", value_parser = generated)]
    generate: Option<u64>,
    /// The application's store: sqlite:FILE, postgres://USER@HOST/DATABASE or redis://HOST:PORT
    #[arg(long, value_name = "URL")]
    store: StoreUrl,
    /// The sidecar's socket
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Name of the map, and of its table or prefix in the store
    #[arg(long, default_value = "load")]
    map: String,
    /// Writes per second; 0 for as many as the store can do
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Threads that write
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Longer values are cut to this many bytes
    #[arg(long, default_value_t = 4096)]
    value_bytes_max: usize,
    /// Plant bugs on this share of the writes: dropped, remove_lost, corrupted or foreign_writer
    #[arg(long, value_name = "KIND=SHARE", value_parser = share)]
    plant: Vec<(Plant, Wanted)>,
    /// Plant this many bugs
    #[arg(long, value_name = "KIND=COUNT", value_parser = count)]
    plant_count: Vec<(Plant, Wanted)>,
    /// Picks where bugs are planted, and what is made up
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Text that says nothing usable about bugs or workloads.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
enum ArgError {
    #[error("write KIND=NUMBER, such as dropped=0.001")]
    NoNumber,
    #[error("write a share from 0 to 1")]
    Share,
    #[error("write a whole number")]
    Count,
    #[error(transparent)]
    Unknown(#[from] crate::plant::UnknownPlant),
    #[error(
        "`{0}` cannot be planted on a recorded workload; there are dropped, remove_lost, corrupted, foreign_writer"
    )]
    NotHere(Plant),
    #[error("write ycsb:N, such as ycsb:100000")]
    Generate,
}

/// Something is wrong with the workload.
#[derive(Debug, Error)]
#[error("{workload}: {source}")]
struct InWorkload {
    workload: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Nobody takes reports.
#[derive(Debug, Error)]
#[error(
    "no sidecar answers at {}{}; start one with `counterfoil sidecar`, and give its socket.path as --socket",
    socket.display(),
    refusal.as_ref().map_or_else(String::new, |refusal| format!(" ({refusal})"))
)]
struct NoSidecar {
    socket: PathBuf,
    refusal: Option<String>,
}

fn generated(text: &str) -> Result<u64, ArgError> {
    let writes = text.strip_prefix("ycsb:").and_then(|writes| writes.parse().ok());
    writes.filter(|&writes| writes > 0).ok_or(ArgError::Generate)
}

fn share(text: &str) -> Result<(Plant, Wanted), ArgError> {
    let (plant, share) = kind(text)?;
    let share = share.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or(ArgError::Share)?;
    Ok((plant, Wanted::Share(share)))
}

fn count(text: &str) -> Result<(Plant, Wanted), ArgError> {
    let (plant, count) = kind(text)?;
    Ok((plant, Wanted::Count(count.parse().map_err(|_| ArgError::Count)?)))
}

fn kind(text: &str) -> Result<(Plant, &str), ArgError> {
    let (kind, number) = text.split_once('=').ok_or(ArgError::NoNumber)?;
    let plant = kind.parse()?;
    if PLANTS.contains(&plant) { Ok((plant, number)) } else { Err(ArgError::NotHere(plant)) }
}

type Writes = Box<dyn Iterator<Item = Result<TraceWrite, BadLine>>>;

impl LoadArgs {
    /// The writes from the start; can be had more than once.
    fn writes(&self) -> Result<Writes, Failure> {
        if let (Some(path), Some(format)) = (&self.trace, self.format) {
            let file = File::open(path).map_err(|source| Failure::File { path: path.clone(), source })?;
            return Ok(Box::new(format.writes(BufReader::new(file))));
        }
        Ok(Box::new(trace::generated(self.generate.unwrap_or_default(), self.seed)))
    }

    fn wanted(&self) -> BTreeMap<Plant, Wanted> {
        self.plant.iter().chain(&self.plant_count).copied().collect()
    }

    /// An error of the workload, with its name.
    fn in_workload(&self, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
        let workload = self.trace.as_ref().map_or("generated".to_owned(), |path| path.display().to_string());
        Failure::of(InWorkload { workload, source: Box::new(error) })
    }
}

/// Drives the workload; the answer is yes if everything was delivered to the sidecar.
pub(crate) fn run(args: &LoadArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    let survey = survey(args.writes()?, &args.wanted(), args.value_bytes_max, args.seed)
        .map_err(|error| args.in_workload(error))?;
    let store = AppStore::create(&args.store, &args.map).map_err(Failure::of)?;
    let emitter = Emitter::connect(&args.socket, Identity::new("counterfoil-load")).map_err(Failure::of)?;
    await_sidecar(&emitter, &args.socket)?;
    let drive = Drive {
        store: &store,
        emitter: emitter.map(&args.map),
        workers: args.threads.into(),
        rate: args.rate.into(),
        value_bytes_max: args.value_bytes_max,
        plants: &survey.plants,
    };
    let start = now();
    let driven = drive.run(args.writes()?, progress(&survey)).map_err(|error| match error {
        DriveError::Line(bad) => args.in_workload(bad),
        DriveError::Store(_) | DriveError::Panic => Failure::of(error),
    })?;
    let seconds = since(start).as_secs_f64();
    let before = emitter.stats();
    let delivered = emitter.close(CLOSE_TIMEOUT);
    let report = Report::new(&survey, driven, seconds, &before, delivered);
    report.warn(args.value_bytes_max);
    report.write(args.output, out)?;
    Ok(Answer::yes_if(delivered && report.is_complete()))
}

/// A workload that nobody hears of would prove nothing.
fn await_sidecar(emitter: &Emitter, socket: &Path) -> Result<(), Failure> {
    let start = now();
    while !emitter.stats().connected {
        if since(start) > CONNECT_TIMEOUT {
            let refusal = emitter.stats().last_refusal;
            return Err(Failure::of(NoSidecar { socket: socket.to_owned(), refusal }));
        }
        sleep(LOOK);
    }
    Ok(())
}

fn progress(survey: &Survey) -> impl FnMut(u64) + use<> {
    let (progress, writes) = (Progress::start(), survey.writes);
    move |number| {
        if number.is_multiple_of(PROGRESS_EVERY) {
            progress.say(format!("{number} of {writes} writes"));
        }
    }
}
