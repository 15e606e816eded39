//! The OS user that PostgreSQL runs as: it refuses to run as root.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use nix::unistd::{Uid, User, geteuid};

/// In this order: the one that PostgreSQL's packages create, then ones that own nothing else.
const CANDIDATES: [&str; 3] = ["postgres", "spanloom", "nobody"];

/// Variables that the child keeps. Others, `PG*` above all, could change what it does.
const ENVIRONMENT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"];

/// An OS user to change to. None is needed unless we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
}

/// Whom to run as: the data's owner if there is data, else someone unprivileged.
pub(super) fn choose(data: &Path) -> anyhow::Result<Option<Account>> {
    let owner = data.metadata().ok().map(|metadata| metadata.uid());
    if !geteuid().is_root() {
        let own = geteuid().as_raw();
        if let Some(owner) = owner
            && owner != own
        {
            anyhow::bail!(
                "the database in {} belongs to user {}, this is user {}: run as that user or as root, \
                 or choose another data directory (--data)",
                data.display(),
                name_of(owner),
                name_of(own)
            );
        }
        return Ok(None);
    }
    if let Some(owner) = owner.filter(|owner| *owner != 0) {
        let user = User::from_uid(Uid::from_raw(owner)).context("reading the user database")?;
        let gid = user.as_ref().map_or(owner, |user| user.gid.as_raw());
        return Ok(Some(Account { uid: owner, gid, name: name_of(owner) }));
    }
    for candidate in CANDIDATES {
        let user = User::from_name(candidate).context("reading the user database")?;
        if let Some(user) = user.filter(|user| !user.uid.is_root()) {
            let name = candidate.to_owned();
            return Ok(Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), name }));
        }
    }
    anyhow::bail!(
        "PostgreSQL does not run as root, and none of the users {} exists: create one (useradd --system \
         postgres) or run as another user",
        CANDIDATES.join(", ")
    )
}

fn name_of(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

/// A command that runs as `account`, with a small environment and away from our working directory.
pub(super) fn command(program: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir("/");
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // English messages, whatever the machine speaks.
    command.env("LC_ALL", "C");
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// The first folder on the way to `dir`, itself included, that `account` cannot enter.
pub(super) fn first_closed_folder<'a>(dir: &'a Path, account: &Account) -> Option<&'a Path> {
    let mut folders: Vec<&Path> = dir.ancestors().collect();
    folders.reverse();
    folders.into_iter().find(|folder| {
        let Ok(metadata) = folder.metadata() else { return true };
        let enter = if metadata.uid() == account.uid {
            0o100
        } else if metadata.gid() == account.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & enter == 0
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    // A clone in root's home (0700) is the usual way to meet this.
    #[test]
    fn finds_the_folder_that_others_cannot_enter() {
        let outer = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let outer = outer.path().canonicalize().unwrap();
        let closed = outer.join("closed");
        let inner = closed.join("inner");
        fs::create_dir_all(&inner).unwrap();
        let stranger = Account { uid: 4_000_000, gid: 4_000_000, name: "stranger".to_owned() };

        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(first_closed_folder(&inner, &stranger), Some(closed.as_path()));
        fs::set_permissions(&closed, Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(first_closed_folder(&inner, &stranger), None);
    }
}
