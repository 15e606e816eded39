//! Passwords: argon2id, off the asynchronous threads, a few at a time.

use std::sync::Arc;

use anyhow::Context;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::RngExt;
use tokio::sync::Semaphore;

/// Characters of a password at least.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Characters of a password at most: beyond it hashing time would be the client's choice.
pub const PASSWORD_CHARS_MAX: usize = 256;

/// OWASP's recommendation for argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes computed at the same time: each takes a core and 19 MiB.
const RUNNING_MAX: usize = 2;
/// Checks that wait for their turn; beyond it clients are asked to come back.
const WAITING_MAX: usize = 64;

/// Why a password could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Too many checks are waiting.
    #[error("too many passwords are being checked")]
    Busy,
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

/// Why a password is not acceptable; none if it is.
pub fn policy_violation(password: &str) -> Option<String> {
    let chars = password.chars().take(PASSWORD_CHARS_MAX + 1).count();
    if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return None;
    }
    Some(format!("must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"))
}

/// A password to be shown once: four groups of five letters and digits, about 99 bits, without the
/// characters that are mistaken for one another.
pub fn generate() -> String {
    const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    let mut password = String::with_capacity(23);
    for position in 0..20 {
        if position > 0 && position % 5 == 0 {
            password.push('-');
        }
        password.push(char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    }
    password
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| anyhow::anyhow!("argon2 parameters: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The PHC string of a password. Does not look at the policy.
///
/// # Errors
/// If the random generator fails.
pub async fn hash(password: &str) -> anyhow::Result<String> {
    let password = password.to_owned();
    tokio::task::spawn_blocking(move || hash_now(&password)).await.context("hashing a password")?
}

fn hash_now(password: &str) -> anyhow::Result<String> {
    let hash: PasswordHash = argon2()?
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow::anyhow!("hashing a password: {error}"))?;
    Ok(hash.to_string())
}

/// Checks passwords, a bounded number at a time.
pub struct Checker {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// What is checked for accounts that do not exist, so that they take as long as those that do.
    decoy: String,
}

impl Checker {
    /// # Errors
    /// If the random generator fails.
    pub async fn new() -> anyhow::Result<Self> {
        Ok(Self {
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            decoy: hash(&generate()).await?,
        })
    }

    /// Whether the password fits the hash. Without a hash (no such account) it does the same work
    /// and says no.
    ///
    /// # Errors
    /// [`CheckError::Busy`] if too many are waiting.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, CheckError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        // Nobody has a password that long; an argon2 input of that length is work for nothing.
        let fits_policy = password.chars().take(PASSWORD_CHARS_MAX + 1).count() <= PASSWORD_CHARS_MAX;
        let password = if fits_policy { password.to_owned() } else { String::new() };
        let matches = self.run(move || matches(&password, &hash)).await??;
        Ok(matches && known && fits_policy)
    }

    /// The PHC string of a new password, in the same queue as the checks.
    ///
    /// # Errors
    /// [`CheckError::Busy`] if too many are waiting.
    pub async fn hash(&self, password: &str) -> Result<String, CheckError> {
        let password = password.to_owned();
        Ok(self.run(move || hash_now(&password)).await??)
    }

    async fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, CheckError> {
        let _place = self.waiting.try_acquire().map_err(|_| CheckError::Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await;
        Ok(turn.context("waiting to check a password")?)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CheckError> {
        let turn = self.turn().await?;
        let result = tokio::task::spawn_blocking(move || {
            // Held by the thread, not by the request: a client that goes away does not free the core.
            let _turn = turn;
            work()
        })
        .await;
        Ok(result.context("checking a password")?)
    }
}

fn matches(password: &str, hash: &str) -> anyhow::Result<bool> {
    use argon2::password_hash::Error;
    let hash =
        PasswordHash::new(hash).map_err(|error| anyhow::anyhow!("a stored password hash: {error}"))?;
    // The parameters are those of the hash, so that they can be raised for new passwords.
    match argon2()?.verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => anyhow::bail!("checking a password: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a limit in bytes instead of characters and an off-by-one at both ends.
    #[test]
    fn policy_counts_characters() {
        assert!(policy_violation("elevenchars").is_some());
        assert!(policy_violation("twelve chars").is_none());
        assert!(policy_violation("zwölf Zeich").is_some(), "11 characters, 12 bytes");
        assert!(policy_violation(&"ä".repeat(256)).is_none(), "256 characters, 512 bytes");
        assert!(policy_violation(&"a".repeat(257)).is_some());
    }

    /// Catches a generator whose passwords the policy refuses, or that repeats itself.
    #[test]
    fn generated_passwords_are_acceptable_and_differ() {
        let (a, b) = (generate(), generate());
        assert!(policy_violation(&a).is_none());
        assert_eq!(a.len(), 23);
        assert_ne!(a, b);
    }

    /// Catches another variant or weaker parameters than documented, and a check that says yes to
    /// everything, to an account that does not exist, or to an overlong password.
    #[tokio::test]
    async fn verifies_only_the_right_password_of_a_known_account() {
        let checker = Checker::new().await.unwrap();
        let stored = hash("correct horse battery staple").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(checker.verify("correct horse battery staple", Some(&stored)).await.unwrap());
        assert!(!checker.verify("correct horse battery stapler", Some(&stored)).await.unwrap());
        assert!(!checker.verify("correct horse battery staple", None).await.unwrap());
        let empty = hash("").await.unwrap();
        assert!(!checker.verify(&"a".repeat(10_000), Some(&empty)).await.unwrap());
    }

    /// Catches an unbounded queue: with every place taken the next check is refused at once.
    #[tokio::test]
    async fn refuses_when_too_many_wait() {
        let checker = Checker::new().await.unwrap();
        let _all = checker.waiting.try_acquire_many(WAITING_MAX as u32).unwrap();
        assert!(matches!(checker.verify("any password", None).await, Err(CheckError::Busy)));
    }
}
