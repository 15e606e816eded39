//! One server per data directory, and what an earlier, killed one may have left running.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::binaries::Binaries;

/// How long, and how many times, somebody waits who finds the data directory locked: a child of a
/// busy machine may take so long from fork to exec.
pub(super) const MOMENT: Duration = Duration::from_millis(50);
pub(super) const MOMENTS: u32 = 20;

/// Takes the data directory for this process until the file is dropped. The kernel frees it when
/// the process dies, however it dies.
pub(super) fn lock(base: &Path) -> anyhow::Result<File> {
    let path = base.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match try_lock_patiently(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            anyhow::bail!(
                "another Spanloom server (process {}) uses the data directory {}: stop it or choose another \
                 one (--data)",
                holder.trim(),
                base.parent().unwrap_or(base).display()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", path.display()));
        }
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .context("writing our process id")?;
    Ok(file)
}

/// [`is_locked`] holds the lock for an instant, and so does a child between fork and exec, even after
/// its parent has closed the file; neither must refuse a server.
fn try_lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..MOMENTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(MOMENT),
            result => return result,
        }
    }
    file.try_lock()
}

/// Whether a server in another process holds the data directory.
pub(super) fn is_locked(base: &Path) -> anyhow::Result<bool> {
    let path = base.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("opening {}", path.display())),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

/// Stops a PostgreSQL that still runs in `data` and removes its PID file. Call it with the lock
/// held: then no live server of ours owns that process.
///
/// PostgreSQL would refuse to start over a PID file whose number some other process has by now.
#[cfg(target_os = "linux")]
pub(super) fn stop_and_clear(data: &Path, _binaries: &Binaries) -> anyhow::Result<()> {
    use nix::sys::signal::Signal;

    if !data.exists() {
        return Ok(());
    }
    let data = data.canonicalize().with_context(|| format!("resolving {}", data.display()))?;
    let pid_file = data.join("postmaster.pid");
    let running = linux::postgres_in(&data);
    if !running.is_empty() {
        tracing::info!(processes = running.len(), "stopping the PostgreSQL of an earlier run");
        let postmaster = linux::first_line_pid(&pid_file).filter(|pid| running.contains(pid));
        // A fast shutdown by the postmaster; without one, backends end at SIGQUIT.
        let steps = [
            (Signal::SIGINT, postmaster.map(|pid| vec![pid]), Duration::from_mins(1)),
            (Signal::SIGQUIT, None, Duration::from_secs(10)),
            (Signal::SIGKILL, None, Duration::from_secs(10)),
        ];
        for (signal, whom, patience) in steps {
            if signal == Signal::SIGINT && whom.is_none() {
                continue;
            }
            linux::signal_and_wait(&data, signal, whom.as_deref(), patience);
        }
        let left = linux::postgres_in(&data);
        anyhow::ensure!(
            left.is_empty(),
            "PostgreSQL of an earlier run does not stop (processes {left:?}, data {})",
            data.display()
        );
    }
    match fs::remove_file(&pid_file) {
        Ok(()) => tracing::info!("removed the PID file of an earlier run"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("removing {}", pid_file.display())),
    }
    Ok(())
}

/// Without `/proc`, `pg_ctl` decides from the PID file who is meant.
#[cfg(not(target_os = "linux"))]
pub(super) fn stop_and_clear(data: &Path, binaries: &Binaries) -> anyhow::Result<()> {
    if !data.join("postmaster.pid").exists() {
        return Ok(());
    }
    tracing::info!("stopping the PostgreSQL of an earlier run");
    let output = std::process::Command::new(binaries.dir.join("pg_ctl"))
        .args(["stop", "-w", "-m", "fast", "-D"])
        .arg(data)
        .output()
        .context("running pg_ctl")?;
    if !output.status.success() {
        // Nothing runs: the file is stale, and PostgreSQL replaces it.
        tracing::debug!(said = %String::from_utf8_lossy(&output.stderr), "pg_ctl stop");
    }
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    /// Every process of PostgreSQL works in its data directory: this proves whose it is, where a
    /// PID file only claims it.
    pub(super) fn postgres_in(data: &Path) -> Vec<i32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                let works_here = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
                works_here && is_postgres(*pid)
            })
            .collect()
    }

    fn is_postgres(pid: i32) -> bool {
        // After an upgrade of the package the link reads "postgres (deleted)".
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| {
            exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with("postgres"))
        })
    }

    pub(super) fn first_line_pid(pid_file: &Path) -> Option<i32> {
        fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Signals `whom`, or all that run in `data`, and waits until none does.
    pub(super) fn signal_and_wait(data: &Path, signal: Signal, whom: Option<&[i32]>, patience: Duration) {
        let running = postgres_in(data);
        for pid in whom.unwrap_or(&running) {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(*pid), signal);
        }
        let started = Instant::now();
        while started.elapsed() < patience && !postgres_in(data).is_empty() {
            sleep(Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let error = lock(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(held);
        lock(dir.path()).unwrap();
    }

    // Any process that some thread starts holds the lock from fork to exec, also after its owner let
    // go: whoever does not wait refuses a free directory.
    #[test]
    fn a_lock_of_a_moment_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let moment = std::thread::spawn(move || {
            std::thread::sleep(MOMENT * 3);
            drop(held);
        });
        lock(dir.path()).unwrap();
        moment.join().unwrap();
    }
}
