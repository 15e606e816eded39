//! What the machine has to have, how to see whether it has it, and which Debian packages bring it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec;

/// Something that has to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `postgres` and `initdb`, to run as a child.
    PostgresServer,
    /// RabbitMQ's server, which tests run as a child.
    RabbitMq,
    /// Prometheus, which a test runs as a child.
    Prometheus,
    /// Node with npm, for the tests in the browser and with TimescaleDB.
    Node,
    /// Chromium, for the tests in the browser.
    Chromium,
    /// Python with venv, for the stock SDK in the tests.
    Python,
    /// A compiler for C++: the fuzzer is written in it.
    CppCompiler,
}

/// The oldest Node that npm's packages install with; Debian 12 has it.
const NODE_OLDEST: (u32, u32) = (18, 19);

/// The oldest Node that the tests' packages run on.
const NODE_FOR_TESTS: (u32, u32) = (20, 6);

/// Where RabbitMQ's own start script is. Debian's wrapper around it changes to another user.
const RABBITMQ: [&str; 2] = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server"];

/// Where packages put Prometheus.
const PROMETHEUS: [&str; 2] = ["/usr/bin/prometheus", "/opt/homebrew/bin/prometheus"];

/// Folders with PostgreSQL's server programs, as `spanloom serve` searches them.
const POSTGRES_PARENTS: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/usr/libexec", ""),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/usr/local", "bin"),
];

impl Need {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostgresServer => "PostgreSQL server programs (15 to 18)",
            Self::RabbitMq => "RabbitMQ",
            Self::Prometheus => "Prometheus",
            Self::Node => "Node.js 18.19 or newer, with npm",
            Self::Chromium => "Chromium",
            Self::Python => "Python 3 with venv",
            Self::CppCompiler => "a C++ compiler",
        }
    }

    /// What brings it on Debian.
    pub fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::PostgresServer => &["postgresql"],
            Self::RabbitMq => &["rabbitmq-server"],
            Self::Prometheus => &["prometheus"],
            Self::Node => &["nodejs", "npm"],
            Self::Chromium => &["chromium"],
            Self::Python => &["python3", "python3-venv"],
            Self::CppCompiler => &["g++"],
        }
    }

    /// Where it is, if it is there.
    pub fn find(self) -> Option<String> {
        match self {
            Self::PostgresServer => find_postgres().map(|dir| dir.display().to_string()),
            Self::RabbitMq => find_file(&RABBITMQ),
            Self::Prometheus => find_file(&PROMETHEUS),
            Self::Node => find_node(),
            Self::Chromium => find_chromium().map(|program| program.display().to_string()),
            Self::Python => find_python(),
            Self::CppCompiler => exec::find_program("c++").map(|program| program.display().to_string()),
        }
    }
}

fn find_file(places: &[&str]) -> Option<String> {
    places.iter().find(|place| Path::new(place).is_file()).map(|place| (*place).to_owned())
}

fn find_postgres() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for (parent, inside) in POSTGRES_PARENTS {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        let mut versions: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join(inside)).collect();
        versions.sort();
        versions.reverse();
        folders.extend(versions);
    }
    folders.into_iter().find(|dir| dir.join("initdb").is_file() && is_supported(&dir.join("postgres")))
}

/// Whether this PostgreSQL is one that the server runs.
fn is_supported(postgres: &Path) -> bool {
    let Ok(text) = exec::output(Command::new(postgres).arg("--version")) else { return false };
    postgres_major(&text).is_some_and(|major| (15..=18).contains(&major))
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
fn postgres_major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL)")?.1.trim_start();
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn find_node() -> Option<String> {
    exec::find_program("npm")?;
    let version = exec::output(Command::new("node").arg("--version")).ok()?;
    is_new_enough(&version, NODE_OLDEST).then(|| format!("node {}", version.trim()))
}

/// Whether the machine's Node runs the tests' packages.
pub fn node_runs_tests() -> bool {
    exec::output(Command::new("node").arg("--version"))
        .is_ok_and(|version| is_new_enough(&version, NODE_FOR_TESTS))
}

/// `v20.20.2` against (major, minor).
fn is_new_enough(version: &str, oldest: (u32, u32)) -> bool {
    let mut parts = version.trim().trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    let found: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    found >= oldest
}

/// The browser for the tests.
pub fn find_chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
        .iter()
        .find_map(|name| exec::find_program(name))
}

fn find_python() -> Option<String> {
    // Debian ships venv without what it needs to make one, in a package of its own.
    exec::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).ok()?;
    let version = exec::output(Command::new("python3").arg("--version")).ok()?;
    Some(version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // An old server would be found out only after minutes of building.
    #[test]
    fn the_major_version_of_postgres_is_read() {
        assert_eq!(postgres_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(postgres_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(postgres_major("something else"), None);
    }

    // Compared as text, 9 would be newer than 18.
    #[test]
    fn node_versions_compare_as_numbers() {
        for (version, expected) in [
            ("v18.19.0\n", true),
            ("v18.20.4", true),
            ("v20.6.1", true),
            ("v18.13.0", false),
            ("v9.99.0", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_new_enough(version, NODE_OLDEST), expected, "{version}");
        }
    }
}
