//! Words that only some places may use: the layers of the design as a table.

use super::{Finding, SourceFile};

/// A rule about words.
pub struct WordRule {
    /// Short, shown in brackets.
    pub name: &'static str,
    /// Which files it is about.
    pub applies: fn(&str) -> bool,
    /// Any of these breaks it. Comments are not looked at.
    pub words: &'static [&'static str],
    /// Whether it holds in unit tests (from `#[cfg(test)]` on) too.
    pub in_tests: bool,
    /// How to fix it.
    pub fix: &'static str,
}

/// The table.
pub const WORDS: &[WordRule] = &[
    WordRule {
        name: "wire types",
        applies: |path| {
            is_backend(path)
                && !is_in(path, &["backend/src/collect/receive", "backend/src/demo", "backend/src/bench"])
        },
        words: &["opentelemetry_proto", "prost::", "tonic_types"],
        in_tests: false,
        fix: "only collect/receive and crates/formats know wire types: decode into the model's Span there",
    },
    WordRule {
        name: "actix",
        applies: |path| {
            is_backend(path)
                && !is_in(path, &["backend/src/web", "backend/src/startup", "backend/src/identity/extract"])
                && !file_name(path).contains("http")
                && !path.contains("/http/")
        },
        words: &["actix_web", "actix_http", "utoipa_actix_web", "utoipa_swagger_ui"],
        in_tests: false,
        fix: "only web/, startup and http files know actix: put the handler into the feature's http.rs",
    },
    WordRule {
        name: "sql",
        applies: |path| {
            is_backend(path)
                && !file_name(path).ends_with("_store.rs")
                && !path.split('/').any(|part| part.starts_with("store") || part.starts_with("write"))
        },
        words: &[
            "sqlx::query",
            "query_as(",
            "query_as::",
            "query_scalar(",
            "query_scalar::",
            "QueryBuilder",
            "raw_sql(",
            "copy_in_raw(",
            "AssertSqlSafe",
        ],
        in_tests: true,
        fix: "only store and write files and migrations/ contain SQL: move the statement into the feature's store.rs",
    },
    WordRule {
        name: "begin",
        applies: |path| is_backend(path) && path != "backend/src/store/begin.rs",
        words: &["pool.begin", "writers.begin", ".begin_with("],
        in_tests: false,
        fix: "a cancelled begin() poisons its connection: use store::begin",
    },
    WordRule {
        name: "pure crates",
        applies: |path| path.starts_with("crates/") && path.contains("/src/") && is_rust(path),
        words: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "std::thread",
            "tokio",
            "reqwest",
            "sqlx",
        ],
        in_tests: true,
        fix: "crates/* do no input or output: take the data as an argument and let the caller fetch it",
    },
    WordRule {
        name: "pure crates",
        applies: |path| path.starts_with("crates/") && path.ends_with("Cargo.toml"),
        words: &["tokio", "reqwest", "sqlx", "actix", "tonic"],
        in_tests: true,
        fix: "crates/* do no input or output and need no such dependency",
    },
    WordRule {
        name: "password hash",
        applies: |path| {
            (is_backend(path) || path.starts_with("frontend/") || path.starts_with("crates/"))
                && is_rust(path)
                // The demo's invented statements read an invented table.
                && !is_in(path, &["backend/src/identity", "backend/src/demo"])
        },
        words: &["password_hash", "argon2"],
        in_tests: true,
        fix: "only identity/ reads a password hash: call a function of identity instead",
    },
    WordRule {
        name: "expect, not allow",
        applies: is_rust,
        words: &[concat!("#[", "allow("), concat!("#![", "allow(")],
        in_tests: true,
        fix: "write #[expect(lint, reason = \"...\")], which also tells when it is not needed any more",
    },
    WordRule {
        name: "unfinished",
        applies: is_rust,
        words: &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")],
        in_tests: true,
        fix: "finish it, or leave it out",
    },
    WordRule {
        name: "own machine",
        applies: |_| true,
        words: &[
            concat!("\"/wo", "rk/"),
            concat!(" /wo", "rk/"),
            concat!("=/wo", "rk/"),
            concat!("/home/", "user/"),
        ],
        in_tests: true,
        fix: "paths of one machine mean nothing on another: make it relative or configurable",
    },
];

fn is_rust(path: &str) -> bool {
    has_extension(path, "rs")
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, last)| last == extension)
}

fn is_backend(path: &str) -> bool {
    path.starts_with("backend/src/") && is_rust(path)
}

/// Whether `path` is one of `modules`, as a file or a folder.
fn is_in(path: &str, modules: &[&str]) -> bool {
    modules
        .iter()
        .any(|module| path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Applies the table to one file.
pub fn words(file: &SourceFile, findings: &mut Vec<Finding>) {
    for rule in WORDS.iter().filter(|rule| (rule.applies)(&file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            if !rule.in_tests && line.trim_start().starts_with("#[cfg(test)]") {
                break;
            }
            if is_comment(&file.path, line) {
                continue;
            }
            let Some(word) = rule.words.iter().find(|word| line.contains(*word)) else { continue };
            findings.push(Finding {
                path: file.path.clone(),
                line: number + 1,
                rule: rule.name,
                message: format!("`{word}` has no place here; {}", rule.fix),
            });
        }
    }
}

fn is_comment(path: &str, line: &str) -> bool {
    let line = line.trim_start();
    (is_rust(path) && line.starts_with("//")) || (has_extension(path, "toml") && line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_broken(path: &str, text: &str) -> Vec<&'static str> {
        let mut findings = Vec::new();
        words(&SourceFile { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn layers() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("backend/src/query/traces/store.rs", "use opentelemetry_proto::x;", &["wire types"]),
            ("backend/src/collect/write.rs", "use opentelemetry_proto::x;", &["wire types"]),
            ("backend/src/collect/receive/otlp_grpc.rs", "use opentelemetry_proto::x;", &[]),
            ("backend/src/collect/receive.rs", "use opentelemetry_proto::x;", &[]),
            ("backend/src/bench/template.rs", "use opentelemetry_proto::x;", &[]),
            ("backend/src/collect/receiver.rs", "use opentelemetry_proto::x;", &["wire types"]),
            ("backend/src/collect/write.rs", "#[cfg(test)]\nuse opentelemetry_proto::x;", &[]),
            ("backend/src/query/traces/store.rs", "use actix_web::web;", &["actix"]),
            ("backend/src/query/traces/http.rs", "use actix_web::web;", &[]),
            ("backend/src/identity/http_users.rs", "use actix_web::web;", &[]),
            ("backend/src/collect/receive/otlp_http.rs", "use actix_web::web;", &[]),
            ("backend/src/collect/receive/receiver.rs", "use actix_web::web;", &["actix"]),
            ("backend/src/identity/extract.rs", "use actix_web::web;", &[]),
            ("backend/src/startup.rs", "use actix_web::App;", &[]),
            ("backend/src/web/problem.rs", "use actix_web::web;", &[]),
            ("backend/src/query/traces/http.rs", "sqlx::query(\"SELECT 1\")", &["sql"]),
            ("backend/src/query/traces/store.rs", "sqlx::query(\"SELECT 1\")", &[]),
            ("backend/src/store/embedded/mod.rs", "sqlx::query(\"SELECT 1\")", &[]),
            ("backend/src/collect/write_spans.rs", "sqlx::query(\"SELECT 1\")", &[]),
            ("backend/src/identity/key_store.rs", "sqlx::query(\"SELECT 1\")", &[]),
            ("backend/src/jobs/mod.rs", "let x = query_scalar(\"x\");", &["sql"]),
            ("backend/src/jobs/mod.rs", "// sqlx::query is elsewhere", &[]),
            ("crates/model/src/id.rs", "use std::fs;", &["pure crates"]),
            ("crates/model/Cargo.toml", "tokio.workspace = true", &["pure crates"]),
            ("crates/model/Cargo.toml", "# no tokio", &[]),
            ("backend/src/query/http.rs", "row.password_hash", &["password hash"]),
            ("frontend/src/main.rs", "user.password_hash", &["password hash"]),
            ("backend/src/identity/store.rs", "row.password_hash", &[]),
        ];
        for (path, text, expected) in cases {
            assert_eq!(rules_broken(path, text), *expected, "{path}: {text}");
        }
    }

    #[test]
    fn habits() {
        let allow = concat!("#[", "allow(dead_code)]");
        let unfinished = concat!("    todo", "!()");
        let path = concat!("path = \"/wo", "rk/x\"");
        assert_eq!(rules_broken("xtask/src/a.rs", allow), ["expect, not allow"]);
        assert_eq!(rules_broken("xtask/src/a.rs", "#[expect(dead_code, reason = \"x\")]"), [""; 0]);
        assert_eq!(rules_broken("frontend/src/a.rs", unfinished), ["unfinished"]);
        assert_eq!(rules_broken("e2e/x.json", path), ["own machine"]);
        assert_eq!(rules_broken("docs/a.md", "the network/traffic page"), [""; 0]);
    }

    #[test]
    fn tells_the_line_and_the_way_out() {
        let mut findings = Vec::new();
        let file = SourceFile {
            path: "backend/src/jobs/mod.rs".to_owned(),
            text: "fn a() {\n    sqlx::query(\"SELECT 1\");\n}\n".to_owned(),
        };
        words(&file, &mut findings);
        assert_eq!(findings[0].line, 2);
        assert!(findings[0].message.contains("store.rs"), "{}", findings[0].message);
    }
}
