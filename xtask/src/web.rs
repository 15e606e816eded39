//! `cargo xtask web`: the browser application, from Rust to `frontend/dist`.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use walkdir::WalkDir;

use crate::wasm::{self, Compiler};
use crate::{exec, project};

/// What the result depends on.
const SOURCES: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", ".cargo", "crates/model", "crates/analysis", "frontend", "xtask/bundle"];

#[derive(Debug, Args)]
pub struct WebArgs {
    /// Faster to build, larger, with names for the browser's debugger
    #[arg(long)]
    debug: bool,
}

/// Builds unconditionally.
pub fn run(args: &WebArgs) -> anyhow::Result<()> {
    let compiler = wasm::ensure()?;
    build(&compiler, args.debug)
}

/// Builds if a source has changed since the last build. Says which it was.
pub fn build_if_changed(compiler: &Compiler) -> anyhow::Result<()> {
    let stamp = stamp_path()?;
    let is_built = project::root().join("frontend/dist/index.html").is_file();
    if is_built && fs::read_to_string(&stamp).is_ok_and(|last| last == fingerprint().unwrap_or_default()) {
        println!("    unchanged since the last build");
        return Ok(());
    }
    build(compiler, false)
}

fn build(compiler: &Compiler, debug: bool) -> anyhow::Result<()> {
    let root = project::root();
    // The sources as they are now: what changes while we build is built next time.
    let before = fingerprint()?;
    let profile = if debug { "dev" } else { "web" };
    let mut command = wasm::cargo(compiler, "build");
    command.args(["--package", "spanloom-web", "--profile", profile]);
    // Panic messages hold source paths: keep this machine's out of the file.
    command.arg("--config").arg(remap_setting(&root));
    exec::run(&mut command)?;

    let folder = if debug { "debug" } else { "web" };
    let wasm = project::target_dir()?.join("wasm32-unknown-unknown").join(folder).join("spanloom-web.wasm");
    let mut bundle = exec::cargo();
    bundle.args(["run", "--quiet", "--package", "spanloom-bundle", "--"]);
    bundle.arg("--wasm").arg(&wasm);
    bundle.arg("--frontend").arg(root.join("frontend")).arg("--out").arg(root.join("frontend/dist"));
    if debug {
        bundle.arg("--debug");
    }
    exec::run(&mut bundle)?;
    if debug {
        // The next `up` or test builds the real one.
        let _ = fs::remove_file(stamp_path()?);
    } else {
        fs::write(stamp_path()?, before).context("remembering what was built")?;
    }
    Ok(())
}

fn remap_setting(root: &Path) -> String {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=spanloom", root.display())];
    if let Some(home) = home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    let list: Vec<String> = flags.iter().map(|flag| format!("{flag:?}")).collect();
    format!("target.wasm32-unknown-unknown.rustflags=[{}]", list.join(","))
}

fn stamp_path() -> anyhow::Result<PathBuf> {
    Ok(project::target_dir()?.join("spanloom-web.stamp"))
}

/// A hash over the names and contents of all sources: times change with every checkout.
fn fingerprint() -> anyhow::Result<String> {
    let root = project::root();
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        let entries = WalkDir::new(root.join(source)).sort_by_file_name().into_iter();
        for entry in entries.filter_entry(|entry| !is_output(entry.path(), &root)) {
            let entry = entry.with_context(|| format!("reading {source}"))?;
            if entry.file_type().is_file() {
                let content = fs::read(entry.path())
                    .with_context(|| format!("reading {}", entry.path().display()))?;
                hasher.write(entry.path().to_string_lossy().as_bytes());
                hasher.write_usize(content.len());
                hasher.write(&content);
            }
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn is_output(path: &Path, root: &Path) -> bool {
    path.strip_prefix(root)
        .is_ok_and(|path| path.starts_with("frontend/dist") || path.starts_with("frontend/dist.new"))
}
