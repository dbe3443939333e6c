//! What the user typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::units::Span;

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
    /// Where the time goes, what gives way first, and what each change that could be made does
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Play a recording of real requests through the model: predicted beside measured
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// How far predictions are off on a recorded set (for developers)
    #[command(hide = true)]
    Accuracy(AccuracyArgs),
    /// Print shell completions
    Completions {
        /// The shell they are for
        shell: Shell,
    },
}

const RUN_EXAMPLES: &str = "Examples:
  tonnage run scenarios/2gb-vs-4gb.toml
  tonnage run scenarios/2gb-vs-4gb.toml --set server.gunicorn.workers=7
  tonnage run scenarios/recorded-traffic.toml --set traffic.speed=1.1
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

const EXPLAIN_EXAMPLES: &str = "Examples:
  tonnage explain scenarios/2gb-vs-4gb.toml --plan 2GB --server gunicorn --tier \"launch day\"
  tonnage explain scenarios/recorded-traffic.toml --plan \"1 core\" --server processes";

/// `tonnage explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The scenario file, or - for standard input
    pub scenario: PathBuf,
    /// The plan [default: the scenario's only one]
    #[arg(long, value_name = "NAME")]
    pub plan: Option<String>,
    /// The server [default: the scenario's only one]
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// The tier [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub tier: Option<String>,
    /// The seed of all randomness, in place of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many threads simulate [default: one per core]; the results are the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub sets: Sets,
}

const REPLAY_EXAMPLES: &str = "A trace is CSV, plain or gzipped, by rising arrival:
  arrival_s,segments_ms,latency_s,status
  0.005889,2.9413;1.1553;1.4908,0.011001,200
where segments are compute;query;compute;... and the status is HTTP's, or 1 connect failed,
2 write failed, 3 reset, 4 closed without an answer, 6 the client's patience was over.

Examples:
  tonnage replay trace.csv.gz --scenario scenarios/testbed.toml --plan box --server sync
  tonnage replay trace.csv.gz --scenario scenarios/testbed.toml --plan box --server sync \\
      --set server.sync.workers=3 --speed 1.05";

/// `tonnage replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The trace, or - for standard input
    pub trace: PathBuf,
    /// The scenario file that describes the site, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub scenario: PathBuf,
    /// The plan [default: the scenario's only one]
    #[arg(long, value_name = "NAME")]
    pub plan: Option<String>,
    /// The server [default: the scenario's only one]
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// How much faster than recorded the same requests arrive: 1.05 is 5 % faster
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Do not count the requests that arrive within this time from the start of the trace, as in 5s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = crate::scenario::time)]
    pub warmup: Span,
    /// Where the files go [default: output/replay/<the trace's name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The seed of all that is random apart from the requests, in place of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print nothing but problems
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub sets: Sets,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.001..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("expected a factor from 0.001 to 1000".to_owned()),
    }
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

/// `tonnage accuracy`.
#[derive(Debug, Args)]
pub(super) struct AccuracyArgs {
    /// A folder for each machine, with the traces recorded there and their list, cases.csv
    #[arg(default_values = ["tests/data/recorded/xeon", "tests/data/recorded/epyc"])]
    pub folders: Vec<PathBuf>,
    /// The scenario file that describes the stacks on each of them, in the same order
    #[arg(
        long,
        value_name = "FILE",
        default_values = ["scenarios/testbed.toml", "scenarios/testbed-epyc.toml"]
    )]
    pub scenario: Vec<PathBuf>,
    /// Where the files go [default: output/accuracy]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
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
