//! What the user typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// How much traffic a Python web app carries on a VPS, what gives way first, and when memory runs
/// out.
#[derive(Debug, Parser)]
#[command(name = "tonnage", version, about, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Simulate a scenario: every plan with every server at every tier, and where each gives way
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Read and judge scenarios without simulating: problems, what was resolved, bounds
    Check(CheckArgs),
    /// Print shell completions
    Completions {
        /// The shell they are for
        shell: Shell,
    },
}

const RUN_EXAMPLES: &str = "Examples:
  tonnage run scenarios/2gb-vs-4gb.toml
  tonnage run scenarios/2gb-vs-4gb.toml --set server.gunicorn.workers=7
  tonnage run - < my-site.toml";

/// `tonnage run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The scenario file, or - for standard input
    pub scenario: PathBuf,
    /// Where the files go [default: output/<the scenario's name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The seed of all randomness, in place of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many threads simulate [default: one per core]; the results are the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Only the tiers: do not search for saturation point, load line and OOM point
    #[arg(long)]
    pub no_search: bool,
    /// Print nothing but problems
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub sets: Sets,
}

/// `tonnage check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The scenario files, or - for standard input
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    #[command(flatten)]
    pub sets: Sets,
}

/// What-ifs.
#[derive(Debug, Args)]
pub(super) struct Sets {
    /// A what-if without editing the file, as in server.gunicorn.workers=5 or
    /// database.max_connections=20; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
