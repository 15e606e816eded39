//! `cargo xtask test`: every check and test of the repository, in parts, with one summary.

mod count;
mod fuzz;
mod parts;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::exec;
use count::Count;
use parts::{PARTS, Part, Session};

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Run only these parts, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = parts::parse_name)]
    only: Vec<String>,
}

/// What came out of one part.
struct Outcome {
    name: &'static str,
    count: Count,
    /// Why it failed, when that is not in the counted tests.
    problem: Option<String>,
    took: Duration,
}

/// Runs all parts, or the chosen ones; a failed part does not keep the others from running.
pub fn run(args: &TestArgs, ci: bool) -> ExitCode {
    let chosen: Vec<&Part> = PARTS.iter().filter(|part| part.is_chosen(&args.only)).collect();
    let session = Session::new(ci);
    let mut outcomes = Vec::new();
    for (index, part) in chosen.iter().enumerate() {
        println!("\n[{}/{}] {}: {}", index + 1, chosen.len(), part.name, part.about);
        let started = Instant::now();
        let result = part.run(&session);
        let took = started.elapsed();
        let outcome = judge(part.name, result, took);
        if let Some(problem) = &outcome.problem {
            println!("{} FAILED: {problem}", part.name);
        }
        outcomes.push(outcome);
    }
    println!("\n{}", summary(&outcomes));
    let failed: u64 = outcomes.iter().map(|outcome| outcome.count.failed).sum();
    // The last line is the count, for people and programs: nothing may follow it.
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn judge(name: &'static str, result: anyhow::Result<Count>, took: Duration) -> Outcome {
    match result {
        Ok(count) if count.passed + count.failed == 0 => Outcome {
            name,
            count: Count { passed: 0, failed: 1 },
            problem: Some("no test ran".to_owned()),
            took,
        },
        Ok(count) => Outcome { name, count, problem: None, took },
        Err(error) => {
            // The tests that ran before count too.
            let mut count =
                error.downcast_ref::<count::Failed>().map(|failed| failed.count).unwrap_or_default();
            count.failed = count.failed.max(1);
            Outcome { name, count, problem: Some(format!("{error:#}")), took }
        }
    }
}

fn summary(outcomes: &[Outcome]) -> String {
    let mut lines =
        vec![format!("{:<12} {:<7} {:>7} {:>7}  {:>12}", "part", "result", "passed", "failed", "time")];
    let mut total = Count::default();
    for outcome in outcomes {
        let result = if outcome.count.failed == 0 { "ok" } else { "FAILED" };
        lines.push(format!(
            "{:<12} {:<7} {:>7} {:>7}  {:>12}",
            outcome.name,
            result,
            outcome.count.passed,
            outcome.count.failed,
            exec::show_duration(outcome.took)
        ));
        total.add(outcome.count);
    }
    let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    lines.push(format!("{:<12} {:<7} {:>7} {:>7}  {:>12}", "total", "", "", "", exec::show_duration(took)));
    lines.push(String::new());
    lines.push(format!("{} passed, {} failed", total.passed, total.failed));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(result: anyhow::Result<Count>) -> Outcome {
        judge("part", result, Duration::from_secs(1))
    }

    // A part whose runner finds no tests any more would pass for ever.
    #[test]
    fn a_part_without_tests_fails() {
        assert_eq!(outcome(Ok(Count::default())).count, Count { passed: 0, failed: 1 });
    }

    // A runner may fail without naming a test, when it does not compile for example.
    #[test]
    fn a_failed_runner_counts_at_least_once() {
        let early = outcome(Err(anyhow::anyhow!("it does not compile")));
        assert_eq!(early.count, Count { passed: 0, failed: 1 });
        assert!(early.problem.is_some());
        let late = count::Failed { count: Count { passed: 5, failed: 2 }, what: "npm test".to_owned() };
        assert_eq!(outcome(Err(late.into())).count, Count { passed: 5, failed: 2 });
    }

    #[test]
    fn the_last_line_sums_up() {
        let outcomes = [
            outcome(Ok(Count { passed: 40, failed: 0 })),
            outcome(Err(anyhow::anyhow!("no"))),
            outcome(Ok(Count { passed: 1, failed: 1 })),
        ];
        assert_eq!(summary(&outcomes).lines().last(), Some("41 passed, 2 failed"));
    }
}
