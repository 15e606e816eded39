//! Where the private PostgreSQL keeps its files and its socket.
//!
//! ```text
//! DATA/pg/lock        held by the server that uses DATA
//! DATA/pg/data        the cluster, unless `location` names another folder
//! DATA/pg/location    exists only when PostgreSQL's user cannot enter DATA
//! DATA/pg/run         the socket, unless the path is too long for one
//! DATA/pg/socket      exists only when the socket is elsewhere: that folder
//! ```

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::account::{Account, first_closed_folder};

/// Where data goes that PostgreSQL's user could not reach, for example below `/root`.
const SYSTEM_DIR: &str = "/var/lib/spanloom";
/// `sun_path` holds 104 bytes on macOS and 108 on Linux, the terminating zero included.
const SOCKET_PATH_BYTES_MAX: usize = 100;
const SOCKET_NAME: &str = ".s.PGSQL.5432";
const SOCKET_DIR_PREFIX: &str = "spanloom-";

/// Creates `DATA/pg` and returns it without links or dots.
pub(super) fn create_base(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let base = data_dir.join("pg");
    // Open to enter whatever the umask: what is inside protects itself.
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&base)
        .with_context(|| format!("creating {}", base.display()))?;
    base.canonicalize().with_context(|| format!("resolving {}", base.display()))
}

/// Where the cluster is or, when there is none, would be.
pub(super) fn known_data(base: &Path) -> anyhow::Result<PathBuf> {
    let pointer = base.join("location");
    match fs::read_to_string(&pointer) {
        Ok(text) => Ok(PathBuf::from(text.trim_end())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(base.join("data")),
        Err(error) => Err(error).with_context(|| format!("reading {}", pointer.display())),
    }
}

/// The cluster's folder, in a place that `account` can reach. It may not exist yet.
pub(super) fn settle_data(
    base: &Path,
    known: PathBuf,
    account: Option<&Account>,
) -> anyhow::Result<PathBuf> {
    let Some(account) = account else { return Ok(known) };
    let parent = known.parent().unwrap_or(base);
    let Some(closed) = first_closed_folder(parent, account) else { return Ok(known) };
    if known.exists() {
        anyhow::bail!(
            "the database in {} belongs to user {}, who may not enter {} (chmod a+x would let everybody)",
            known.display(),
            account.name,
            closed.display()
        );
    }
    let data = create_outside(account)
        .with_context(|| format!("user {} may not enter {}", account.name, closed.display()))?;
    fs::write(base.join("location"), format!("{}\n", data.display()))
        .with_context(|| format!("writing {}/location", base.display()))?;
    tracing::warn!(
        "PostgreSQL runs as user {}, who may not enter {}: the database is kept in {}",
        account.name,
        closed.display(),
        data.display()
    );
    Ok(data)
}

fn create_outside(account: &Account) -> anyhow::Result<PathBuf> {
    let parent = Path::new(SYSTEM_DIR);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent)
        .with_context(|| format!("creating {SYSTEM_DIR}"))?;
    // The name is new, so that a data directory that was deleted does not get old data back.
    let dir = tempfile::Builder::new()
        .prefix("pg-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(parent)
        .with_context(|| format!("creating a folder in {SYSTEM_DIR}"))?
        .keep();
    if let Some(closed) = first_closed_folder(&dir, account) {
        anyhow::bail!(
            "neither may it enter {}: choose a data directory (--data) that it can reach",
            closed.display()
        );
    }
    Ok(dir.join("data"))
}

/// Removes everything, also what is kept elsewhere.
pub(super) fn remove(base: &Path) -> anyhow::Result<()> {
    let data = known_data(base)?;
    if !data.starts_with(base) && data.exists() {
        // Its folder has a name that `create_outside` made up for it.
        let own = data.parent().filter(|parent| parent.parent() == Some(Path::new(SYSTEM_DIR)));
        let own = own.with_context(|| format!("{} is no place of ours", data.display()))?;
        fs::remove_dir_all(own).with_context(|| format!("removing {}", own.display()))?;
    }
    // Aside first: the lock is within, and a server that starts now must not find half of it.
    let aside = base.with_file_name(format!("pg-removed-{}", std::process::id()));
    fs::rename(base, &aside).with_context(|| format!("moving {} aside", base.display()))?;
    fs::remove_dir_all(&aside).with_context(|| format!("removing {}", aside.display()))
}

/// A folder that only PostgreSQL's user and we can enter; the socket's permissions are its own.
#[derive(Debug)]
pub(super) struct SocketDir {
    path: PathBuf,
    is_temporary: bool,
}

impl SocketDir {
    /// An empty folder: in `base` if the socket's path is short enough and `account` can go there,
    /// else a temporary one.
    pub(super) fn create(base: &Path, account: Option<&Account>) -> anyhow::Result<Self> {
        let pointer = base.join("socket");
        forget_temporary(&pointer);
        let usual = base.join("run");
        let is_reachable = account.is_none_or(|account| first_closed_folder(base, account).is_none());
        if fits_socket(&usual) && is_reachable {
            if usual.exists() {
                fs::remove_dir_all(&usual).with_context(|| format!("clearing {}", usual.display()))?;
            }
            fs::create_dir(&usual).with_context(|| format!("creating {}", usual.display()))?;
            make_private(&usual, account)?;
            return Ok(Self { path: usual, is_temporary: false });
        }
        let path = temporary(account)?;
        make_private(&path, account)?;
        fs::write(&pointer, format!("{}\n", path.display()))
            .with_context(|| format!("writing {}", pointer.display()))?;
        Ok(Self { path, is_temporary: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path as PostgreSQL's list setting wants it: quoted, since it may hold a comma.
    pub(super) fn setting(&self) -> String {
        format!("\"{}\"", self.path.display().to_string().replace('"', "\"\""))
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        if self.is_temporary {
            // Best effort: the next start clears it otherwise.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The folder with the socket of a PostgreSQL that runs for `base`.
pub(super) fn socket_in_use(base: &Path) -> Option<PathBuf> {
    let temporary = fs::read_to_string(base.join("socket")).map(|text| PathBuf::from(text.trim_end()));
    [Some(base.join("run")), temporary.ok()]
        .into_iter()
        .flatten()
        .find(|folder| folder.join(SOCKET_NAME).exists())
}

fn fits_socket(dir: &Path) -> bool {
    dir.join(SOCKET_NAME).as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX
}

/// A new folder with a name that nobody can foresee, in the first temporary place that works.
fn temporary(account: Option<&Account>) -> anyhow::Result<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let places = runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
    for place in places {
        let is_reachable = account.is_none_or(|account| first_closed_folder(&place, account).is_none());
        if !is_reachable || !fits_socket(&place.join("spanloom-123456")) {
            continue;
        }
        if let Ok(dir) = tempfile::Builder::new().prefix(SOCKET_DIR_PREFIX).tempdir_in(&place) {
            return Ok(dir.keep());
        }
    }
    anyhow::bail!(
        "no place for PostgreSQL's socket: the data directory's path is too long or closed, and neither \
         XDG_RUNTIME_DIR nor /tmp can be used. Choose a data directory with a shorter path (--data)"
    )
}

/// Removes the temporary folder of a run that was killed.
fn forget_temporary(pointer: &Path) {
    let Ok(text) = fs::read_to_string(pointer) else { return };
    let dir = Path::new(text.trim_end());
    let is_ours =
        dir.file_name().is_some_and(|name| name.as_bytes().starts_with(SOCKET_DIR_PREFIX.as_bytes()));
    if is_ours {
        let _ = fs::remove_dir_all(dir);
    }
    let _ = fs::remove_file(pointer);
}

/// Hands `dir` to `account` and closes it to everybody else.
pub(super) fn make_private(dir: &Path, account: Option<&Account>) -> anyhow::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))
        .with_context(|| format!("closing {} to others", dir.display()))?;
    give(dir, account)
}

/// Makes `account` the owner.
pub(super) fn give(path: &Path, account: Option<&Account>) -> anyhow::Result<()> {
    let Some(account) = account else { return Ok(()) };
    chown(path, Some(account.uid), Some(account.gid))
        .with_context(|| format!("making user {} the owner of {}", account.name, path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    // sockaddr_un cuts or refuses longer paths, so a deep data directory would never start.
    #[test]
    fn a_long_path_gets_a_short_private_socket_folder() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let socket = SocketDir::create(&deep, None).unwrap();
        assert!(fits_socket(socket.path()), "{}", socket.path().display());
        assert_eq!(socket.path().metadata().unwrap().mode() & 0o777, 0o700);
        let path = socket.path().to_owned();
        drop(socket);
        assert!(!path.exists(), "the temporary folder stays behind");
    }

    #[test]
    fn the_folder_of_a_killed_run_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let first = SocketDir::create(&deep, None).unwrap();
        let left_behind = first.path().to_owned();
        std::mem::forget(first);
        let second = SocketDir::create(&deep, None).unwrap();
        assert!(!left_behind.exists());
        assert!(second.path().exists());
    }

    #[test]
    fn the_usual_folder_is_emptied_and_private() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("run")).unwrap();
        fs::write(dir.path().join("run/.s.PGSQL.5432.lock"), "1\n").unwrap();
        let socket = SocketDir::create(dir.path(), None).unwrap();
        assert_eq!(socket.path(), dir.path().join("run"));
        assert_eq!(fs::read_dir(socket.path()).unwrap().count(), 0);
        assert_eq!(socket.path().metadata().unwrap().mode() & 0o777, 0o700);
    }
}
