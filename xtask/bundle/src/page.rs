//! `index.html` and the style sheet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The files that the page loads.
pub struct Names {
    pub js: String,
    pub wasm: String,
    pub css: String,
}

/// Puts the names into the template. They are absolute: the page is served at every path.
pub fn fill(template: &str, names: &Names) -> anyhow::Result<String> {
    let mut page = template.to_owned();
    for (placeholder, name) in [("{{js}}", &names.js), ("{{wasm}}", &names.wasm), ("{{css}}", &names.css)] {
        anyhow::ensure!(page.contains(placeholder), "index.html does not use {placeholder}");
        page = page.replace(placeholder, &format!("/{name}"));
    }
    if let Some(at) = page.find("{{") {
        let rest: String = page[at..].chars().take(20).collect();
        anyhow::bail!("index.html has an unknown placeholder: {rest}");
    }
    Ok(page)
}

/// All `style/*.css` in the order of their names (`10-tokens.css` before `20-shell.css`).
pub fn style(dir: &Path) -> anyhow::Result<String> {
    let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "css"))
        .collect();
    paths.sort();
    anyhow::ensure!(!paths.is_empty(), "no style sheet in {}", dir.display());
    let mut all = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        all.push_str(&text);
        all.push('\n');
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { js: "app-1.js".to_owned(), wasm: "app-2_bg.wasm".to_owned(), css: "style-3.css".to_owned() }
    }

    #[test]
    fn fills_every_use_of_a_name() {
        let page = fill("{{js}} {{js}} {{wasm}} {{css}}", &names()).unwrap();
        assert_eq!(page, "/app-1.js /app-1.js /app-2_bg.wasm /style-3.css");
    }

    // Served as it is, such a page would be blank.
    #[test]
    fn refuses_a_template_that_misses_or_misspells_a_name() {
        for (template, reason) in [
            ("{{js}} {{css}}", "does not use {{wasm}}"),
            ("{{js}} {{wasm}} {{css}} {{ js }}", "unknown placeholder: {{ js }}"),
        ] {
            let error = fill(template, &names()).unwrap_err().to_string();
            assert!(error.contains(reason), "{template}: {error}");
        }
    }

    // Later sheets override earlier ones, so the order is part of the look.
    #[test]
    fn style_sheets_come_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("20-b.css", "b{}"), ("10-a.css", "a{}"), ("readme.md", "no")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(style(dir.path()).unwrap(), "a{}\nb{}\n");
        assert!(style(&dir.path().join("missing")).is_err());
    }
}
