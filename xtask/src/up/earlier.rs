//! One `up` per data directory, and what an earlier, killed one left running.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A server whose parent was killed stops by itself; it has a queue to write.
const PATIENCE: Duration = Duration::from_mins(1);

/// This run, which owns the data directory as long as the value lives.
pub struct Run {
    server_pid_file: PathBuf,
    _lock: File,
}

/// Takes the data directory and waits until an earlier run's server has ended.
pub fn begin(data: &Path) -> anyhow::Result<Run> {
    fs::create_dir_all(data).with_context(|| format!("creating {}", data.display()))?;
    let path = data.join("up.lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match try_lock_patiently(&lock) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another `cargo xtask up` runs on {}: stop it, or choose another directory with --data",
            data.display()
        ),
        Err(TryLockError::Error(error)) => return Err(error).context("locking the data directory"),
    }
    let run = Run { server_pid_file: data.join("up.server-pid"), _lock: lock };
    run.end_earlier_server()?;
    Ok(run)
}

/// A process that is just being started elsewhere in this program holds a copy for an instant.
fn try_lock_patiently(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..4 {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
    lock.try_lock()
}

impl Run {
    /// Notes the server, for the next run in case this one is killed.
    pub fn remember(&self, server_pid: i32) -> anyhow::Result<()> {
        fs::write(&self.server_pid_file, format!("{server_pid}\n"))
            .context("noting the server's process id")
    }

    /// All children have ended.
    pub fn end(self) {
        let _ = fs::remove_file(&self.server_pid_file);
    }

    fn end_earlier_server(&self) -> anyhow::Result<()> {
        let Ok(text) = fs::read_to_string(&self.server_pid_file) else { return Ok(()) };
        if let Ok(pid) = text.trim().parse::<i32>() {
            end_server(pid)?;
        }
        let _ = fs::remove_file(&self.server_pid_file);
        Ok(())
    }
}

/// Ends a server that outlived its `up`: in peace first, since it may still write what it accepted.
fn end_server(pid: i32) -> anyhow::Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if !is_server(pid) {
            return Ok(());
        }
        println!("    stopping the server of an earlier run (process {pid})");
        let _ = kill(Pid::from_raw(pid), signal);
        let started = Instant::now();
        while is_server(pid) && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    anyhow::ensure!(!is_server(pid), "the server of an earlier run (process {pid}) does not stop");
    Ok(())
}

/// Whether the number still belongs to a `spanloom serve`, and not to somebody else by now.
fn is_server(pid: i32) -> bool {
    let Ok(words) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let mut words = words.split(|byte| *byte == 0);
    words.next().is_some_and(|program| program.ends_with(b"spanloom"))
        && words.next() == Some(b"serve".as_slice())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A process that looks like our server from outside.
    fn pretend_server(dir: &Path) -> Child {
        let program = dir.join("spanloom");
        // A link, because a program just written may still be open for writing in another test's fork.
        std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
        fs::write(dir.join("serve"), "while :; do sleep 1; done\n").unwrap();
        let child = Command::new(&program).arg("serve").current_dir(dir).spawn().unwrap();
        let started = Instant::now();
        while !is_server(child.id().cast_signed()) {
            assert!(started.elapsed() < Duration::from_secs(10), "the pretended server does not start");
        }
        child
    }

    // After `kill -9` of `up` its server may still be stopping; the next one must not trip over it.
    #[test]
    fn the_server_of_a_killed_run_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = pretend_server(dir.path());
        let pid = server.id().cast_signed();
        begin(dir.path()).unwrap().remember(pid).unwrap();
        // A killed child stays in the process table until its parent, here we, asks.
        let reaper = std::thread::spawn(move || server.wait().unwrap());
        drop(begin(dir.path()).unwrap());
        assert!(!is_server(pid));
        assert!(!reaper.join().unwrap().success());
    }

    // The number may belong to anybody after a reboot.
    #[test]
    fn a_stranger_with_the_same_number_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        begin(dir.path()).unwrap().remember(stranger.id().cast_signed()).unwrap();
        drop(begin(dir.path()).unwrap());
        let is_alive = stranger.try_wait().unwrap().is_none();
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert!(is_alive);
    }

    #[test]
    fn a_second_up_on_the_same_data_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = begin(dir.path()).unwrap();
        let error = begin(dir.path()).err().unwrap().to_string();
        assert!(error.contains("another `cargo xtask up`"), "{error}");
        first.end();
        begin(dir.path()).unwrap();
    }
}
