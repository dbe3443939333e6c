//! The commands. Picks one, prints what it has to say, and turns how it ended into an exit code.
//! The only floor that prints, writes files, or looks at the machine it runs on.

mod accuracy;
mod args;
mod check;
mod choice;
mod explain;
mod folder;
mod interrupt;
mod progress;
mod replay;
mod run;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::experiment::trial::Crew;
use crate::scenario::{self, Problems, Scenario};
use crate::trace;
use args::{Cli, Command};

/// Why a command did not do what it was asked to.
#[derive(Debug)]
enum Failure {
    /// The scenario has problems.
    Problems(Problems),
    /// The outside world refused: what was attempted, and what it said.
    Io(String, io::Error),
    /// What was asked for is not possible; says why.
    Usage(String),
    /// The trace cannot be used.
    Trace(trace::Failure),
    /// The user stopped it; says what was finished.
    Interrupted(String),
    /// Several, of several scenarios.
    Several(Vec<Failure>),
}

impl Failure {
    /// 2 for bad input and I/O, and what shells expect of a program stopped by Ctrl-C.
    fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Interrupted(_) => ExitCode::from(130),
            _ => ExitCode::from(2),
        }
    }

    fn render(&self, color: bool) -> String {
        match self {
            Failure::Problems(problems) => problems.render(color),
            Failure::Io(attempt, error) => format!("error: {attempt}: {error}\n"),
            Failure::Usage(why) => format!("error: {why}\n"),
            Failure::Trace(failure) => failure.to_string(),
            Failure::Interrupted(finished) => format!("interrupted: {finished}\n"),
            Failure::Several(all) => all.iter().map(|each| each.render(color)).collect(),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::Problems(problems)
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Accuracy(args) => accuracy::accuracy(&args),
        Command::Check(args) => check::check(&args),
        Command::Completions { shell } => completions(shell),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Io(_, error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            // The reader of our output, such as `head`, has closed it: that is no failure.
            ExitCode::SUCCESS
        }
        Err(failure) => {
            complain(&failure.render(colors(anstream::AutoStream::choice(&io::stderr()))));
            failure.exit_code()
        }
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tonnage", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// How many columns standard output has; none where it is no terminal, or does not say.
fn columns() -> usize {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map_or(0, |(width, _)| usize::from(width.0))
}

/// The threads to simulate on: this many, or one per core.
fn crew(threads: Option<u16>) -> Result<Crew, Failure> {
    Crew::new(threads.map_or(0, usize::from))
        .map_err(|error| Failure::Io("cannot start the threads".to_owned(), error))
}

/// Reads a scenario from a file, or from standard input where the path is `-`.
fn load(path: &Path, sets: &[String]) -> Result<Scenario, Failure> {
    Ok(scenario::load(path, sets)?)
}

/// Prints to standard output.
fn print(text: &dyn fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = write!(out, "{text}").and_then(|()| out.flush());
    printed.map_err(|error| Failure::Io("cannot print".to_owned(), error))
}

/// Prints to standard error. A failure of that is ignored: there is no other place to report it.
fn complain(text: &str) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// Whether to print in colour: on a terminal, unless the environment says otherwise (`NO_COLOR`,
/// `CLICOLOR`).
fn colors(choice: anstream::ColorChoice) -> bool {
    choice != anstream::ColorChoice::Never
}
