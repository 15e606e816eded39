//! The first admin's password: made once, shown once, kept nowhere.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::http;

/// The account that the server creates when there is none.
pub const NAME: &str = "admin";
const VARIABLE: &str = "SPANLOOM_ADMIN_PASSWORD";
/// No look-alikes; 32 letters make five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const PASSWORD_LETTERS: usize = 20;
/// Fewer than lock an account.
const LOGIN_ATTEMPTS: u32 = 4;
const LOGIN_PAUSE: Duration = Duration::from_millis(700);

/// What we know about the admin's password.
pub struct Admin {
    password: Password,
    /// Exists once the password has been shown for this database.
    marker: PathBuf,
}

enum Password {
    /// Given by the environment, which the server reads itself.
    Preset,
    /// Made by us for a database that may be new.
    Generated(String),
    /// An earlier run showed it.
    ShownBefore,
}

impl Admin {
    /// Decides before the server starts.
    pub fn prepare(data: &Path, database_url: Option<&str>) -> anyhow::Result<Self> {
        let marker = data.join(format!("admin-{}", database_name(database_url)));
        let password = if std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty()) {
            Password::Preset
        } else if marker.exists() {
            Password::ShownBefore
        } else {
            Password::Generated(generate()?)
        };
        Ok(Self { password, marker })
    }

    /// Whether no earlier run has come so far as to show the password.
    pub fn is_first_run(&self) -> bool {
        !self.marker.exists()
    }

    /// Hands a generated password to the server.
    pub fn preset(&self, command: &mut Command) {
        if let Password::Generated(password) = &self.password {
            command.env(VARIABLE, password);
        }
    }

    /// What to print beside "Password", once the server is ready.
    pub fn describe(&self, port: u16, reset: &str) -> anyhow::Result<String> {
        let text = match &self.password {
            Password::Preset => {
                format!("the one in {VARIABLE} at the first run; to set a new one: {reset}")
            }
            Password::ShownBefore => format!("shown at the first run; to set a new one: {reset}"),
            Password::Generated(password) => {
                // The database may have people already: then ours was not used.
                if opens(port, password)? {
                    format!("{password}  (shown only now)")
                } else {
                    format!("this database has users already; to set a new one: {reset}")
                }
            }
        };
        fs::write(&self.marker, "The admin's password was shown for this database.\n")
            .with_context(|| format!("writing {}", self.marker.display()))?;
        Ok(text)
    }
}

/// Whether the password is the admin's. A server is ready a moment before it creates the account.
fn opens(port: u16, password: &str) -> anyhow::Result<bool> {
    let body = serde_json::json!({ "username": NAME, "password": password }).to_string();
    for _ in 0..LOGIN_ATTEMPTS {
        if http::post_json(port, "/api/v1/auth/login", &body)? == 200 {
            return Ok(true);
        }
        std::thread::sleep(LOGIN_PAUSE);
    }
    Ok(false)
}

fn database_name(url: Option<&str>) -> String {
    let Some(url) = url else { return "private".to_owned() };
    let mut hasher = DefaultHasher::new();
    hasher.write(url.as_bytes());
    format!("{:016x}", hasher.finish())
}

fn generate() -> anyhow::Result<String> {
    let mut random = [0_u8; PASSWORD_LETTERS];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .context("reading random bytes")?;
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_differ() {
        let (first, second) = (generate().unwrap(), generate().unwrap());
        assert_eq!(first.len(), PASSWORD_LETTERS);
        assert_ne!(first, second);
        assert!(first.bytes().all(|letter| ALPHABET.contains(&letter)), "{first}");
    }

    // One data directory may serve two databases in turn; each shows its password once.
    #[test]
    fn databases_are_told_apart_without_storing_their_url() {
        let name = database_name(Some("postgres://me:secret@host/db"));
        assert_ne!(name, database_name(Some("postgres://me:secret@host/other")));
        assert!(!name.contains("secret"));
        assert_eq!(database_name(None), "private");
    }
}
