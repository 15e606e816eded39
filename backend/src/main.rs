//! The `spanloom` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanloom::cli::run()
}
