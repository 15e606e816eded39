//! A compiler for the browser: rustup's target, or Debian's packages where rustup cannot get it.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::{exec, install};

const TARGET: &str = "wasm32-unknown-unknown";

/// What compiles for the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// The toolchain that runs us, with the target's standard library.
    Own,
    /// Debian's `rustc-web`, which builds the standard library from `rust-web-src`.
    Debian {
        /// `wasm-ld-22` or the like.
        linker: String,
    },
}

/// Finds one, and gets it if need be.
pub fn ensure() -> anyhow::Result<Compiler> {
    if has_own_target() {
        println!("    {TARGET}: installed");
        return Ok(Compiler::Own);
    }
    let refusal = match add_with_rustup() {
        Ok(()) => return Ok(Compiler::Own),
        Err(error) => error,
    };
    println!("    {TARGET}: rustup cannot add it ({refusal:#})");
    if let Some(compiler) = find_debian() {
        println!("    using Debian's rustc-web instead");
        return Ok(compiler);
    }
    let packages = debian_packages();
    if exec::is_root() && install::has_apt() {
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        install::apt_install(&packages)?;
        return find_debian().context("rustc-web is still not found after installing it");
    }
    anyhow::bail!(
        "no compiler for {TARGET}. Either: rustup target add {TARGET}\n\
         or, on Debian: sudo apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

/// A `cargo` command that compiles for the browser; the caller adds the rest.
pub fn cargo(compiler: &Compiler, subcommand: &str) -> Command {
    let mut command = match compiler {
        Compiler::Own => exec::cargo(),
        Compiler::Debian { .. } => Command::new("/usr/bin/cargo"),
    };
    command.current_dir(crate::project::root()).arg(subcommand).args(["--target", TARGET]);
    if let Compiler::Debian { linker } = compiler {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("/usr/bin:{path}"))
            // Building the standard library is unstable, and this compiler's source is its own.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("RUSTC")
            .arg("-Zbuild-std=std,panic_abort");
    }
    command
}

fn has_own_target() -> bool {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let print = exec::output(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]));
    let Ok(dir) = print else { return false };
    let Ok(mut entries) = std::fs::read_dir(dir.trim()) else { return false };
    entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn add_with_rustup() -> anyhow::Result<()> {
    anyhow::ensure!(exec::find_program("rustup").is_some(), "there is no rustup");
    println!("    rustup target add {TARGET}");
    exec::output(Command::new("rustup").args(["target", "add", TARGET]))?;
    anyhow::ensure!(has_own_target(), "the target is not there afterwards");
    Ok(())
}

fn find_debian() -> Option<Compiler> {
    let has_source = Path::new("/usr/bin/cargo").is_file()
        && ["rustc-web", "rust-web-src"].iter().all(|package| {
            exec::output(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]))
                .is_ok_and(|status| status == "installed")
        });
    let linker = newest_linker(
        &std::fs::read_dir("/usr/bin")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect::<Vec<_>>(),
    )?;
    has_source.then_some(Compiler::Debian { linker })
}

/// The `wasm-ld-N` with the largest N.
fn newest_linker(programs: &[String]) -> Option<String> {
    let version = |name: &String| name.strip_prefix("wasm-ld-")?.parse::<u32>().ok();
    programs.iter().filter(|name| version(name).is_some()).max_by_key(|name| version(name)).cloned()
}

fn debian_packages() -> Vec<String> {
    let lists = exec::output(Command::new("apt-cache").args(["pkgnames", "lld-"])).unwrap_or_default();
    let newest = lists.lines().filter_map(|name| name.strip_prefix("lld-")?.parse::<u32>().ok()).max();
    let lld = newest.map_or_else(|| "lld".to_owned(), |version| format!("lld-{version}"));
    ["rustc-web", "cargo-web", "rust-web-src"].iter().map(|&name| name.to_owned()).chain([lld]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // An old linker does not understand what a new compiler emits.
    #[test]
    fn takes_the_newest_linker() {
        let programs = ["wasm-ld-9", "wasm-ld-22", "wasm-ld-14", "wasm-ld", "ld"].map(str::to_owned);
        assert_eq!(newest_linker(&programs).as_deref(), Some("wasm-ld-22"));
        assert_eq!(newest_linker(&["ld".to_owned()]), None);
    }
}
