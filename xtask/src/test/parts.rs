//! The parts of the test run, cheap ones first.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::count::{self, Count, Format};
use super::fuzz;
use crate::needs::{self, Need};
use crate::server::{self, Profile};
use crate::{exec, install, openapi, project, tidy, wasm, web};

/// A part of the test run.
pub struct Part {
    /// For `--only` and the summary.
    pub name: &'static str,
    /// A name for several parts.
    pub group: &'static str,
    pub about: &'static str,
    run: fn(&Session) -> anyhow::Result<Count>,
}

/// All of them, in this order.
pub const PARTS: [Part; 10] = [
    Part { name: "fmt", group: "lint", about: "formatting", run: fmt },
    Part { name: "tidy", group: "lint", about: "the repository's own rules", run: run_tidy },
    Part { name: "clippy", group: "lint", about: "lints of server and tools", run: clippy },
    Part {
        name: "backend",
        group: "rust",
        about: "unit and integration tests of server, crates and tools",
        run: backend,
    },
    Part { name: "fuzz", group: "rust", about: "a few seconds of fuzzing for each decoder", run: run_fuzz },
    Part { name: "openapi", group: "rust", about: "openapi.json against the code", run: check_openapi },
    Part { name: "timescale", group: "node", about: "migrations on a real TimescaleDB", run: timescale },
    Part { name: "clippy-web", group: "lint", about: "lints of the browser application", run: clippy_web },
    Part {
        name: "frontend",
        group: "rust",
        about: "tests of the browser application's logic",
        run: frontend,
    },
    Part { name: "e2e", group: "node", about: "real clients, and the application in Chromium", run: e2e },
];

/// What the parts of one run share.
pub struct Session {
    ci: bool,
}

impl Session {
    pub fn new(ci: bool) -> Self {
        Self { ci }
    }

    /// A cargo command for everything that runs on this machine. All parts choose the same
    /// packages, so that dependencies get the same features and compile once.
    fn cargo(&self, subcommand: &str) -> Command {
        let mut command = exec::cargo();
        self.settle(command.arg(subcommand));
        command.args(["--workspace", "--exclude", "spanloom-web"]);
        command
    }

    fn settle(&self, command: &mut Command) {
        // rust-embed wants the folder even when the application is not built yet.
        let _ = fs::create_dir_all(project::root().join("frontend/dist"));
        if self.ci {
            // Nothing will be compiled a second time.
            command.env("CARGO_INCREMENTAL", "0").arg("--locked");
        }
    }
}

impl Part {
    pub fn run(&self, session: &Session) -> anyhow::Result<Count> {
        (self.run)(session)
    }

    /// Whether `--only` names it or its group; without names everything is chosen.
    pub fn is_chosen(&self, only: &[String]) -> bool {
        only.is_empty() || only.iter().any(|name| name == self.name || name == self.group)
    }
}

/// For the command line: a part or a group.
pub fn parse_name(text: &str) -> Result<String, String> {
    if PARTS.iter().any(|part| part.name == text || part.group == text) {
        return Ok(text.to_owned());
    }
    let mut names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    for part in &PARTS {
        if !names.contains(&part.group) {
            names.push(part.group);
        }
    }
    Err(format!("choose from {}", names.join(", ")))
}

fn fmt(_session: &Session) -> anyhow::Result<Count> {
    exec::run(exec::cargo().args(["fmt", "--all", "--check"]))?;
    exec::run(exec::cargo().args(["fmt", "--all", "--check", "--manifest-path", "fuzz/Cargo.toml"]))?;
    Ok(Count::ONE_PASSED)
}

fn run_tidy(_session: &Session) -> anyhow::Result<Count> {
    tidy::run()?;
    Ok(Count::ONE_PASSED)
}

fn clippy(session: &Session) -> anyhow::Result<Count> {
    exec::run(session.cargo("clippy").args(["--all-targets", "--", "-D", "warnings"]))?;
    Ok(Count::ONE_PASSED)
}

fn backend(session: &Session) -> anyhow::Result<Count> {
    let mut wanted = vec![Need::RabbitMq, Need::Prometheus];
    if std::env::var_os("SPANLOOM_TEST_DATABASE_URL").is_none() {
        wanted.push(Need::PostgresServer);
    }
    install::ensure(&wanted)?;
    count::run(session.cargo("test").arg("--no-fail-fast"), Format::Cargo)
}

fn run_fuzz(session: &Session) -> anyhow::Result<Count> {
    fuzz::run(session.ci)
}

fn check_openapi(session: &Session) -> anyhow::Result<Count> {
    openapi::check(&test_server(session)?)?;
    Ok(Count::ONE_PASSED)
}

fn timescale(_session: &Session) -> anyhow::Result<Count> {
    install::ensure(&[Need::Node])?;
    let e2e = npm_install()?;
    count::run(npm(&e2e)?.args(["run", "test:timescale"]), Format::Node)
}

fn clippy_web(session: &Session) -> anyhow::Result<Count> {
    let compiler = wasm::ensure()?;
    let mut command = wasm::cargo(&compiler, "clippy");
    session.settle(&mut command);
    exec::run(command.args(["--package", "spanloom-web", "--", "-D", "warnings"]))?;
    Ok(Count::ONE_PASSED)
}

fn frontend(session: &Session) -> anyhow::Result<Count> {
    let mut command = exec::cargo();
    session.settle(command.arg("test"));
    count::run(command.args(["--no-fail-fast", "--package", "spanloom-web"]), Format::Cargo)
}

fn e2e(session: &Session) -> anyhow::Result<Count> {
    let mut wanted = vec![Need::Node, Need::Chromium, Need::Python];
    if std::env::var_os("SPANLOOM_TEST_DATABASE_URL").is_none() {
        wanted.push(Need::PostgresServer);
    }
    install::ensure(&wanted)?;
    web::build_if_changed(&wasm::ensure()?)?;
    let spanloom = test_server(session)?;
    let e2e = npm_install()?;
    let chromium = needs::find_chromium().context("Chromium is not found")?;
    let mut command = npm(&e2e)?;
    command.arg("test").env("SPANLOOM_BIN", spanloom).env("CHROMIUM", chromium);
    count::run(&mut command, Format::Playwright)
}

/// The server as the integration tests use it: compiled with their dependencies' features, so that
/// nothing compiles twice.
fn test_server(session: &Session) -> anyhow::Result<std::path::PathBuf> {
    exec::run(session.cargo("test").arg("--no-run"))?;
    server::program(Profile::Debug)
}

/// Node for the tests where the machine's is too old (Debian 12): npm's own package of it.
const NODE_PACKAGE_VERSION: &str = "22.23.3";

/// An npm command in the folder of the tests, with a Node that runs them.
fn npm(e2e: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("npm");
    command.current_dir(e2e);
    if needs::node_runs_tests() {
        return Ok(command);
    }
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let package = format!("node-linux-{machine}");
    let prefix = project::target_dir()?.join("node");
    let bin = prefix.join("node_modules").join(&package).join("bin");
    if !bin.join("node").is_file() {
        println!("    Node {NODE_PACKAGE_VERSION} from npm, since the machine's is too old for the tests");
        fs::create_dir_all(&prefix).context("creating the folder for Node")?;
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--loglevel",
            "error",
            "--prefix",
        ]);
        exec::run(install.arg(&prefix).arg(format!("{package}@{NODE_PACKAGE_VERSION}")))?;
    }
    let mut path = vec![bin];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    command.env("PATH", std::env::join_paths(path).context("PATH")?);
    Ok(command)
}

/// Installs the packages of the tests if they changed; returns their folder.
fn npm_install() -> anyhow::Result<std::path::PathBuf> {
    let e2e = project::root().join("e2e");
    let lock = read(&e2e.join("package-lock.json"))?;
    let stamp = e2e.join("node_modules/.installed-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(e2e);
    }
    println!("    npm ci");
    let mut command = Command::new("npm");
    command.current_dir(&e2e).args(["ci", "--no-audit", "--no-fund", "--loglevel", "error"]);
    // The tests use the system's Chromium.
    command.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    exec::run(&mut command)?;
    fs::write(&stamp, lock).context("remembering what npm installed")?;
    Ok(e2e)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        PARTS.iter().filter(|part| part.is_chosen(&only)).map(|part| part.name).collect()
    }

    // A misspelt part must not look like a passed one.
    #[test]
    fn chooses_by_name_or_group_and_refuses_others() {
        assert_eq!(chosen(&[]).len(), PARTS.len());
        assert_eq!(chosen(&["backend", "e2e"]), ["backend", "e2e"]);
        assert_eq!(chosen(&["lint"]), ["fmt", "tidy", "clippy", "clippy-web"]);
        assert!(parse_name("e2e").is_ok() && parse_name("lint").is_ok());
        assert!(parse_name("e3e").unwrap_err().contains("timescale"));
    }
}
