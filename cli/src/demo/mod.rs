//! `counterfoil demo`: an application with a map and a store, a sidecar and a comparator, started together; bugs planted
//! at known places, and counted when they are found.
//!
//! | module | is |
//! |---|---|
//! | `stage` | what must be there before anything runs |
//! | `house` | the sidecar and the comparator |
//! | `application` | the maps, the store and the threads that write: `crew` rightly, `planter` wrongly, by a `schedule` |
//! | `hot` | keys that never rest, and the bug that is provable there |
//! | `api` | the comparator's HTTP interface |
//! | `tally` | what was planted against what was found |
//! | `report` | what is printed |

mod agenda;
mod api;
mod application;
mod crew;
mod hot;
mod house;
mod map;
mod planter;
mod report;
mod schedule;
mod stage;
mod tally;
mod wait;
mod write;

use crate::app_store::{StoreUrl, UrlError};
use crate::exit::{Answer, Failure};
use crate::output::Output;
use crate::progress::Progress;
use api::Api;
use application::{Deeds, Plan};
use clap::Args;
use house::House;
use report::{Counts, HotReport, Percentiles, Report};
use stage::{HOT_MAP, MAP, Stage};
use std::io::Write;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;
use wait::{Findings, wait};

/// Bugs per second, all kinds together.
const PLANT_RATE: f64 = 12.0;

/// How often it is looked for Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// Flags of `counterfoil demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// How long the application writes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=3600))]
    seconds: u64,
    /// The store: sqlite, sqlite:FILE, postgres://USER@HOST/DATABASE or redis://HOST:PORT
    #[arg(long, default_value = "sqlite")]
    store: DemoStore,
    /// Picks keys, values and bugs; the same seed picks the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bugs per second, all kinds together, up to 100
    #[arg(long, default_value_t = PLANT_RATE, value_parser = plant_rate)]
    plant_rate: f64,
    /// Writes per second; 0 for as many as the machine can do
    #[arg(long, default_value_t = 12_000)]
    rate: u32,
    /// Share of the writes, in percent, that goes to a few keys that never rest; some of them are frozen for a while
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=99))]
    hot: u8,
    /// Threads that write
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Keep the comparator up afterwards, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// A store, or a file of the demo's own.
#[derive(Clone, Debug)]
struct DemoStore(Option<StoreUrl>);

impl FromStr for DemoStore {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text == "sqlite" { Ok(Self(None)) } else { text.parse().map(|url| Self(Some(url))) }
    }
}

fn plant_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=100.0).contains(rate));
    rate.ok_or_else(|| "write a number from 0 to 100".to_owned())
}

impl DemoArgs {
    fn plan(&self) -> Plan {
        Plan {
            run: Duration::from_secs(self.seconds),
            rate: self.rate.into(),
            threads: self.threads,
            plant_rate: self.plant_rate,
            hot_share: f64::from(self.hot) / 100.0,
            seed: self.seed,
        }
    }
}

/// Runs the demo; the answer is yes if every bug was found, nothing else was, every event is accounted for, and writes of hot
/// keys, if there are any, were confirmed.
pub(crate) fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    let stage = Stage::set(args.store.0.as_ref(), args.hot > 0).map_err(Failure::of)?;
    let house = House::open(&stage).map_err(Failure::Command)?;
    let api = Api::new(house.http());
    let (deeds, findings) = observe(args, &stage, &house, &api)?;
    let answer = tell(args, &deeds, &findings, out)?;
    out.flush()?;
    if args.serve {
        eprintln!("the comparator answers at {} until Ctrl-C", api.url());
        while !house.interrupted().load(Ordering::Relaxed) {
            sleep(LOOK);
        }
    }
    house.close().map_err(Failure::Command)?;
    Ok(answer)
}

fn observe(args: &DemoArgs, stage: &Stage, house: &House, api: &Api) -> Result<(Deeds, Findings), Failure> {
    let progress = Progress::start();
    let watch = |events| {
        if !progress.is_hidden()
            && let Ok(summary) = api.summary()
        {
            let outcomes = summary.outcomes();
            progress.say(format!(
                "{events} writes, {} confirmed, {} superseded, {} divergent, {} open",
                outcomes.confirmed, outcomes.superseded, outcomes.divergent, outcomes.open
            ));
        }
    };
    let deeds = application::run(&args.plan(), stage, house.interrupted(), watch).map_err(Failure::of)?;
    progress.say("waiting for the last verdicts".to_owned());
    let findings = wait(api, &deeds, house.interrupted()).map_err(Failure::of)?;
    Ok((deeds, findings))
}

fn tell(args: &DemoArgs, deeds: &Deeds, findings: &Findings, out: &mut dyn Write) -> Result<Answer, Failure> {
    let report = report(args, deeds, findings);
    report.write(args.output, out)?;
    let mut remarks = findings.unsettled(deeds);
    if report.hot.as_ref().is_some_and(|hot| hot.outcomes.confirmed == 0) {
        remarks.push("no write of a hot key was confirmed".to_owned());
    }
    for remark in findings.tally.remarks.iter().chain(&remarks) {
        eprintln!("{remark}");
    }
    Ok(Answer::yes_if(findings.tally.is_clean() && remarks.is_empty()))
}

fn report(args: &DemoArgs, deeds: &Deeds, findings: &Findings) -> Report {
    let [planted, found, missed, false_alarms] = Counts::of(&findings.tally);
    // A count of events has far fewer than 53 bits.
    #[allow(clippy::cast_precision_loss, reason = "a run has far fewer than 2^53 events")]
    let events = deeds.events as f64;
    let outcomes = findings.summary.outcomes();
    Report {
        events: deeds.events,
        events_per_second: events / deeds.seconds,
        outcomes,
        planted,
        found,
        missed,
        false_alarms,
        lag_ms: findings.summary.map(MAP).lag_ms.unwrap_or_default(),
        detection_ms: Percentiles::of(&findings.tally.detection_ms),
        coverage: outcomes.coverage(),
        hot: (args.hot > 0).then(|| HotReport::of(&findings.summary.map(HOT_MAP))),
    }
}
