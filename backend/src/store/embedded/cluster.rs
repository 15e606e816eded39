//! The cluster's files: `initdb` and settings.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;

use super::account::{self, Account};
use super::binaries::Binaries;
use super::place;

/// Ours, rewritten at every start. `postgresql.conf` includes it and stays the operator's.
const SETTINGS_FILE: &str = "spanloom.conf";
const MIB: u64 = 1 << 20;

/// The major version that wrote `data`; none when there is no cluster yet.
pub(super) fn major(data: &Path) -> anyhow::Result<Option<u32>> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let major = text.trim().parse();
            major
                .map(Some)
                .with_context(|| format!("{} holds {:?}, not a version", path.display(), text.trim()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Creates the cluster. It appears under its name only when it is complete, so an interrupted
/// first start leaves nothing that a second would stumble over.
pub(super) fn initialise(
    binaries: &Binaries,
    data: &Path,
    account: Option<&Account>,
    sync: bool,
) -> anyhow::Result<()> {
    let is_taken = fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    anyhow::ensure!(!is_taken, "{} holds files, but no PostgreSQL database", data.display());

    let unfinished = data.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("clearing {}", unfinished.display()))?;
    }
    fs::create_dir(&unfinished).with_context(|| format!("creating {}", unfinished.display()))?;
    place::make_private(&unfinished, account)?;

    let mut command = account::command(&binaries.dir.join("initdb"), account);
    command.arg("-D").arg(&unfinished);
    // Who may enter the socket's folder is trusted; there is no other way in.
    command.args([
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "--locale=C",
        "--auth-local=trust",
        "--auth-host=reject",
    ]);
    command.arg("--no-instructions");
    if !sync {
        command.arg("--no-sync");
    }
    let output = command.output().with_context(|| format!("running {}/initdb", binaries.dir.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "initdb failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );

    let conf = unfinished.join("postgresql.conf");
    let mut text = fs::read_to_string(&conf).with_context(|| format!("reading {}", conf.display()))?;
    let _ = write!(
        text,
        "\n# Spanloom rewrites {SETTINGS_FILE} at every start; what follows the next line wins over it.\n\
         include_if_exists = '{SETTINGS_FILE}'\n"
    );
    fs::write(&conf, text).with_context(|| format!("writing {}", conf.display()))?;
    fs::rename(&unfinished, data).with_context(|| format!("creating {}", data.display()))
}

/// Writes our settings for this machine and this installation.
pub(super) fn write_settings(
    data: &Path,
    timescale: bool,
    account: Option<&Account>,
) -> anyhow::Result<()> {
    let path = data.join(SETTINGS_FILE);
    fs::write(&path, settings(memory_bytes(), timescale))
        .with_context(|| format!("writing {}", path.display()))?;
    place::give(&path, account)
}

fn settings(memory_bytes: Option<u64>, timescale: bool) -> String {
    let memory_mib = memory_bytes.unwrap_or(4_096 * MIB) / MIB;
    // We share the machine with the server and often with what it watches: an eighth, not a quarter.
    let shared_buffers_mib = (memory_mib / 8).clamp(64, 1_024);
    let cache_mib = (memory_mib / 2).max(128);
    let (preload, telemetry) = if timescale {
        ("timescaledb", "timescaledb.telemetry_level = off\ntimescaledb.max_background_workers = 8\n")
    } else {
        ("", "")
    };
    format!(
        "# Written by Spanloom at every start. Own settings belong at the end of postgresql.conf.\n\
         shared_buffers = {shared_buffers_mib}MB\n\
         effective_cache_size = {cache_mib}MB\n\
         maintenance_work_mem = 128MB\n\
         work_mem = 16MB\n\
         max_connections = 200\n\
         # One lock per partition or chunk that a query touches.\n\
         max_locks_per_transaction = 256\n\
         max_worker_processes = 24\n\
         # Spans are written once and in bulk: fewer, larger checkpoints and smaller page images.\n\
         wal_compression = on\n\
         max_wal_size = 2GB\n\
         min_wal_size = 256MB\n\
         checkpoint_timeout = 15min\n\
         # Compiling costs more than the short queries here gain.\n\
         jit = off\n\
         random_page_cost = 1.1\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         log_line_prefix = ''\n\
         log_checkpoints = off\n\
         shared_preload_libraries = '{preload}'\n\
         {telemetry}"
    )
}

fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_follow_the_machine_within_bounds() {
        let cases = [
            (Some(256 * MIB), "shared_buffers = 64MB\n"),
            (Some(4_096 * MIB), "shared_buffers = 512MB\n"),
            (Some(262_144 * MIB), "shared_buffers = 1024MB\n"),
            (None, "shared_buffers = 512MB\n"),
        ];
        for (memory, expected) in cases {
            let text = settings(memory, false);
            assert!(text.contains(expected), "{memory:?}: {text}");
        }
    }

    // Loading a library that is not installed keeps PostgreSQL from starting at all.
    #[test]
    fn timescaledb_is_loaded_only_when_installed() {
        assert!(settings(None, false).contains("shared_preload_libraries = ''\n"));
        let with = settings(None, true);
        assert!(with.contains("shared_preload_libraries = 'timescaledb'\n"));
        assert!(with.contains("timescaledb.telemetry_level = off\n"));
    }
}
