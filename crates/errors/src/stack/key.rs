//! Names without what differs from one build or run to the next.

use super::{Frame, Language};

/// What tells a frame from others: its function without arguments, addresses, numbers of closures and
/// generated classes; with the file's name where functions alone do not tell enough. No line numbers.
pub fn function_key(frame: &Frame<'_>) -> String {
    let mut key = String::with_capacity(64);
    push_stable(&mut key, bare(frame));
    let needs_file = matches!(frame.language, Language::JavaScript | Language::Python | Language::Ruby);
    if needs_file {
        key.push('@');
        let name = frame.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        // Bundlers put a hash of the content into the name.
        for part in name.split(['.', '-']).filter(|part| !is_hash(part)) {
            push_stable(&mut key, part);
            key.push('.');
        }
    }
    key
}

/// An exception's type without the numbers of generated classes.
pub fn type_key(kind: &str) -> String {
    let mut key = String::with_capacity(kind.len());
    push_stable(&mut key, kind);
    key
}

/// The function as it is named in the source.
fn bare<'a>(frame: &Frame<'a>) -> &'a str {
    let function = frame.function;
    match frame.language {
        // The module's and the class loader's names come and go with how it is started.
        Language::Java => function.rsplit_once('/').map_or(function, |(loader, name)| {
            // A hidden class has its address behind a slash.
            if name.starts_with("0x") { loader } else { name }
        }),
        Language::DotNet => function.split('(').next().unwrap_or(function),
        Language::JavaScript => {
            let function = function.split(" [as ").next().unwrap_or(function);
            function.trim_start_matches("async ").trim_start_matches("new ")
        }
        Language::Ruby => {
            // "block (2 levels) in total"
            function.rsplit_once(" in ").map_or(function, |(_, name)| name)
        }
        Language::Rust => match function.rsplit_once("::h") {
            Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => name,
            _ => function,
        },
        Language::Python | Language::Go | Language::Php => function,
    }
}

/// Without digits, and without what generators of code append behind two dollar signs.
fn push_stable(key: &mut String, name: &str) {
    for (at, part) in name.split("$$").enumerate() {
        if at > 0 {
            key.push_str("$$");
            let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
            if is_hash(&part[..end]) {
                key.extend(part[end..].chars().filter(|c| !c.is_ascii_digit()));
                continue;
            }
        }
        let part = part.split("/0x").next().unwrap_or(part);
        key.extend(part.chars().filter(|c| !c.is_ascii_digit()));
    }
}

fn is_hash(part: &str) -> bool {
    part.len() >= 6
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && part.bytes().any(|byte| byte.is_ascii_digit())
}
