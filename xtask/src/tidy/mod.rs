//! `cargo xtask tidy`: rules of the repository that the compiler does not know.
//!
//! What is checked is data: [`rules::WORDS`] for words that may appear in some places only,
//! functions in [`layout`] and [`text`] for the rest.

mod layout;
mod rules;
mod text;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::{exec, project};

/// A file of the repository.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the root, with `/`.
    pub path: String,
    pub text: String,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub rule: &'static str,
    /// What is wrong and how to fix it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(formatter, "{}: {} [{}]", self.path, self.message, self.rule)
        } else {
            write!(formatter, "{}:{}: {} [{}]", self.path, self.line, self.message, self.rule)
        }
    }
}

/// Checks the repository.
pub fn run() -> anyhow::Result<()> {
    let files = read(&project::root())?;
    let findings = check(&files);
    for finding in &findings {
        println!("{finding}");
    }
    anyhow::ensure!(findings.is_empty(), "{} rule(s) broken", findings.len());
    println!("tidy: {} files follow the rules", files.len());
    Ok(())
}

/// All findings, in the order of the files.
pub fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        rules::words(file, &mut findings);
        text::white_space(file, &mut findings);
        text::length(file, &mut findings);
        text::registries(file, &mut findings);
    }
    layout::code_map(files, &mut findings);
    findings
}

/// The files that are, or would be, checked in.
fn read(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut command = Command::new("git");
    command.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = exec::output(&mut command).context("listing the repository's files")?;
    let mut paths: Vec<&str> = list.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        // Pictures are none of our business.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The rules hold for this very repository, and reading it works.
    #[test]
    fn finds_its_own_source() {
        let files = read(&project::root()).unwrap();
        assert!(files.iter().any(|file| file.path == "xtask/src/tidy/mod.rs"));
    }

    #[test]
    fn a_finding_reads_like_a_compiler_message() {
        let finding =
            Finding { path: "a.rs".to_owned(), line: 3, rule: "sql", message: "move it".to_owned() };
        assert_eq!(finding.to_string(), "a.rs:3: move it [sql]");
    }
}
