//! `counterfoil gate`: asks a comparator whether traffic may be moved over, and waits for the answer if it is told to.

mod output;

use crate::exit::{Answer, Failure};
use crate::http::{Client, ServerArgs};
use crate::output::Output;
use clap::Args;
use counterfoil_clock::now;
use counterfoil_judge::Time;
use output::{Gate, Word};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;
use thiserror::Error;
use url::form_urlencoded;

/// Flags of `counterfoil gate`.
#[derive(Args, Debug)]
pub(crate) struct GateArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The map; without it all maps, of which each has to pass
    #[arg(long)]
    map: Option<String>,
    /// The store of the map; without it each of its stores has to pass
    #[arg(long, requires = "map")]
    store: Option<String>,
    /// Ask about the events of this cohort alone, such as deployment=canary
    #[arg(long, value_name = "KEY=VALUE")]
    cohort: Option<String>,
    /// Ask whether the cohort diverges more often than this one
    #[arg(long, value_name = "KEY=VALUE", requires = "cohort")]
    against: Option<String>,
    /// How far back to look, from 10s to 24h; the comparator's default is 10m
    #[arg(long, value_name = "DURATION")]
    window: Option<String>,
    /// While it is insufficient ask again, for so long at most
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = crate::duration::parse)]
    wait: i64,
    /// From one question to the next
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = interval)]
    interval: Duration,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Why there is no answer.
#[derive(Debug, Error)]
enum GateError {
    /// An interval of nothing would ask without end.
    #[error("`{0}` is too short; write 100ms or more")]
    Interval(String),
    /// The comparator answers something that this version does not know.
    #[error("{url}: not the answer of a gate: {source}")]
    Foreign { url: String, source: serde_json::Error },
}

/// The shortest interval: what a comparator has to look through for an answer takes it a moment.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

fn interval(text: &str) -> Result<Duration, Box<dyn std::error::Error + Send + Sync>> {
    let interval = Duration::from_nanos(crate::duration::parse(text)?.unsigned_abs());
    if interval < INTERVAL_MIN {
        return Err(Box::new(GateError::Interval(text.to_owned())));
    }
    Ok(interval)
}

impl GateArgs {
    /// What is asked for.
    fn path_and_query(&self) -> String {
        let parameters = [
            ("map", &self.map),
            ("store", &self.store),
            ("cohort", &self.cohort),
            ("against", &self.against),
            ("window", &self.window),
        ];
        let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        format!("/v1/gate?{query}")
    }
}

/// Asks, waits as long as it is told to, and shows the last answer.
pub(crate) fn run(args: &GateArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    let client = Client::new(&args.server)?;
    let (path, until) = (args.path_and_query(), now().plus(args.wait));
    let (told, gate) = loop {
        match client.get_json::<Value>(&path) {
            Ok(told) => {
                let gate = understood(args, &told).map_err(Failure::of)?;
                if gate.result != Word::Insufficient || !is_time_left(until) {
                    break (told, gate);
                }
                eprintln!("insufficient ({}); asking again", gate.reason_names());
            }
            Err(error) if error.is_transient() && is_time_left(until) => eprintln!("{error}; asking again"),
            Err(error) => return Err(Failure::of(error)),
        }
        rest(args.interval, until);
    };
    output::write(&gate, &told, args.output, out)?;
    Ok(match gate.result {
        Word::Pass => Answer::Yes,
        Word::Fail => Answer::No,
        Word::Insufficient => Answer::Unknown,
    })
}

fn understood(args: &GateArgs, told: &Value) -> Result<Gate, GateError> {
    let url = args.server.url.clone();
    serde_json::from_value(told.clone()).map_err(|source| GateError::Foreign { url, source })
}

fn is_time_left(until: Time) -> bool {
    now() < until
}

/// Sleeps for an interval, or until the time is over.
fn rest(interval: Duration, until: Time) {
    let left = Duration::from_nanos(u64::try_from(until.since(now())).unwrap_or(0));
    std::thread::sleep(interval.min(left));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn parsed(flags: &[&str]) -> Result<GateArgs, String> {
        let cli = Cli::try_parse_from([&["counterfoil", "gate"][..], flags].concat())
            .map_err(|error| error.to_string())?;
        let Command::Gate(args) = cli.command else { panic!("another command") };
        Ok(args)
    }

    #[test]
    fn flags_become_parameters_and_nothing_else_does() {
        for (flags, path) in [
            (&[][..], "/v1/gate?"),
            (&["--map", "cart", "--window", "10m"], "/v1/gate?map=cart&window=10m"),
            (
                &["--map", "a&b", "--store", "main", "--cohort", "deployment=canary", "--against", "other"],
                "/v1/gate?map=a%26b&store=main&cohort=deployment%3Dcanary&against=other",
            ),
        ] {
            assert_eq!(parsed(flags).unwrap().path_and_query(), path);
        }
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        for (flags, told) in [
            (&["--interval", "0"][..], "`0` is too short; write 100ms or more"),
            (&["--wait", "soon"], "`soon` is not a duration"),
            (&["--against", "a=b"], "--cohort"),
            (&["--store", "main"], "--map"),
        ] {
            let error = parsed(flags).unwrap_err();
            assert!(error.contains(told), "{told} in {error}");
        }
    }
}
