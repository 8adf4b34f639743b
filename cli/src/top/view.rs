//! The screen: what was told, drawn into a space of any size. Nothing here asks, waits or knows a terminal.

use super::model::Told;
use super::panes::{Cell, Pane, Tone};
use counterfoil_comparator::dashboard::show;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, Widget};

/// Widest column but for the last one, so that one long name does not push out the rest.
const COLUMN_MAX: u16 = 32;

/// Between columns.
const GAP: u16 = 2;

/// Lines of a pane besides its rows: its title, the heads of its columns, and an empty one after it.
const FRAME_LINES: u16 = 3;

/// A pane of less than this many lines says nothing.
const PANE_LINES_MIN: u16 = 4;

/// What each pane gets, if it wants as much, before another one gets all that it wants.
const FEW_LINES: u16 = 7;

const HELP: [&str; 9] = [
    "q, Esc, Ctrl-C      leave",
    "Tab, 1 2 3 4        go to a pane: it has the room that it wants, the others what is left",
    "down j, up k        scroll it by a row",
    "PgDn, PgUp          by a page",
    "Home g              to its top",
    "p                   pause: nothing is asked until p is pressed again",
    "?                   this, and back",
    "",
    "Gate, diverging and coverage are of the gate's window; the others since the comparator was started, or as it is now.",
];

/// How the comparator stands to this screen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Connection {
    /// It was not heard of yet.
    Asked,
    /// It answered at this time, in nanoseconds since 1970.
    Answered(i64),
    /// It has not answered for so long, in nanoseconds; and why.
    Away(i64, String),
}

/// All that there is to draw.
pub(super) struct Screen {
    pub(super) url: String,
    pub(super) connection: Connection,
    pub(super) told: Option<Told>,
    pub(super) pane: Pane,
    /// The first row of the pane that is shown.
    pub(super) first: usize,
    pub(super) is_paused: bool,
    pub(super) is_help: bool,
}

impl Widget for &Screen {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let [top, middle, bottom] = thirds(area);
        self.status().render(top, buffer);
        match &self.told {
            _ if self.is_help => lines(HELP.iter().copied(), middle, buffer),
            Some(told) => self.panes(told, middle, buffer),
            None => {}
        }
        if matches!(self.connection, Connection::Away(..)) {
            buffer.set_style(middle, Style::new().add_modifier(Modifier::DIM));
        }
        Line::from("q leave  Tab pane  up/down scroll  p pause  ? help").render(bottom, buffer);
    }
}

impl Screen {
    /// The line at the top.
    fn status(&self) -> Line<'_> {
        let (word, tone, rest) = match &self.connection {
            _ if self.is_paused => ("paused", Tone::Doubt, self.as_of()),
            Connection::Asked => ("asking", Tone::Plain, String::new()),
            Connection::Answered(_) => ("live", Tone::Good, self.as_of()),
            Connection::Away(ns, why) => ("away", Tone::Bad, format!(" for {}: {why}", show::span(*ns))),
        };
        let url = Span::styled(crate::output::one_line(&self.url), Style::new().add_modifier(Modifier::BOLD));
        Line::from(vec![url, Span::raw("  "), Span::styled(word, style(tone)), Span::raw(rest)])
    }

    fn as_of(&self) -> String {
        match self.connection {
            Connection::Answered(at) => format!(" as of {}", show::time(at)),
            Connection::Asked | Connection::Away(..) => String::new(),
        }
    }

    /// The pane that is gone to gets the lines that it wants; of what is left each other one a few, and then, in their order,
    /// all that it wants.
    fn panes(&self, told: &Told, area: Rect, buffer: &mut Buffer) {
        let wanted = Pane::ALL.map(|pane| (pane, wanted_lines(pane, told)));
        let mut left = area.height;
        let mut heights = wanted.map(|(pane, lines)| {
            let gone_to = if pane == self.pane { lines.min(left) } else { 0 };
            left -= gone_to;
            gone_to
        });
        for few in [FEW_LINES, u16::MAX] {
            for (height, (_, lines)) in heights.iter_mut().zip(wanted) {
                let more = lines.min(few).saturating_sub(*height).min(left);
                if *height + more >= PANE_LINES_MIN {
                    *height += more;
                    left -= more;
                }
            }
        }
        let mut y = area.y;
        for (pane, height) in Pane::ALL.into_iter().zip(heights) {
            let first = if pane == self.pane { self.first } else { 0 };
            let of = Rect { y, height, ..area };
            draw(pane, told, first, pane == self.pane, of, buffer);
            y += height;
        }
    }

    /// The first row from which on all others of the pane fit into `height` lines.
    pub(super) fn last_first(&self, height: u16) -> usize {
        let rows = usize::from(height.saturating_sub(FRAME_LINES + 2));
        self.told.as_ref().map_or(0, |told| self.pane.len(told).saturating_sub(rows.max(1)))
    }
}

/// One frame with everything in it, as lines of at most `width` characters.
pub(super) fn text(told: &Told, width: u16) -> Vec<String> {
    let of_pane = |pane: Pane| {
        let area = Rect::new(0, 0, width, wanted_lines(pane, told));
        let mut buffer = Buffer::empty(area);
        draw(pane, told, 0, false, area, &mut buffer);
        printed(&buffer)
    };
    let mut lines: Vec<_> = Pane::ALL.into_iter().flat_map(of_pane).collect();
    lines.pop();
    lines
}

/// What a buffer shows, without its colours.
fn printed(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y| {
        let (mut line, mut x) = (String::new(), 0);
        while let Some(cell) = buffer.cell((x, y)).filter(|_| x < area.width) {
            line.push_str(cell.symbol());
            // A wide letter stands in the next cell too.
            x += u16::try_from(Span::raw(cell.symbol()).width()).map_or(1, |wide| wide.max(1));
        }
        line.trim_end().to_owned()
    };
    (0..area.height).map(line).collect()
}

fn thirds(area: Rect) -> [Rect; 3] {
    let top = Rect { height: area.height.min(1), ..area };
    let bottom = Rect { y: area.bottom().saturating_sub(1), height: u16::from(area.height > 2), ..area };
    let middle =
        Rect { y: top.bottom(), height: area.height.saturating_sub(top.height + bottom.height), ..area };
    [top, middle, bottom]
}

fn lines<'t>(lines: impl Iterator<Item = &'t str>, area: Rect, buffer: &mut Buffer) {
    for (line, y) in lines.zip(area.top()..area.bottom()) {
        buffer.set_stringn(area.x, y, line, area.width.into(), Style::new());
    }
}

fn wanted_lines(pane: Pane, told: &Told) -> u16 {
    u16::try_from(pane.len(told).max(1)).unwrap_or(u16::MAX).saturating_add(FRAME_LINES)
}

/// A title, heads and rows. Columns that do not fit are left out from the right.
fn draw(pane: Pane, told: &Told, first: usize, is_gone_to: bool, area: Rect, buffer: &mut Buffer) {
    let Some(rows_max) = area.height.checked_sub(FRAME_LINES - 1).filter(|rows| *rows > 0) else { return };
    let len = pane.len(told);
    // The empty line after it is given up where that makes room for all.
    let rows_max = usize::from(rows_max);
    let rows_max = if rows_max == len { len } else { (rows_max - 1).max(1) };
    let first = first.min(len.saturating_sub(1));
    let rows = pane.rows(told, first..len.min(first.saturating_add(rows_max)));
    let title = title(pane, first, rows.len(), len, told);
    let modifier = if is_gone_to { Modifier::BOLD | Modifier::REVERSED } else { Modifier::BOLD };
    buffer.set_stringn(area.x, area.y, title, area.width.into(), Style::new().add_modifier(modifier));
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if rows.is_empty() {
        return lines([pane.nothing()].into_iter(), below, buffer);
    }
    let widths = widths(pane, &rows, area.width);
    let head = Row::new(pane.head().iter().take(widths.len()).copied());
    let head = head.style(Style::new().add_modifier(Modifier::UNDERLINED));
    let cell = |Cell { text, tone }: Cell| Span::styled(text, style(tone));
    let columns = widths.len();
    let rows = rows.into_iter().map(|row| Row::new(row.into_iter().take(columns).map(cell)));
    let table = Table::new(rows, widths.into_iter().map(Constraint::Length)).header(head).column_spacing(GAP);
    Widget::render(table, below, buffer);
}

fn title(pane: Pane, first: usize, shown: usize, len: usize, told: &Told) -> String {
    let number = Pane::ALL.iter().position(|it| *it == pane).map_or(0, |place| place + 1);
    let range = if shown < len {
        format!("{}–{} of {}", first + 1, first + shown, show::count(len as u64))
    } else {
        show::count(len as u64)
    };
    let window = match pane {
        Pane::Checks => format!(", gate of the last {}", show::span_ms(told.gate.window_ms)),
        Pane::Sources | Pane::Stores | Pane::Divergences => String::new(),
    };
    format!("{number} {} ({range}){window}", pane.title())
}

/// The widths of the columns that fit, of which the last one that there is may be as wide as is left.
fn widths(pane: Pane, rows: &[Vec<Cell>], width: u16) -> Vec<u16> {
    let head = pane.head();
    let mut left = width;
    let mut widths = Vec::with_capacity(head.len());
    for (column, name) in head.iter().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.as_str());
        let widest = cells.chain([*name]).map(|text| Span::raw(text).width()).max().unwrap_or(0);
        let widest = u16::try_from(widest).unwrap_or(u16::MAX);
        let is_last = column + 1 == head.len();
        let wide = if is_last { widest.min(left) } else { widest.min(COLUMN_MAX) };
        if wide > left || (is_last && usize::from(wide) < name.len()) {
            break;
        }
        widths.push(wide);
        left = left.saturating_sub(wide.saturating_add(GAP));
    }
    if widths.is_empty() { vec![width] } else { widths }
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        Tone::Doubt => Style::new().fg(Color::Yellow),
        Tone::Plain => Style::new(),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
