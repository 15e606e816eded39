//! White space, length, and where packages come from.

use super::{Finding, SourceFile};

/// Longer files do not fit in the head: split them by what changes together.
const LINES_MAX: usize = 500;

const CHECKED: [&str; 14] =
    ["rs", "toml", "css", "sql", "md", "js", "cjs", "mjs", "ts", "py", "sh", "yml", "html", "json"];
/// Written by programs.
const GENERATED: [&str; 3] = ["Cargo.lock", "e2e/package-lock.json", "openapi/openapi.json"];
/// Sources, for which length is a matter of style.
const LENGTH_LIMITED: [&str; 8] = ["rs", "css", "js", "cjs", "mjs", "ts", "py", "sh"];

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

fn is_generated(path: &str) -> bool {
    GENERATED.contains(&path)
}

/// No tabs, nothing after the last word of a line, one newline at the end.
pub fn white_space(file: &SourceFile, findings: &mut Vec<Finding>) {
    if !has_extension(&file.path, &CHECKED) || is_generated(&file.path) || file.text.is_empty() {
        return;
    }
    let mut find = |line: usize, message: &str| {
        findings.push(Finding {
            path: file.path.clone(),
            line,
            rule: "white space",
            message: message.to_owned(),
        });
    };
    for (number, line) in file.text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            find(number + 1, "white space at the end of the line: remove it");
        }
        if line.contains('\t') {
            find(number + 1, "a tab: indent with spaces, write \\t in strings");
        }
    }
    if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
        find(0, "the file should end with exactly one newline");
    }
}

/// Files fit in the head.
pub fn length(file: &SourceFile, findings: &mut Vec<Finding>) {
    if !has_extension(&file.path, &LENGTH_LIMITED) {
        return;
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        findings.push(Finding {
            path: file.path.clone(),
            line: 0,
            rule: "file length",
            message: format!("{lines} lines, more than {LINES_MAX}: split it by what changes together"),
        });
    }
}

/// Lock files name the public registries, so that everybody gets the same packages.
pub fn registries(file: &SourceFile, findings: &mut Vec<Finding>) {
    let (key, public) = if file.path.ends_with("package-lock.json") {
        ("\"resolved\": \"", "https://registry.npmjs.org/")
    } else if file.path.ends_with("Cargo.lock") {
        ("source = \"", "registry+https://github.com/rust-lang/crates.io-index\"")
    } else {
        return;
    };
    for (number, line) in file.text.lines().enumerate() {
        if line.trim_start().strip_prefix(key).is_some_and(|source| !source.starts_with(public)) {
            findings.push(Finding {
                path: file.path.clone(),
                line: number + 1,
                rule: "registries",
                message: format!("the package does not come from {}", public.trim_end_matches('"')),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&SourceFile, &mut Vec<Finding>);

    fn lines_found(check: Check, path: &str, text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        check(&SourceFile { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn white_space_is_clean() {
        let cases: &[(&str, &str, &[usize])] = &[
            ("a.rs", "fn a() {}\n", &[]),
            ("a.rs", "fn a() {} \nb\n", &[1]),
            ("a.rs", "a\n\tb\n", &[2]),
            ("a.rs", "a\r\nb\n", &[1]),
            ("a.rs", "a", &[0]),
            ("a.rs", "a\n\n", &[0]),
            ("a.rs", "", &[]),
            ("a.png", "a \t", &[]),
            ("Cargo.lock", "a \n", &[]),
        ];
        for (path, text, expected) in cases {
            assert_eq!(lines_found(white_space, path, text), *expected, "{path}: {text:?}");
        }
    }

    #[test]
    fn long_files_are_found() {
        let allowed = "x\n".repeat(LINES_MAX);
        assert_eq!(lines_found(length, "a.rs", &allowed), [0_usize; 0]);
        assert_eq!(lines_found(length, "a.rs", &format!("{allowed}x\n")), [0]);
        assert_eq!(lines_found(length, "a.json", &format!("{allowed}x\n")), [0_usize; 0]);
    }

    // A mirror's address in a lock file breaks the build of everybody who cannot reach it.
    #[test]
    fn lock_files_name_public_registries() {
        let npm = "{\n  \"resolved\": \"https://registry.npmjs.org/a.tgz\",\n  \"resolved\": \"https://mirror.example/a.tgz\"\n";
        assert_eq!(lines_found(registries, "e2e/package-lock.json", npm), [3]);
        let cargo = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+https://x\"\n";
        assert_eq!(lines_found(registries, "Cargo.lock", cargo), [2]);
        assert_eq!(lines_found(registries, "a.rs", cargo), [0_usize; 0]);
    }
}
