//! `counterfoil completions` and `counterfoil man`.

use crate::args::Cli;
use crate::exit::{Answer, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::Write;
use std::path::PathBuf;

/// Flags of `counterfoil completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Flags of `counterfoil man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// An existing folder for a page per subcommand; without it the main page is printed
    folder: Option<PathBuf>,
}

/// Prints completions.
pub(crate) fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    // The generator panics when it cannot write, as when a pager is closed; memory always takes it.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "counterfoil", &mut script);
    out.write_all(&script)?;
    Ok(Answer::Yes)
}

/// Prints or writes man pages.
pub(crate) fn man(args: &ManArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    match &args.folder {
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder)
            .map_err(|source| Failure::File { path: folder.clone(), source })?,
        None => clap_mangen::Man::new(Cli::command()).render(out)?,
    }
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_gets_completions_that_know_the_subcommands() {
        for &shell in Shell::value_variants() {
            let mut out = Vec::new();
            completions(&CompletionsArgs { shell }, &mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            assert!(script.contains("replay") && script.contains("demo"), "{shell}");
        }
    }

    #[test]
    fn man_pages_are_printed_or_written_one_per_subcommand() {
        let mut out = Vec::new();
        man(&ManArgs { folder: None }, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains(".TH counterfoil 1"));
        let folder = tempfile::tempdir().unwrap();
        man(&ManArgs { folder: Some(folder.path().to_owned()) }, &mut Vec::new()).unwrap();
        assert!(folder.path().join("counterfoil-replay.1").exists());
    }
}
