//! Finding PostgreSQL's server programs, which few distributions put into PATH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Major versions that Spanloom is made for.
const MAJORS: std::ops::RangeInclusive<u32> = 15..=18;

/// Folders, with one `*` at most, that distributions use.
const USUAL: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// A folder with `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub dir: PathBuf,
    pub major: u32,
}

/// Every installed server, of whatever version, in PATH first.
pub(super) fn find() -> Vec<Binaries> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(USUAL.iter().flat_map(|pattern| expand(pattern)));
    let mut found: Vec<Binaries> = Vec::new();
    for dir in folders {
        let postgres = dir.join("postgres");
        if !postgres.is_file() || !dir.join("initdb").is_file() {
            continue;
        }
        // PATH may hold links to one program only; its neighbours are where it really is.
        let dir = match postgres.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned)) {
            Some(real) if real.join("initdb").is_file() => real,
            _ => dir,
        };
        if found.iter().any(|known| known.dir == dir) {
            continue;
        }
        if let Some(major) = version_of(&postgres) {
            found.push(Binaries { dir, major });
        }
    }
    found
}

/// The one that fits the data, or the newest when there is no data yet.
pub(super) fn choose<'a>(
    found: &'a [Binaries],
    data_major: Option<u32>,
    data: &Path,
) -> anyhow::Result<&'a Binaries> {
    let installed = describe(found);
    let Some(wanted) = data_major else {
        return found.iter().filter(|b| MAJORS.contains(&b.major)).max_by_key(|b| b.major).ok_or_else(|| {
            anyhow::anyhow!(
                "Spanloom needs the server programs of PostgreSQL {} to {} for its private database; \
                 installed: {installed}. Install them (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf \
                 install postgresql-server; macOS: brew install postgresql@17), or name a database of your own \
                 (--database-url)",
                MAJORS.start(),
                MAJORS.end()
            )
        });
    };
    if let Some(binaries) = found.iter().find(|binaries| binaries.major == wanted) {
        if !MAJORS.contains(&wanted) {
            anyhow::bail!(
                "the database in {} is of PostgreSQL {wanted}; Spanloom works with {} to {}",
                data.display(),
                MAJORS.start(),
                MAJORS.end()
            );
        }
        return Ok(binaries);
    }
    anyhow::bail!(
        "the database in {} was written by PostgreSQL {wanted}; installed: {installed}. A server of another \
         major version cannot read it: install PostgreSQL {wanted} (Debian, Ubuntu: apt-get install \
         postgresql-{wanted}), or move the data with pg_upgrade, or start anew in another data directory (--data)",
        data.display()
    )
}

fn describe(found: &[Binaries]) -> String {
    if found.is_empty() {
        return "none".to_owned();
    }
    let list: Vec<String> =
        found.iter().map(|binaries| format!("{} in {}", binaries.major, binaries.dir.display())).collect();
    list.join(", ")
}

fn version_of(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`, `... 18beta1`.
fn parse_version(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Existing folders that a pattern with at most one `*` names.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| PathBuf::from(format!("{}{after}", entry.path().display())))
        .filter(|dir| dir.is_dir())
        .collect()
}

impl Binaries {
    /// Whether TimescaleDB is installed for this server: its control file and its library.
    pub(super) fn has_timescale(&self) -> bool {
        let control =
            self.share_folders().iter().any(|dir| dir.join("extension/timescaledb.control").is_file());
        let library = self
            .library_folders()
            .iter()
            .any(|dir| ["timescaledb.so", "timescaledb.dylib"].iter().any(|name| dir.join(name).is_file()));
        control && library
    }

    fn share_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![
            PathBuf::from(format!("/usr/share/postgresql/{}", self.major)),
            self.dir.join("../share"),
            self.dir.join("../share/postgresql"),
            self.dir.join(format!("../share/postgresql@{}", self.major)),
        ];
        folders.extend(self.pg_config("--sharedir"));
        folders
    }

    fn library_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![
            self.dir.join("../lib"),
            self.dir.join("../lib/postgresql"),
            self.dir.join(format!("../lib/postgresql@{}", self.major)),
        ];
        folders.extend(self.pg_config("--pkglibdir"));
        folders
    }

    fn pg_config(&self, what: &str) -> Option<PathBuf> {
        let output = Command::new(self.dir.join("pg_config")).arg(what).output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        Some(PathBuf::from(path.trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(majors: &[u32]) -> Vec<Binaries> {
        majors.iter().map(|&major| Binaries { dir: PathBuf::from(format!("/pg/{major}")), major }).collect()
    }

    #[test]
    fn reads_the_major_version() {
        let cases = [
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (EnterpriseDB) 15", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_version(text), expected, "{text:?}");
        }
    }

    #[test]
    fn takes_the_data_s_version_and_else_the_newest_supported() {
        let cases: [(&[u32], Option<u32>, Option<u32>); 7] = [
            (&[15, 17, 16], None, Some(17)),
            (&[15, 17, 16], Some(15), Some(15)),
            (&[14, 19], None, None),
            (&[15, 19], None, Some(15)),
            (&[], None, None),
            (&[17], Some(15), None),
            (&[14], Some(14), None),
        ];
        for (installed, data, expected) in cases {
            let found = binaries(installed);
            let chosen = choose(&found, data, Path::new("/data")).ok().map(|binaries| binaries.major);
            assert_eq!(chosen, expected, "installed {installed:?}, data {data:?}");
        }
    }

    // The person who upgraded the machine needs both numbers and a way on.
    #[test]
    fn a_changed_version_is_explained() {
        let error = choose(&binaries(&[17]), Some(15), Path::new("/data")).unwrap_err().to_string();
        for part in ["/data", "written by PostgreSQL 15", "17 in /pg/17", "postgresql-15", "pg_upgrade"] {
            assert!(error.contains(part), "{part:?} is missing in {error:?}");
        }
    }

    #[test]
    fn expands_one_star() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["pgsql-15/bin", "pgsql-16/bin", "pgsql-17", "other/bin"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let mut found = expand(&format!("{}/pgsql-*/bin", dir.path().display()));
        found.sort();
        assert_eq!(found, ["pgsql-15/bin", "pgsql-16/bin"].map(|name| dir.path().join(name)));
    }
}
