//! How results are written: tables for people, JSON for programs. Never in colour.

use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// The form of results on standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

/// A table without lines, one row per line of text.
pub(crate) fn plain_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}

/// A text as one line, whatever is in it: a terminal obeys control characters.
pub(crate) fn one_line(text: &str) -> String {
    text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

/// A cell of figures, aligned to the right.
pub(crate) fn figure(content: impl ToString) -> Cell {
    Cell::new(content).set_alignment(CellAlignment::Right)
}
