//! Hands the arguments to the command line's floor, and its exit code to the system.

use std::process::ExitCode;

fn main() -> ExitCode {
    tonnage::cli::main()
}
