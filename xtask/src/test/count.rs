//! Runs a test program, shows what it prints, and counts its tests.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::exec;

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
}

impl Count {
    /// A check that is one test.
    pub const ONE_PASSED: Self = Self { passed: 1, failed: 0 };

    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A runner that failed, with what it had counted.
#[derive(Debug)]
pub struct Failed {
    pub count: Count,
    pub what: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} failed", self.what)
    }
}

impl std::error::Error for Failed {}

/// How a runner reports.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// `test result: ok. 11 passed; 0 failed; ...`, once per test program.
    Cargo,
    /// `  12 passed (1.2m)` and `  1 failed`, once.
    Playwright,
    /// `# pass 5` or `ℹ pass 5`, once.
    Node,
}

/// Runs `command` and counts. Fails when it fails, whatever it counted.
pub fn run(command: &mut Command, format: Format) -> anyhow::Result<Count> {
    let what = exec::show(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {what}"))?;
    let mut count = Count::default();
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).context("reading a test's output")? > 0 {
            let text = String::from_utf8_lossy(&line);
            print!("{text}");
            count.add(counted(text.trim_end(), format));
            line.clear();
        }
    }
    let status = child.wait().with_context(|| format!("waiting for {what}"))?;
    if status.success() && count.failed == 0 { Ok(count) } else { Err(Failed { count, what }.into()) }
}

/// What one line of output says.
fn counted(line: &str, format: Format) -> Count {
    match format {
        Format::Cargo => counted_cargo(line).unwrap_or_default(),
        Format::Playwright => {
            let mut words = line.split_whitespace();
            let number = words.next().and_then(|word| word.parse().ok());
            match (number, words.next()) {
                (Some(passed), Some("passed")) => Count { passed, failed: 0 },
                // "flaky" passed only when repeated; "did not run" was cut off by a failure.
                (Some(failed), Some("failed" | "flaky" | "interrupted")) => Count { passed: 0, failed },
                _ => Count::default(),
            }
        }
        Format::Node => {
            let mut words = line.split_whitespace().skip_while(|word| *word == "#" || *word == "ℹ");
            match (words.next(), words.next().and_then(|word| word.parse().ok()), words.next()) {
                (Some("pass"), Some(passed), None) => Count { passed, failed: 0 },
                (Some("fail"), Some(failed), None) => Count { passed: 0, failed },
                _ => Count::default(),
            }
        }
    }
}

fn counted_cargo(line: &str) -> Option<Count> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut count = Count::default();
    for part in numbers.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        match what {
            "passed" => count.passed = number.parse().ok()?,
            "failed" => count.failed = number.parse().ok()?,
            _ => {}
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_runners_print() {
        let cases = [
            (
                Format::Cargo,
                "test result: ok. 11 passed; 0 failed; 0 ignored; 0 measured; finished in 0.02s",
                11,
                0,
            ),
            (
                Format::Cargo,
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; finished in 1s",
                3,
                2,
            ),
            (Format::Cargo, "test store::passed ... ok", 0, 0),
            (Format::Playwright, "  12 passed (1.2m)", 12, 0),
            (Format::Playwright, "  1 failed", 0, 1),
            (Format::Playwright, "  1 flaky", 0, 1),
            (Format::Playwright, "  ✓  1 login.spec.js:3:1 › logs in (2.1s)", 0, 0),
            (Format::Node, "ℹ pass 5", 5, 0),
            (Format::Node, "# fail 2", 0, 2),
            (Format::Node, "✔ pass through (1.5ms)", 0, 0),
        ];
        for (format, line, passed, failed) in cases {
            assert_eq!(counted(line, format), Count { passed, failed }, "{line}");
        }
    }

    #[test]
    fn adds_up_all_programs_and_fails_with_the_runner() {
        let lines = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; \
                     echo 'test result: ok. 3 passed; 0 failed; 0 ignored'";
        let count = run(Command::new("sh").args(["-c", lines]), Format::Cargo).unwrap();
        assert_eq!(count, Count { passed: 5, failed: 0 });

        let error =
            run(Command::new("sh").args(["-c", &format!("{lines}; exit 1")]), Format::Cargo).unwrap_err();
        assert_eq!(error.downcast_ref::<Failed>().unwrap().count, Count { passed: 5, failed: 0 });
    }
}
