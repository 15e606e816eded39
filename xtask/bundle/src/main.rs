//! Turns the compiled browser application into files to serve: JavaScript glue by wasm-bindgen,
//! names with a hash of the content (cached for ever), `index.html` with those names, and a brotli
//! and a gzip file beside each.

mod compress;
mod names;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use walkdir::WalkDir;
use wasm_bindgen_cli_support::Bindgen;

/// The stem of wasm-bindgen's output: `app.js`, `app_bg.wasm`.
const STEM: &str = "app";

#[derive(Debug, Parser)]
struct Arguments {
    /// The module that cargo built.
    #[arg(long)]
    wasm: PathBuf,
    /// The folder with `index.html`, `style/` and, if any, `public/`.
    #[arg(long)]
    frontend: PathBuf,
    /// Replaced as a whole.
    #[arg(long)]
    out: PathBuf,
    /// Keep names for the browser's debugger and compress lightly.
    #[arg(long)]
    debug: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Beside the target, so that it can be moved into place, and complete before it is.
    let staging = arguments.out.with_extension("new");
    recreate(&staging)?;
    bundle(&arguments, &staging)?;
    if arguments.out.exists() {
        fs::remove_dir_all(&arguments.out)
            .with_context(|| format!("clearing {}", arguments.out.display()))?;
    }
    fs::rename(&staging, &arguments.out)
        .with_context(|| format!("creating {}", arguments.out.display()))?;
    for line in sizes(&arguments.out)? {
        println!("{line}");
    }
    Ok(())
}

fn bundle(arguments: &Arguments, out: &Path) -> anyhow::Result<()> {
    bindgen(&arguments.wasm, out, arguments.debug)?;

    let css = page::style(&arguments.frontend.join("style"))?;
    let names = page::Names {
        js: names::rename_hashed(out, "app.js", "app", ".js")?,
        wasm: names::rename_hashed(out, "app_bg.wasm", "app", "_bg.wasm")?,
        css: names::write_hashed(out, css.as_bytes(), "style", ".css")?,
    };
    copy_public(&arguments.frontend.join("public"), out)?;

    let template = arguments.frontend.join("index.html");
    let template =
        fs::read_to_string(&template).with_context(|| format!("reading {}", template.display()))?;
    fs::write(out.join("index.html"), page::fill(&template, &names)?).context("writing index.html")?;
    compress::all(out, arguments.debug)
}

fn bindgen(wasm: &Path, out: &Path, debug: bool) -> anyhow::Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(STEM).typescript(false).web(true)?;
    // The page names the module, whose name has a hash: without a default path there is no wrong one.
    bindgen.omit_default_module_path(true);
    bindgen.debug(debug).keep_debug(debug).remove_name_section(!debug).remove_producers_section(!debug);
    bindgen.generate(out).with_context(|| format!("wasm-bindgen on {}", wasm.display()))
}

fn copy_public(public: &Path, out: &Path) -> anyhow::Result<()> {
    if !public.exists() {
        return Ok(());
    }
    for entry in WalkDir::new(public) {
        let entry = entry.context("reading public/")?;
        let target = out.join(entry.path().strip_prefix(public)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).with_context(|| format!("creating {}", target.display()))?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copying to {}", target.display()))?;
        }
    }
    Ok(())
}

fn recreate(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("clearing {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))
}

/// One line per file: name, size, size as brotli and as gzip.
fn sizes(out: &Path) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in compress::files(out)? {
        let size = |suffix: &str| {
            let bytes = compress::beside(&path, suffix).metadata().ok()?.len();
            Some(format!("{:>8.1} KB {suffix}", kilobytes(bytes)))
        };
        let name = path.strip_prefix(out).unwrap_or(&path);
        let plain = path.metadata().with_context(|| format!("reading {}", path.display()))?.len();
        lines.push(format!(
            "  {:<36}{:>8.1} KB{}{}",
            name.display().to_string(),
            kilobytes(plain),
            size("br").unwrap_or_default(),
            size("gz").unwrap_or_default()
        ));
    }
    Ok(lines)
}

#[expect(clippy::cast_precision_loss, reason = "a size for people, with one decimal")]
fn kilobytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000.0
}
