//! ARCHITECTURE.md against the tree.

use std::collections::BTreeSet;

use super::{Finding, SourceFile};

const MAP: &str = "ARCHITECTURE.md";
const RULE: &str = "code map";

/// The code map names every folder of `backend/src` and every crate.
pub fn code_map(files: &[SourceFile], findings: &mut Vec<Finding>) {
    let mut find = |message: String| {
        findings.push(Finding { path: MAP.to_owned(), line: 0, rule: RULE, message });
    };
    let Some(map) = files.iter().find(|file| file.path == MAP) else {
        find("is missing: describe what is where and which rules hold".to_owned());
        return;
    };
    for folder in folders(files) {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let ways = [format!("`{folder}`"), format!("`{name}`"), format!("{name}/")];
        if !ways.iter().any(|way| map.text.contains(way)) {
            find(format!("does not name `{folder}`: say in one line what is in there"));
        }
    }
}

/// `backend/src/<folder>` and deeper, and `crates/<crate>`.
fn folders(files: &[SourceFile]) -> BTreeSet<&str> {
    let mut folders = BTreeSet::new();
    for file in files {
        if let Some(inside) = file.path.strip_prefix("crates/") {
            let length = inside.find('/').unwrap_or(0);
            folders.insert(&file.path[.."crates/".len() + length]);
            continue;
        }
        let Some(inside) = file.path.strip_prefix("backend/src/") else { continue };
        let start = file.path.len() - inside.len();
        for (at, _) in inside.match_indices('/') {
            folders.insert(&file.path[..start + at]);
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn messages(files: &[SourceFile]) -> Vec<String> {
        let mut findings = Vec::new();
        code_map(files, &mut findings);
        findings.into_iter().map(|finding| finding.message).collect()
    }

    // A map that misses a street is how maps stop being read.
    #[test]
    fn names_every_folder() {
        let mut files = vec![
            file(
                "ARCHITECTURE.md",
                "`backend/src/collect` receives; collect/write/ writes; `model` is shared",
            ),
            file("backend/src/lib.rs", ""),
            file("backend/src/collect/write/copy.rs", ""),
            file("crates/model/src/lib.rs", ""),
        ];
        assert!(messages(&files).is_empty());
        files.push(file("backend/src/alert/rule.rs", ""));
        files.push(file("crates/redact/src/lib.rs", ""));
        let messages = messages(&files);
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].contains("backend/src/alert") && messages[1].contains("crates/redact"));
    }

    #[test]
    fn a_missing_map_is_found() {
        assert_eq!(messages(&[file("backend/src/lib.rs", "")]).len(), 1);
    }
}
