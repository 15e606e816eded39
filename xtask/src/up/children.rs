//! The server and the demo as children that end with us, however we end.

use std::cell::RefCell;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What may happen while we wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Ctrl-C, SIGTERM or SIGHUP.
    Interrupted,
    /// A child ended.
    Ended {
        /// As given to [`Children::start`].
        name: &'static str,
        /// Its exit status, in words.
        how: String,
    },
}

/// Started children and what happens to them.
pub struct Children {
    events: Receiver<Event>,
    sender: Sender<Event>,
    running: RefCell<Vec<(&'static str, Pid)>>,
}

impl Children {
    /// From now on signals become events instead of ending this process.
    pub fn new() -> anyhow::Result<Self> {
        let (sender, events) = channel();
        let on_signal = sender.clone();
        ctrlc::set_handler(move || {
            let _ = on_signal.send(Event::Interrupted);
        })
        .context("catching signals")?;
        Ok(Self { events, sender, running: RefCell::default() })
    }

    /// Starts a child that the kernel ends with SIGTERM when we die. Call it from the main thread:
    /// the kernel watches the thread that forks, and the main thread lives as long as the process.
    pub fn start(&self, name: &'static str, command: &mut Command) -> anyhow::Result<i32> {
        // Ctrl-C in a terminal reaches the whole group; we stop the children in order instead.
        command.process_group(0);
        end_with_us(command);
        let mut child = command.spawn().with_context(|| format!("starting the {name}"))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        self.running.borrow_mut().push((name, pid));
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let how = match child.wait() {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            let _ = sender.send(Event::Ended { name, how });
        });
        Ok(pid.as_raw())
    }

    /// The next event within `patience`.
    pub fn next_event(&self, patience: Duration) -> Option<Event> {
        // The channel never closes, since we hold a sender.
        let event = self.events.recv_timeout(patience).ok()?;
        if let Event::Ended { name, .. } = &event {
            self.running.borrow_mut().retain(|(running, _)| running != name);
        }
        Some(event)
    }

    /// Asks a child to end and waits; kills it when `patience` is over or at another Ctrl-C.
    pub fn stop(&self, name: &'static str, patience: Duration) {
        let Some(pid) = self.pid(name) else { return };
        let _ = kill(pid, Signal::SIGTERM);
        let started = Instant::now();
        while self.pid(name).is_some() && started.elapsed() < patience {
            if self.next_event(Duration::from_millis(100)) == Some(Event::Interrupted) {
                break;
            }
        }
        if self.pid(name).is_none() {
            return;
        }
        println!("the {name} does not stop: killing it");
        let _ = kill(pid, Signal::SIGKILL);
        while self.pid(name).is_some() {
            self.next_event(Duration::from_millis(100));
        }
    }

    fn pid(&self, name: &'static str) -> Option<Pid> {
        self.running.borrow().iter().find(|(running, _)| *running == name).map(|(_, pid)| *pid)
    }
}

#[cfg(target_os = "linux")]
fn end_with_us(command: &mut Command) {
    let parent = nix::unistd::getpid();
    #[expect(
        unsafe_code,
        reason = "between fork and exec only two system calls are made, nothing is allocated or locked"
    )]
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
            // We may have died before the line above.
            if nix::unistd::getppid() != parent {
                return Err(nix::errno::Errno::ESRCH.into());
            }
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_us(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn children() -> Children {
        let (sender, events) = channel();
        Children { events, sender, running: RefCell::default() }
    }

    #[test]
    fn tells_how_a_child_ended() {
        let children = children();
        children.start("server", Command::new("sh").args(["-c", "exit 3"])).unwrap();
        let event = children.next_event(Duration::from_secs(10));
        assert_eq!(event, Some(Event::Ended { name: "server", how: "exit status: 3".to_owned() }));
        assert!(children.pid("server").is_none());
    }

    // A child that ignores SIGTERM must not keep `up` from ending.
    #[test]
    fn kills_a_child_that_does_not_stop() {
        let children = children();
        let mut stubborn = Command::new("sh");
        stubborn.args(["-c", "trap '' TERM; while :; do sleep 1; done"]);
        let pid = children.start("server", &mut stubborn).unwrap();
        let started = Instant::now();
        // Before the trap is set the shell would die of SIGTERM and prove nothing.
        while !ignores_sigterm(pid) {
            assert!(started.elapsed() < Duration::from_secs(10), "the shell does not set its trap");
            std::thread::yield_now();
        }
        children.stop("server", Duration::from_millis(200));
        assert!(children.pid("server").is_none());
        assert!(kill(Pid::from_raw(pid), None).is_err(), "it still runs");
    }

    fn ignores_sigterm(pid: i32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
        u64::from_str_radix(ignored.trim(), 16).unwrap_or(0) & (1 << (Signal::SIGTERM as u64 - 1)) != 0
    }
}
