//! How a command ends: with an answer, or because it could not be carried out.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// Exit code of a command that could not be carried out.
const COULD_NOT: u8 = 2;

/// Exit code of a question to which there is no answer yet.
const NOT_KNOWN: u8 = 3;

/// The answer to what was asked, as the exit code tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// All is as it should be: 0.
    Yes,
    /// Something was found that should not be there, or not found that should: 1.
    No,
    /// Too little is known to say either: 3.
    Unknown,
}

impl Answer {
    /// Yes if `holds`.
    pub(crate) fn yes_if(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Why a command could not be carried out.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// The command's own reason.
    #[error("{0}")]
    Command(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// A command's own reason.
    pub(crate) fn of(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Command(Box::new(error))
    }

    /// Whether only the reader of standard output went away, as `head` does.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The exit code; a failure's reason goes to standard error.
pub(crate) fn code(result: Result<Answer, Failure>) -> ExitCode {
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::FAILURE,
        Ok(Answer::Unknown) => ExitCode::from(NOT_KNOWN),
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(COULD_NOT)
        }
    }
}
