//! The fuzz targets of `fuzz/`, built with the compiler at hand and run for a few seconds each.
//!
//! `cargo fuzz` wants a nightly compiler for its sanitizers; coverage alone, which guides the
//! fuzzer, is an ordinary pass of LLVM. Safe Rust has little for the sanitizers to find.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::count::{Count, Failed};
use crate::needs::Need;
use crate::{exec, install, project};

/// Tells the fuzzer which edges were taken, and what values were compared with.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Bounds on one target's run: inputs, always the same ones, so that a run that passed passes again;
/// seconds in all, seconds for one input, its bytes, megabytes of memory.
const BOUNDS: [&str; 6] =
    ["-seed=1", "-runs=80000", "-max_total_time=20", "-timeout=10", "-max_len=4096", "-rss_limit_mb=1024"];

/// Of a failure's output; the input that broke the target is at the end.
const LINES_SHOWN: usize = 60;

/// Builds and runs all targets; each is one test.
pub fn run(locked: bool) -> anyhow::Result<Count> {
    install::ensure(&[Need::CppCompiler])?;
    let fuzz = project::root().join("fuzz");
    let target_dir = project::target_dir()?.join("fuzz");
    let programs = build(&fuzz, &target_dir, locked)?;
    let mut count = Count::default();
    let mut failed = Vec::new();
    for name in targets(&fuzz)? {
        if fuzz_one(&name, &programs.join(&name), &fuzz, &target_dir)? {
            count.add(Count::ONE_PASSED);
        } else {
            count.add(Count { passed: 0, failed: 1 });
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(count) } else { Err(Failed { count, what: failed.join(", ") }.into()) }
}

/// Compiles; returns the folder of the programs.
fn build(fuzz: &Path, target_dir: &Path, locked: bool) -> anyhow::Result<PathBuf> {
    let machine = machine()?;
    let mut command = exec::cargo();
    command.current_dir(fuzz).arg("build").arg("--target-dir").arg(target_dir);
    // With a target named, build scripts and macros are compiled without the flags: they could not
    // be linked with them.
    command.args(["--bins", "--target", &machine]);
    if locked {
        command.arg("--locked");
    }
    command.env("RUSTFLAGS", COVERAGE).env_remove("CARGO_ENCODED_RUSTFLAGS");
    exec::run(&mut command)?;
    Ok(target_dir.join(machine).join("debug"))
}

/// The compiler's name for this kind of machine.
fn machine() -> anyhow::Result<String> {
    let text = exec::output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// Names of the targets, sorted.
fn targets(fuzz: &Path) -> anyhow::Result<Vec<String>> {
    let entries =
        fs::read_dir(fuzz.join("fuzz_targets")).context("reading the folder of the fuzz targets")?;
    let files = entries.flatten().map(|entry| entry.path());
    let mut names: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Runs one target; whether nothing was found. The fuzzer leaves the input that broke it where it
/// says.
fn fuzz_one(name: &str, program: &Path, fuzz: &Path, target_dir: &Path) -> anyhow::Result<bool> {
    let corpus = target_dir.join("corpus").join(name);
    let artifacts = target_dir.join("artifacts").join(name);
    // What a run finds interesting would pile up from run to run.
    let _ = fs::remove_dir_all(&corpus);
    for dir in [&corpus, &artifacts] {
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    }
    let seeds = fuzz.join("seeds").join(name);
    anyhow::ensure!(
        seeds.is_dir(),
        "{} is missing: give the target something to begin with",
        seeds.display()
    );
    let mut command = Command::new(program);
    command.args(BOUNDS).arg("-print_final_stats=1");
    command.arg(format!("-artifact_prefix={}/", artifacts.display())).args([&corpus, &seeds]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.output().with_context(|| format!("starting {}", exec::show(&command)))?;
    // It says much, and only the end of a failure is of interest.
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    if output.status.success() {
        let runs = lines.iter().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        println!("    {name}: {} inputs", runs.unwrap_or("unknown number of").trim());
    } else {
        println!("    {name}: failed\n{}", lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"));
    }
    Ok(output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    // A target that is not named in Cargo.toml would be built by nobody; one without seeds would
    // find nothing in seconds.
    #[test]
    fn every_target_can_be_built_and_has_seeds() {
        let fuzz = project::root().join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let names = targets(&fuzz).unwrap();
        assert!(names.contains(&"otlp".to_owned()), "{names:?}");
        for name in names {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            assert!(fuzz.join("seeds").join(&name).read_dir().unwrap().next().is_some(), "{name}");
        }
    }
}
