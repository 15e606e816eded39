//! Secrets that clients present: 256 random bits, kept as their SHA-256.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Characters of 256 bits in base64url without padding.
pub const SECRET_CHARS: usize = 43;

/// A secret in plain text. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps what a client presented or what was just made.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// 256 random bits behind a prefix.
    pub fn random(prefix: &str) -> Self {
        Self(format!("{prefix}{}", encode(&random_bytes())))
    }

    /// The secret itself, to hand it to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// 256 bits from the operating system's generator.
pub fn random_bytes() -> [u8; 32] {
    rand::random()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether `text` has the form of 256 bits in base64url: saves the database a look-up.
pub fn is_encoded(text: &str) -> bool {
    text.len() == SECRET_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a derived `Debug`, which would put keys into logs.
    #[test]
    fn debug_hides_the_secret() {
        let secret = Secret::random("slk_");
        assert!(!format!("{secret:?}").contains(secret.expose()));
        assert!(!format!("{secret:?}").contains("slk_"));
    }

    /// Catches a generator that repeats and an encoding of another length than the check expects.
    #[test]
    fn random_secrets_differ_and_have_the_documented_form() {
        let (a, b) = (Secret::random("slk_"), Secret::random("slk_"));
        assert_ne!(a.expose(), b.expose());
        assert!(is_encoded(a.expose().strip_prefix("slk_").unwrap()));
        assert!(!is_encoded("short"));
        assert!(!is_encoded(&"=".repeat(SECRET_CHARS)));
    }
}
