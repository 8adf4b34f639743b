//! The command line.

use crate::exit::{self, Answer, Failure};
use crate::{config, contract, demo, divergences, gate, generate, key, load, repair, replay, top, verify};
use clap::{Parser, Subcommand};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Says, with proof, whether an application's map and its store agree
#[derive(Parser, Debug)]
#[command(name = "counterfoil", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  counterfoil demo                              see it find bugs, with nothing to set up
  counterfoil comparator --config comparator.yaml
  counterfoil sidecar --config sidecar.yaml
  counterfoil replay history.jsonl              judge a recorded history

Exit codes: 0 all is well, 1 something was found, 2 the command could not be carried out, 3 too little is known to say.";

const DEMO_EXAMPLES: &str = "\
Examples:
  counterfoil demo --seconds 20
  counterfoil demo --store postgres://postgres@localhost/postgres --seed 7
  counterfoil demo --store redis://localhost --output json
  counterfoil demo --serve                      keep the comparator up afterwards, to look around";

const LOAD_EXAMPLES: &str = "\
Examples:
  counterfoil load --trace io.csv --format cloudphysics --store redis://localhost --socket /run/counterfoil/emit.sock
  counterfoil load --trace cluster52.csv --format twitter --store sqlite:/tmp/app.db --socket emit.sock --rate 5000
  counterfoil load --generate ycsb:100000 --store postgres://postgres@localhost/postgres --socket emit.sock \\
      --plant-count dropped=50 --output json

The data goes to table NAME(k text primary key, v bytea), or to Redis keys NAME:KEY, where NAME is that of --map.";

const REPLAY_EXAMPLES: &str = r#"Examples:
  counterfoil replay history.jsonl
  counterfoil replay history.jsonl --deadline 500ms --clock-error 2ms --output json
  zcat history.jsonl.gz | counterfoil replay -

Lines:
  {"type":"write","id":"w1","key":"k","source":"s","seq":1,"value":"x","map":[10,20],"store":[12,30],"outcome":"ok"}
  {"type":"read","id":"r1","key":"k","at":[40,41],"value":"x"}

Times are whole nanoseconds, an end that is not known is null, and so is the value of a remove or of absence. A write
may lack `map`, `store` (not both), `outcome` (ok, failed or unknown) and `version`.

Exit codes: 0 no read is divergent, 1 one is, 2 a line is malformed."#;

const CONFIG_EXAMPLES: &str = "\
Examples:
  counterfoil config check sidecar.yaml
  counterfoil config schema comparator > comparator.schema.json";

const CONTRACT_EXAMPLES: &str = "\
Examples:
  counterfoil contract check comparator.yaml
  counterfoil contract check comparator.yaml --map cart --key user-7 --key user-8
  counterfoil contract check comparator.yaml --no-values --strict --output json

Exit codes: 0 all is well, 1 there are warnings and --strict was given, 2 a store cannot be read as its contract says.";

const DIVERGENCES_EXAMPLES: &str = "\
Examples:
  counterfoil divergences list --state confirmed --acted none
  counterfoil divergences show 0123456789abcdef0123456789abcdef
  counterfoil divergences ack 0123456789abcdef0123456789abcdef --why 'the import of last night' --token-file token
  counterfoil divergences ignore 0123456789abcdef0123456789abcdef --why 'test data' --until 2026-12-31T00:00:00Z
  counterfoil divergences export --format csv --map cart > cart.csv

Exit codes: 0 the comparator answered, and did what it was told to; 2 it did not.";

const REPAIR_EXAMPLES: &str = "\
Examples:
  counterfoil repair plan --map cart --output plan.json --token-file token
  counterfoil repair apply plan.json --token-file token          say what would be asked for
  counterfoil repair apply plan.json --token-file token --yes
  counterfoil repair list --state overtaken
  counterfoil repair undo 0123456789abcdef0123456789abcdef-1 --token-file token
  counterfoil repair breaker close --map cart --token-file token
  counterfoil repair audit verify ledger.db

Exit codes: 0 the comparator answered, and did what it was told to; 1 the audit log was changed; 2 it did not.";

const GATE_EXAMPLES: &str = "\
Examples:
  counterfoil gate --map cart --window 1h
  counterfoil gate --map cart --wait 30m && ./cut-over.sh
  counterfoil gate --map cart --cohort deployment=canary --against deployment=stable --output json

Exit codes: 0 pass, 1 fail, 2 the comparator could not be asked, 3 insufficient: too little is known to say.";

const TOP_EXAMPLES: &str = "\
Examples:
  counterfoil top                               each map, source and store, every second; ? tells the keys
  counterfoil top --once                        one frame as text, for scripts and mails

Exit codes: 0 it was left, or the frame was printed, 2 the comparator could not be asked.";

const KEY_EXAMPLES: &str = "\
Examples:
  (umask 077; counterfoil key new > key)        a deployment key that only you may read
  counterfoil key tenant --file key --tenant acme
  counterfoil key public --file evidence.key    what others verify evidence with";

const VERIFY_EXAMPLES: &str = "\
Examples:
  counterfoil key public --file evidence.key > evidence.pub
  curl -O -J $COUNTERFOIL_URL/v1/divergences/0123456789abcdef0123456789abcdef/evidence
  counterfoil verify 0123456789abcdef0123456789abcdef.dsse.json --key evidence.pub
  counterfoil verify *.dsse.json --keyid 3f0c3ff1d5ab4d7a9b9c1a2b3c4d5e6f --output json

Exit codes: 0 all bundles hold, 1 one does not, 2 the command could not be carried out.";

const GENERATE_EXAMPLES: &str = "\
Examples:
  counterfoil completions bash > /etc/bash_completion.d/counterfoil
  counterfoil completions zsh > \"${fpath[1]}/_counterfoil\"";

const MAN_EXAMPLES: &str = "\
Examples:
  counterfoil man | man -l -                    read the page of the command
  counterfoil man /usr/local/share/man/man1     write a page per subcommand";

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run an application, a sidecar and a comparator together, plant bugs, and see each one found
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(demo::DemoArgs),
    /// Drive a store and a running sidecar from a recorded workload
    #[command(after_help = LOAD_EXAMPLES)]
    Load(load::LoadArgs),
    /// Judge a recorded history, offline
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(replay::ReplayArgs),
    /// Run the sidecar
    Sidecar(counterfoil_sidecar::command::Args),
    /// Run the comparator
    Comparator(counterfoil_comparator::command::Args),
    /// Check a configuration, or print what may stand in one
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(config::ConfigCommand),
    /// Check the contracts of a comparator against its stores
    #[command(subcommand, after_help = CONTRACT_EXAMPLES)]
    Contract(contract::ContractCommand),
    /// List what a comparator found, and say what is done about it
    #[command(subcommand, after_help = DIVERGENCES_EXAMPLES)]
    Divergences(divergences::DivergencesCommand),
    /// Plan what is to be done about divergences in the store, have it done, and look at what became of it
    #[command(subcommand, after_help = REPAIR_EXAMPLES)]
    Repair(repair::RepairCommand),
    /// Ask a comparator whether traffic may be moved over
    #[command(after_help = GATE_EXAMPLES)]
    Gate(gate::GateArgs),
    /// Show how each map stands against its stores, live in a terminal
    #[command(after_help = TOP_EXAMPLES)]
    Top(top::TopArgs),
    /// Judge again what stands in bundles of evidence, offline
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Print a new key, the key of a tenant, or the public half of a key that signs
    #[command(subcommand, after_help = KEY_EXAMPLES)]
    Key(key::KeyCommand),
    /// Print completions for a shell
    #[command(after_help = GENERATE_EXAMPLES)]
    Completions(generate::CompletionsArgs),
    /// Print the man page, or write one per subcommand into a folder
    #[command(after_help = MAN_EXAMPLES)]
    Man(generate::ManArgs),
}

impl Command {
    /// Does it. The services have exit codes of their own, which their slim binaries give too.
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Sidecar(args) => counterfoil_sidecar::command::run(args),
            Self::Comparator(args) => counterfoil_comparator::command::run(args),
            Self::Demo(args) => answer(|out| demo::run(&args, out)),
            Self::Load(args) => answer(|out| load::run(&args, out)),
            Self::Replay(args) => answer(|out| replay::run(&args, out)),
            Self::Config(command) => answer(|out| config::run(&command, out)),
            Self::Contract(command) => answer(|out| contract::run(&command, out)),
            Self::Divergences(command) => answer(|out| divergences::run(&command, out)),
            Self::Repair(command) => answer(|out| repair::run(&command, out)),
            Self::Gate(args) => answer(|out| gate::run(&args, out)),
            Self::Top(args) => answer(|out| top::run(&args, out)),
            Self::Verify(args) => answer(|out| verify::run(&args, out)),
            Self::Key(command) => answer(|out| key::run(&command, out)),
            Self::Completions(args) => answer(|out| generate::completions(&args, out)),
            Self::Man(args) => answer(|out| generate::man(&args, out)),
        }
    }
}

/// Lets a command write to standard output, and turns its answer into an exit code.
fn answer(command: impl FnOnce(&mut dyn Write) -> Result<Answer, Failure>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout());
    let answer = command(&mut out);
    exit::code(answer.and_then(|answer| {
        out.flush()?;
        Ok(answer)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_of_ours_shows_examples() {
        for name in [
            "demo",
            "load",
            "replay",
            "config",
            "contract",
            "divergences",
            "repair",
            "gate",
            "top",
            "verify",
            "key",
            "completions",
            "man",
        ] {
            let mut command = Cli::command();
            let help = command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{name}: {help}");
        }
    }
}
