//! Installing what is missing, as root on Debian; telling how, elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::exec;
use crate::needs::Need;

/// Debian's switch that keeps a new `postgresql` package from starting a server for the machine.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.d/spanloom.conf";

/// What Debian's packages ask whether they may start a service.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// Makes sure that all of `needs` are there. Says what it found and installs what it may.
pub fn ensure(needs: &[Need]) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for need in needs {
        match need.find() {
            Some(place) => println!("    {}: {place}", need.name()),
            None => missing.push(*need),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.debian_packages()).copied().collect();
    if !exec::is_root() || !has_apt() {
        anyhow::bail!("{}", instructions(&missing, &packages));
    }
    let quiet_cluster = missing.contains(&Need::PostgresServer).then(QuietCluster::set).transpose()?;
    let is_service = |need: &Need| matches!(need, Need::RabbitMq | Need::Prometheus);
    let no_services = missing.iter().any(is_service).then(NoServices::set).transpose()?;
    apt_install(&packages)?;
    drop((quiet_cluster, no_services));
    for need in missing {
        let place = need.find();
        let place =
            place.with_context(|| format!("{} is still not found after installing it", need.name()))?;
        println!("    {}: {place}", need.name());
    }
    Ok(())
}

fn instructions(missing: &[Need], packages: &[&str]) -> String {
    let names: Vec<&str> = missing.iter().map(|need| need.name()).collect();
    let how = if has_apt() {
        format!(
            "run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
            packages.join(" ")
        )
    } else {
        "install it with your system's package manager".to_owned()
    };
    format!("missing: {}; {how}", names.join(", "))
}

/// Whether this is Debian or one of its children.
pub fn has_apt() -> bool {
    exec::find_program("apt-get").is_some()
}

/// Installs Debian packages without questions; shows what it does.
pub fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    println!("    installing {} with apt-get", packages.join(", "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    };
    // Old lists name versions that the mirrors no longer have; a failure shows in the next step.
    let _ = exec::output(apt().args(["update", "--quiet"]));
    let installed =
        exec::output(apt().args(["install", "-y", "--quiet", "--no-install-recommends"]).args(packages));
    installed.map(|_| ()).with_context(|| format!("installing {}", packages.join(", ")))
}

/// While it lives, installing PostgreSQL creates and starts no server.
struct QuietCluster;

impl QuietCluster {
    fn set() -> anyhow::Result<Self> {
        let path = Path::new(CLUSTER_SETTINGS);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        fs::write(path, "create_main_cluster = false\n")
            .with_context(|| format!("writing {CLUSTER_SETTINGS}"))?;
        Ok(Self)
    }
}

impl Drop for QuietCluster {
    fn drop(&mut self) {
        let _ = fs::remove_file(CLUSTER_SETTINGS);
    }
}

/// While it lives, installing packages starts no services: tests run what they need themselves.
struct NoServices;

impl NoServices {
    /// Nothing, where something else decides on that already.
    fn set() -> anyhow::Result<Option<Self>> {
        let path = Path::new(SERVICE_POLICY);
        if path.exists() {
            return Ok(None);
        }
        let write = || {
            // 101 is Debian's "forbidden by policy".
            fs::write(path, "#!/bin/sh\nexit 101\n")?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        };
        write().with_context(|| format!("writing {SERVICE_POLICY}"))?;
        Ok(Some(Self))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        let _ = fs::remove_file(SERVICE_POLICY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Who may not install has to be able to copy the command.
    #[test]
    fn instructions_name_everything_that_is_missing() {
        let missing = [Need::PostgresServer, Need::Chromium];
        let text = instructions(&missing, &["postgresql", "chromium"]);
        assert!(text.contains("PostgreSQL server programs") && text.contains("Chromium"), "{text}");
        if has_apt() {
            assert!(text.ends_with("postgresql chromium"), "{text}");
        }
    }
}
