//! The terminal: what is told is drawn, and keys are done as they are pressed, while a thread of its own asks.

use super::model::Told;
use super::panes::Pane;
use super::view::{Connection, Screen};
use crate::exit::{Answer, Failure};
use crate::http::{Client, HttpError};
use counterfoil_clock::{now, wall_unix_ns};
use counterfoil_judge::Time;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use signal_hook::consts::{SIGHUP, SIGTERM};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

/// How long a key may wait for an answer to be drawn, and a signal to be seen.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Shows one frame after the other until a key or a signal ends it. The terminal is then as it was, also after a panic.
pub(super) fn run(client: Client, url: String, every: Duration) -> Result<Answer, Failure> {
    let is_ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&is_ended))?;
    }
    let asker = Asker::start(client, every)?;
    let screen = Screen {
        url,
        connection: Connection::Asked,
        told: None,
        pane: Pane::Checks,
        first: 0,
        is_paused: false,
        is_help: false,
    };
    let mut top = Top { screen, asker, answered: now(), trouble: None };
    ratatui::run(|terminal| top.run(terminal, &is_ended))
}

struct Top {
    screen: Screen,
    asker: Asker,
    /// When the comparator answered last, or was asked first.
    answered: Time,
    /// Why it has not since.
    trouble: Option<String>,
}

impl Top {
    fn run(&mut self, terminal: &mut DefaultTerminal, is_ended: &AtomicBool) -> Result<Answer, Failure> {
        while !is_ended.load(Ordering::Relaxed) {
            self.take_answers()?;
            if let (Some(why), false) = (&self.trouble, self.screen.is_paused) {
                self.screen.connection = Connection::Away(now().since(self.answered), why.clone());
            }
            terminal.draw(|frame| frame.render_widget(&self.screen, frame.area()))?;
            if event::poll(LOOK_EVERY)? {
                let height = terminal.size()?.height;
                if let Event::Key(key) = event::read()?
                    && self.press(key, height)
                {
                    break;
                }
            }
        }
        Ok(Answer::Yes)
    }

    fn take_answers(&mut self) -> Result<(), Failure> {
        loop {
            match self.asker.answers.try_recv() {
                Ok(Ok(told)) => {
                    self.answered = now();
                    self.trouble = None;
                    self.screen.connection = Connection::Answered(wall_unix_ns());
                    self.screen.told = Some(told);
                }
                Ok(Err(error)) if error.is_transient() => self.trouble = Some(error.to_string()),
                Ok(Err(error)) => return Err(error.into()),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Does what a key says; gives whether that is to leave.
    fn press(&mut self, key: KeyEvent, height: u16) -> bool {
        if !key.is_press() && !key.is_repeat() {
            return false;
        }
        let is_control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        let screen = &mut self.screen;
        let last = screen.last_first(height);
        let page = usize::from(height / 2).max(1);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if is_control_c => return true,
            KeyCode::Tab => self.go_to(1),
            KeyCode::BackTab => self.go_to(Pane::ALL.len() - 1),
            KeyCode::Char(digit @ '1'..='4') => {
                let place = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).unwrap_or(1);
                screen.pane = Pane::ALL.get(place - 1).copied().unwrap_or(screen.pane);
                screen.first = 0;
            }
            KeyCode::Down | KeyCode::Char('j') => screen.first = (screen.first + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => screen.first = screen.first.saturating_sub(1),
            KeyCode::PageDown => screen.first = (screen.first + page).min(last),
            KeyCode::PageUp => screen.first = screen.first.saturating_sub(page),
            KeyCode::Home | KeyCode::Char('g') => screen.first = 0,
            KeyCode::Char('p') => {
                screen.is_paused = !screen.is_paused;
                self.asker.is_paused.store(screen.is_paused, Ordering::Relaxed);
            }
            KeyCode::Char('?') => screen.is_help = !screen.is_help,
            _ => {}
        }
        false
    }

    fn go_to(&mut self, steps: usize) {
        let place = Pane::ALL.iter().position(|pane| *pane == self.screen.pane).unwrap_or(0);
        let next = (place + steps) % Pane::ALL.len();
        self.screen.pane = Pane::ALL.get(next).copied().unwrap_or(self.screen.pane);
        self.screen.first = 0;
    }
}

/// Asks over and over, on a thread that ends with it.
struct Asker {
    answers: Receiver<Result<Told, HttpError>>,
    is_paused: Arc<AtomicBool>,
    /// Closed when this is dropped.
    _stop: SyncSender<()>,
}

impl Asker {
    fn start(client: Client, every: Duration) -> io::Result<Self> {
        let (answer, answers) = sync_channel(1);
        let (stop, stopped) = sync_channel(0);
        let is_paused = Arc::new(AtomicBool::new(false));
        let paused = Arc::clone(&is_paused);
        thread::Builder::new().name("ask".to_owned()).spawn(move || {
            loop {
                // Nobody takes the answer when the screen is gone.
                if !paused.load(Ordering::Relaxed) && answer.send(Told::ask(&client)).is_err() {
                    return;
                }
                if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { answers, is_paused, _stop: stop })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::http::ServerArgs;
    use ratatui::crossterm::event::KeyEventKind;

    fn top() -> Top {
        let client = Client::new(&ServerArgs::at("http://127.0.0.1:1")).unwrap();
        let screen = Screen {
            url: "http://127.0.0.1:1".into(),
            connection: Connection::Asked,
            told: None,
            pane: Pane::Checks,
            first: 0,
            is_paused: false,
            is_help: false,
        };
        let asker = Asker::start(client, Duration::from_secs(1)).unwrap();
        Top { screen, asker, answered: now(), trouble: None }
    }

    #[test]
    fn keys_go_from_pane_to_pane_pause_help_and_leave() {
        let mut top = top();
        let mut press = |code: KeyCode, modifiers| {
            let leaves = top.press(KeyEvent::new(code, modifiers), 20);
            (leaves, top.screen.pane, top.screen.is_paused, top.screen.is_help)
        };
        let none = KeyModifiers::NONE;
        assert_eq!(press(KeyCode::Tab, none), (false, Pane::Sources, false, false));
        assert_eq!(press(KeyCode::BackTab, none).1, Pane::Checks);
        assert_eq!(press(KeyCode::BackTab, none).1, Pane::Divergences);
        assert_eq!(press(KeyCode::Char('3'), none).1, Pane::Stores);
        assert_eq!(press(KeyCode::Char('p'), none), (false, Pane::Stores, true, false));
        assert_eq!(press(KeyCode::Char('?'), none), (false, Pane::Stores, true, true));
        assert!(!press(KeyCode::Char('c'), none).0);
        for (code, modifiers) in
            [(KeyCode::Char('c'), KeyModifiers::CONTROL), (KeyCode::Char('q'), none), (KeyCode::Esc, none)]
        {
            assert!(press(code, modifiers).0, "{code:?} leaves");
        }
        let release = KeyEvent::new_with_kind(KeyCode::Char('q'), none, KeyEventKind::Release);
        assert!(!top.press(release, 20), "a key that is let go of does nothing");
    }

    #[test]
    fn a_comparator_that_is_away_is_told_so_and_ends_nothing() {
        let mut top = top();
        while top.trouble.is_none() {
            top.take_answers().unwrap();
        }
        assert!(top.trouble.unwrap().contains("127.0.0.1:1"));
    }
}
