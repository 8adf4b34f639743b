//! `counterfoil top`: the dashboard's overview in a terminal.
//!
//! What a comparator tells (`model`) becomes panes of rows (`panes`), and these a screen of any size (`view`); `live` has the
//! terminal, its keys, and a thread that asks, so that a comparator that is slow keeps no key waiting.

mod live;
mod model;
mod panes;
mod view;

use crate::exit::{Answer, Failure};
use crate::http::{Client, ServerArgs};
use clap::Args;
use model::Told;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use thiserror::Error;

/// Columns of a frame where there is no terminal.
const WIDTH: u16 = 100;

/// The shortest time from one question to the next: a comparator counts all that it watches for an answer.
const EVERY_MIN: Duration = Duration::from_millis(100);

/// Flags of `counterfoil top`.
#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print one frame as text and end
    #[arg(long, conflicts_with = "every")]
    once: bool,
    /// From one question to the next
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = every)]
    every: Duration,
}

/// Why there is nothing to be seen.
#[derive(Debug, Error)]
enum TopError {
    /// A comparator that is asked without a pause has no time left for its work.
    #[error("`{0}` is too short; write 100ms or more")]
    Every(String),
    /// The screen would go into a file or a pipe.
    #[error("no terminal to show it in; --once prints one frame as text")]
    NoTerminal,
}

fn every(text: &str) -> Result<Duration, Box<dyn std::error::Error + Send + Sync>> {
    let every = Duration::from_nanos(crate::duration::parse(text)?.unsigned_abs());
    if every < EVERY_MIN { Err(TopError::Every(text.to_owned()).into()) } else { Ok(every) }
}

/// Prints a frame, or shows one after the other until it is told to end.
pub(crate) fn run(args: &TopArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    let client = Client::new(&args.server)?;
    if !args.once {
        if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
            return Err(Failure::of(TopError::NoTerminal));
        }
        return live::run(client, args.server.url.clone(), args.every);
    }
    let told = Told::ask(&client)?;
    let width = ratatui::crossterm::terminal::size().map_or(WIDTH, |(width, _)| width);
    for line in view::text(&told, width) {
        writeln!(out, "{line}")?;
    }
    Ok(Answer::Yes)
}
