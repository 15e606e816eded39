//! Running other programs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::project;

/// The cargo that runs us, in the repository.
pub fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(project::root());
    command
}

/// Runs to the end with our input and output; an error names the command.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {}", show(command)))?;
    anyhow::ensure!(status.success(), "{} failed ({status})", show(command));
    Ok(())
}

/// Runs to the end and returns standard output; an error carries standard error.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {}", show(command)))?;
    anyhow::ensure!(
        output.status.success(),
        "{} failed ({})\n{}",
        show(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    String::from_utf8(output.stdout).with_context(|| format!("reading the output of {}", show(command)))
}

/// The command as a person would type it.
pub fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    if let Some(name) = std::path::Path::new(command.get_program()).file_name() {
        words[0] = name.to_string_lossy().into_owned();
    }
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// A program in PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
}

/// Whether we may install packages.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// `14 s`, `2 min 5 s`.
pub fn show_duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 10 {
        format!("{:.1} s", duration.as_secs_f32())
    } else if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    // The person has to be able to repeat by hand what failed.
    #[test]
    fn a_failure_names_the_command_and_its_words() {
        let error = output(Command::new("sh").args(["-c", "echo reason >&2; exit 3"])).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("sh -c") && error.contains("exit status: 3"), "{error}");
        assert!(error.contains("reason"), "{error}");
    }

    #[test]
    fn durations_read_naturally() {
        assert_eq!(show_duration(Duration::from_millis(2_340)), "2.3 s");
        assert_eq!(show_duration(Duration::from_secs(14)), "14 s");
        assert_eq!(show_duration(Duration::from_secs(125)), "2 min 5 s");
    }
}
