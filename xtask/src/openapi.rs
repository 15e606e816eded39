//! `openapi/openapi.json`: written from the code, checked in, and checked against the code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::server::{self, Profile};
use crate::{exec, project};

fn checked_in() -> PathBuf {
    project::root().join("openapi/openapi.json")
}

/// Writes the document that the code describes.
pub fn write() -> anyhow::Result<()> {
    let spanloom = server::build(Profile::Debug)?;
    let document = generate(&spanloom)?;
    let path = checked_in();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).context("creating openapi/")?;
    }
    fs::write(&path, document).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote openapi/openapi.json");
    Ok(())
}

/// Fails when the checked-in document is not what the code describes.
pub fn check(spanloom: &Path) -> anyhow::Result<()> {
    let path = checked_in();
    let old = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let new = generate(spanloom)?;
    let Some(difference) = first_difference(&old, &new) else { return Ok(()) };
    anyhow::bail!(
        "openapi/openapi.json is not what the code describes; run `cargo xtask openapi` and commit it.\n{difference}"
    )
}

fn generate(spanloom: &Path) -> anyhow::Result<String> {
    let text = exec::output(Command::new(spanloom).arg("openapi"))?;
    serde_json::from_str::<serde_json::Value>(&text).context("`spanloom openapi` printed no JSON")?;
    Ok(format!("{}\n", text.trim_end()))
}

fn first_difference(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (mut old, mut new) = (old.lines(), new.lines());
    for number in 1_usize.. {
        let (before, after) = (old.next(), new.next());
        if before != after || before.is_none() {
            let (before, after) = (before.unwrap_or("(end)"), after.unwrap_or("(end)"));
            return Some(format!("line {number}:\n  checked in: {before}\n  code:       {after}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_first_line_that_differs() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let difference = first_difference("a\nb\n", "a\nc\n").unwrap();
        assert!(difference.starts_with("line 2:") && difference.contains("code:       c"), "{difference}");
        // Only the final newline differs: still a difference.
        assert!(first_difference("a\nb", "a\nb\n").is_some());
        assert!(first_difference("a\n", "a\nb\n").unwrap().contains("(end)"));
    }
}
