//! `counterfoil top`: the overview of a comparator as text.

mod model;
mod view;

use crate::exit::{Answer, Failure};
use crate::http::{Client, ServerArgs};
use clap::Args;
use model::Told;
use std::io::Write;

/// Columns of a frame where there is no terminal.
const WIDTH: u16 = 100;

/// Divergences that are asked for.
const DIVERGENCES_MAX: u32 = 20;

/// Flags of `counterfoil top`.
#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print one frame and end
    #[arg(long, required = true)]
    once: bool,
}

/// Prints a frame.
pub(crate) fn run(args: &TopArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    let client = Client::new(&args.server)?;
    let summary = client.get_json("/v1/summary")?;
    let page = client.get_json(&format!("/v1/divergences?state=confirmed&limit={DIVERGENCES_MAX}"))?;
    let width = ratatui::crossterm::terminal::size().map_or(WIDTH, |(width, _)| width);
    for line in view::frame(&Told { summary, page }, width) {
        writeln!(out, "{line}")?;
    }
    Ok(Answer::Yes)
}
