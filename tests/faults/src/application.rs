//! The application's process, as the harness sees it.

use crate::app::line::{Counted, Line};
use crate::book::{Book, SourceBook};
use counterfoil_tests::wait;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long it may take to be welcomed, or to end once it is told to.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it has told so far.
#[derive(Default)]
struct Heard {
    names: Vec<String>,
    counted: Counted,
    book: Book,
    delivered: Option<bool>,
    refusal: Option<String>,
    /// Nothing more will come.
    is_over: bool,
}

/// The application while it runs. It is killed when this is dropped.
pub(crate) struct Application {
    child: Child,
    heard: Arc<Mutex<Heard>>,
    log: std::path::PathBuf,
}

impl Application {
    /// Starts it by `command` and waits until the sidecar has welcomed it.
    pub(crate) fn start(command: &mut Command, folder: &Path) -> Result<Self, String> {
        let log = folder.join(format!("{}.log", counterfoil_tests::unique("app")));
        let errors = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(|error| format!("the application: {error}"))?;
        let stdout = child.stdout.take().ok_or("the application has no standard output")?;
        let heard = Arc::<Mutex<Heard>>::default();
        let hearing = Arc::clone(&heard);
        // It ends with the application's standard output.
        thread::spawn(move || listen(stdout, &hearing));
        let application = Self { child, heard, log };
        application.await_heard("the sidecar's welcome", |heard| !heard.names.is_empty())?;
        Ok(application)
    }

    /// The names of its sources.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.heard).names.clone()
    }

    /// How far it was when it last said so.
    pub(crate) fn counted(&self) -> Counted {
        lock(&self.heard).counted
    }

    /// Tells it to write no more, waits until everything is acknowledged, and gives its book.
    pub(crate) fn finish(mut self) -> Result<Book, String> {
        drop(self.child.stdin.take());
        self.await_heard("the application's end", |heard| heard.is_over)?;
        let mut heard = lock(&self.heard);
        match (heard.delivered, heard.refusal.take()) {
            (Some(true), _) => Ok(std::mem::take(&mut heard.book)),
            (Some(false), None) => Err("not everything was acknowledged in the end".to_owned()),
            (Some(false), Some(refusal)) => Err(format!("not everything was acknowledged: {refusal}")),
            (None, _) => Err(format!("the application broke off: {}", self.said())),
        }
    }

    /// Kills it (SIGKILL) and gives its book as far as it told.
    pub(crate) fn kill(mut self) -> Result<Book, String> {
        self.child.kill().map_err(|error| format!("killing the application: {error}"))?;
        self.await_heard("the rest of what the application said", |heard| heard.is_over)?;
        let mut heard = lock(&self.heard);
        let mut book = std::mem::take(&mut heard.book);
        let Counted { acknowledged, lost, .. } = heard.counted;
        let [name] = heard.names.as_slice() else {
            return Err("one emitter at a time can be killed".to_owned());
        };
        let source = SourceBook { name: name.clone(), issued: None, acknowledged, own_losses: lost };
        book.sources.push(source);
        Ok(book)
    }

    fn await_heard(&self, what: &str, mut is_there: impl FnMut(&Heard) -> bool) -> Result<(), String> {
        let there = wait::within(PATIENCE, || {
            let heard = lock(&self.heard);
            (is_there(&heard) || heard.is_over).then(|| is_there(&heard))
        });
        match there {
            Some(true) => Ok(()),
            Some(false) => Err(format!("{what} did not come: {}", self.said())),
            None => Err(format!("{what} did not come within {PATIENCE:?}")),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // It may have ended; then both do nothing.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn listen(stdout: ChildStdout, heard: &Mutex<Heard>) {
    for line in BufReader::new(stdout).lines() {
        // What a kill cut off is no line.
        let Ok(line) = line else { break };
        let Ok(line) = serde_json::from_str(&line) else { break };
        let mut heard = lock(heard);
        match line {
            Line::Began { sources } => heard.names = sources,
            Line::Counted(counted) => heard.counted = counted,
            Line::Planted(planted) => heard.book.planted.push(planted),
            Line::Ended { sources, delivered, refusal } => {
                heard.book.sources = sources;
                heard.delivered = Some(delivered);
                heard.refusal = refusal;
            }
        }
    }
    lock(heard).is_over = true;
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
