//! Building the server.

use std::path::PathBuf;

use crate::{exec, project};

/// How the server is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Debug,
    /// Quick to run.
    Release,
}

/// Builds `spanloom` and returns the program.
pub fn build(profile: Profile) -> anyhow::Result<PathBuf> {
    let mut command = exec::cargo();
    command.args(["build", "--package", "spanloom", "--bin", "spanloom"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    exec::run(&mut command)?;
    program(profile)
}

/// Where cargo puts the program.
pub fn program(profile: Profile) -> anyhow::Result<PathBuf> {
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    Ok(project::target_dir()?.join(folder).join("spanloom"))
}
