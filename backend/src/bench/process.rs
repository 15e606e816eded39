//! What processes have used, as Linux tells it in `/proc` (see proc(5)). Elsewhere nothing is known.

use std::fs;

/// Clock ticks in `/proc` are of 1/100 s on every Linux.
const TICKS_PER_S: f64 = 100.0;
/// Reading a family of processes is repeated while one of them ends.
const READS_MAX: usize = 5;

/// CPU seconds, user and system, of this process.
pub fn own_cpu_s() -> Option<f64> {
    cpu_s(i32::try_from(std::process::id()).ok()?)
}

/// CPU seconds, user and system, of a process with all its threads.
pub fn cpu_s(pid: i32) -> Option<f64> {
    Some(Stat::read(pid)?.own_ticks as f64 / TICKS_PER_S)
}

/// The largest resident memory so far, bytes.
pub fn peak_bytes(pid: i32) -> Option<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Resident memory, bytes.
pub fn resident_bytes(pid: i32) -> Option<u64> {
    status_bytes(pid, "VmRSS:")
}

/// PostgreSQL on this machine: the postmaster and its children.
#[derive(Debug, Clone, Copy)]
pub struct Postgres {
    postmaster: i32,
}

impl Postgres {
    /// The server that has this backend; none if the backend is not on this machine.
    pub fn of_backend(backend: i32) -> Option<Self> {
        // Elsewhere the number may be anybody's here.
        let is_postgres = |pid: i32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim_end() == "postgres"
        };
        let postmaster = Stat::read(backend)?.parent;
        (is_postgres(backend) && is_postgres(postmaster)).then_some(Self { postmaster })
    }

    /// CPU seconds of the postmaster, its children, and its children that have ended.
    pub fn cpu_s(self) -> Option<f64> {
        for _ in 0..READS_MAX {
            let before = Stat::read(self.postmaster)?;
            let children: u64 = self.children().iter().map(|child| child.own_ticks).sum();
            let after = Stat::read(self.postmaster)?;
            // A child that ended meanwhile would count twice, or not at all.
            if before.ended_ticks == after.ended_ticks {
                let ticks = after.own_ticks + after.ended_ticks + children;
                return Some(ticks as f64 / TICKS_PER_S);
            }
        }
        None
    }

    /// Memory that only one of the processes has, bytes: without the shared buffers.
    pub fn private_bytes(self) -> Option<u64> {
        let own = status_bytes(self.postmaster, "RssAnon:")?;
        let children = self.children();
        Some(own + children.iter().filter_map(|child| status_bytes(child.pid, "RssAnon:")).sum::<u64>())
    }

    fn children(self) -> Vec<Stat> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Stat::read)
            .filter(|stat| stat.parent == self.postmaster)
            .collect()
    }
}

/// What `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: i32,
    parent: i32,
    own_ticks: u64,
    /// Of children that were waited for.
    ended_ticks: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, text: &str) -> Option<Self> {
        // The name stands in parentheses and may hold any of them; the state follows the last one.
        let words: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
        let number = |field: usize| words.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            pid,
            parent: words.get(1)?.parse().ok()?,
            own_ticks: number(14)? + number(15)?,
            ended_ticks: number(16)? + number(17)?,
        })
    }
}

fn status_bytes(pid: i32, key: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a field read one place off, for instance because of a name with a parenthesis.
    #[test]
    fn fields_are_those_of_the_manual() {
        let line = "77 (tricky) name) S 42 77 77 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0 900 1000 50";
        let expected = Stat { pid: 77, parent: 42, own_ticks: 33, ended_ticks: 77 };
        assert_eq!(Stat::parse(77, line), Some(expected));
        assert_eq!(Stat::parse(77, "77 (cut"), None);
    }

    /// Catches a measurement that is silently absent.
    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_measured() {
        let own = std::process::id().cast_signed();
        assert!(own_cpu_s().is_some());
        assert!(peak_bytes(own).unwrap() >= resident_bytes(own).unwrap() / 2);
        assert!(resident_bytes(own).unwrap() > 1 << 20);
        assert!(Postgres::of_backend(own).is_none(), "this is no PostgreSQL");
    }
}
