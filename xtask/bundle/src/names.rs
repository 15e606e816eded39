//! File names that change with the content.

use std::fs;
use std::path::Path;

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Renames `from` to `<stem>-<hash><ending>` and returns the new name.
pub fn rename_hashed(dir: &Path, from: &str, stem: &str, ending: &str) -> anyhow::Result<String> {
    let path = dir.join(from);
    let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let name = hashed(&content, stem, ending);
    fs::rename(&path, dir.join(&name)).with_context(|| format!("renaming {from} to {name}"))?;
    Ok(name)
}

/// Writes `content` to `<stem>-<hash><ending>` and returns the name.
pub fn write_hashed(dir: &Path, content: &[u8], stem: &str, ending: &str) -> anyhow::Result<String> {
    let name = hashed(content, stem, ending);
    fs::write(dir.join(&name), content).with_context(|| format!("writing {name}"))?;
    Ok(name)
}

fn hashed(content: &[u8], stem: &str, ending: &str) -> String {
    let digest = Sha256::digest(content);
    format!("{stem}-{}{ending}", hex::encode(&digest[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A browser that caches for ever gets stale code if the name stays while the content changes.
    #[test]
    fn the_name_follows_the_content() {
        let first = hashed(b"one", "app", "_bg.wasm");
        assert_eq!(first, hashed(b"one", "app", "_bg.wasm"));
        assert_ne!(first, hashed(b"two", "app", "_bg.wasm"));
        assert!(first.starts_with("app-") && first.ends_with("_bg.wasm"), "{first}");
    }
}
