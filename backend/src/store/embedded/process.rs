//! The postmaster as a child that cannot outlive us.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

const LINES_KEPT: usize = 40;
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// A fast shutdown writes all dirty buffers.
const FAST_PATIENCE: Duration = Duration::from_mins(1);
const IMMEDIATE_PATIENCE: Duration = Duration::from_secs(10);

type Lines = Arc<Mutex<VecDeque<String>>>;

#[derive(Debug)]
pub(super) struct Postmaster {
    pid: Pid,
    /// How it ended, once it has.
    end: watch::Receiver<Option<String>>,
    lines: Lines,
}

/// Starts `command` from a thread of its own and hands the child to it.
///
/// The kernel sends the death signal when the *thread* that forked ends, not the process; a thread
/// of a pool may end at any time. This one waits for the child, so it lives exactly as long.
pub(super) fn spawn(mut command: Command) -> anyhow::Result<Postmaster> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // Ctrl-C in a terminal goes to the whole group; PostgreSQL has to outlast the writer.
    command.process_group(0);
    end_with_us(&mut command, Signal::SIGINT);

    let lines = Lines::default();
    let kept = lines.clone();
    let (started_tx, started_rx) = std::sync::mpsc::sync_channel(1);
    let (end_tx, end) = watch::channel(None);
    std::thread::Builder::new()
        .name("postgres".to_owned())
        .spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = started_tx.send(Err(error));
                    return;
                }
            };
            let _ = started_tx.send(Ok(child.id()));
            let end = supervise(&mut child, &kept);
            end_tx.send_replace(Some(end));
        })
        .context("starting PostgreSQL's thread")?;
    let pid = started_rx
        .recv()
        .context("PostgreSQL's thread ended at once")?
        .context("starting the postgres program")?;
    Ok(Postmaster { pid: Pid::from_raw(pid as i32), end, lines })
}

/// Has the kernel send `signal` to the child when this process dies, `kill -9` included. For
/// PostgreSQL SIGINT means fast shutdown. The kernel watches the thread that forks.
#[cfg(target_os = "linux")]
pub(crate) fn end_with_us(command: &mut Command, signal: Signal) {
    let parent = nix::unistd::getpid();
    // `pre_exec` runs after the change of user, which would clear the death signal.
    #[expect(
        unsafe_code,
        reason = "between fork and exec only two system calls are made, nothing is allocated or locked"
    )]
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(signal)?;
            // We may have died before the line above.
            if nix::unistd::getppid() != parent {
                return Err(nix::errno::Errno::ESRCH.into());
            }
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn end_with_us(_command: &mut Command, _signal: Signal) {}

fn supervise(child: &mut Child, lines: &Lines) -> String {
    let reader = child.stderr.take().map(|stderr| {
        let lines = lines.clone();
        std::thread::spawn(move || read_log(stderr, &lines))
    });
    let end = match child.wait() {
        Ok(status) => format!("PostgreSQL ended with {status}"),
        Err(error) => format!("PostgreSQL cannot be waited for: {error}"),
    };
    // Its last words explain why; a surviving backend may hold the pipe a moment longer.
    if let Some(reader) = reader {
        for _ in 0..20 {
            if reader.is_finished() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    end
}

/// Passes PostgreSQL's log on to ours and keeps its end for error messages.
fn read_log(stderr: ChildStderr, lines: &Lines) {
    let mut reader = BufReader::new(stderr);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&buffer).trim_end().to_owned();
        // Failed statements (ERROR, FATAL) are logged by whoever sent them.
        if line.starts_with("PANIC:") {
            tracing::error!(target: "postgres", "{line}");
        } else if line.starts_with("WARNING:") {
            tracing::warn!(target: "postgres", "{line}");
        } else {
            tracing::debug!(target: "postgres", "{line}");
        }
        let mut kept = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LINES_KEPT {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

impl Postmaster {
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// How it ended, if it has.
    pub(super) fn has_ended(&self) -> Option<String> {
        self.end.borrow().clone()
    }

    /// Returns when it has ended, with how.
    pub(super) async fn ended(&self) -> String {
        let mut end = self.end.clone();
        // The sender goes only after it has sent.
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|how| how.clone()).unwrap_or_else(|| "PostgreSQL ended".to_owned())
    }

    /// The end of PostgreSQL's log.
    pub(super) fn last_lines(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Fast shutdown; immediate shutdown (recovery at the next start) if that takes too long.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        let steps = [
            (Signal::SIGINT, FAST_PATIENCE),
            (Signal::SIGQUIT, IMMEDIATE_PATIENCE),
            (Signal::SIGKILL, IMMEDIATE_PATIENCE),
        ];
        for (signal, patience) in steps {
            self.signal(signal);
            if tokio::time::timeout(patience, self.ended()).await.is_ok() {
                return Ok(());
            }
            tracing::warn!(%signal, "PostgreSQL does not stop");
        }
        anyhow::bail!("PostgreSQL (process {}) does not stop", self.pid)
    }

    fn signal(&self, signal: Signal) {
        // After its end the number may belong to somebody else.
        if self.has_ended().is_none() {
            let _ = kill(self.pid, signal);
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.signal(Signal::SIGINT);
    }
}
