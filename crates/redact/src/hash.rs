//! What takes the place of a secret.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a masked secret becomes.
pub(crate) const MASK: &str = "***";

/// What a hash begins with. The whole is a word, to the SQL lexer too, so that it is not found again.
const PREFIX: &str = "hmac_";

/// Bytes of the hash that are kept: enough that two secrets never share one by chance.
const HASH_BYTES: usize = 16;

/// Hashes with a key, so that nobody without the key can try secrets out.
#[derive(Clone)]
pub(crate) struct Hasher(Hmac<Sha256>);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher([redacted])")
    }
}

impl Hasher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of 32 bytes");
        Self(mac)
    }

    pub(crate) fn hash(&self, secret: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(secret);
        format!("{PREFIX}{}", hex::encode(&mac.finalize().into_bytes()[..HASH_BYTES]))
    }
}

/// Whether a secret has been replaced before: a second turn must not change it again.
pub(crate) fn is_replaced(text: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text == MASK
        || text
            .strip_prefix(PREFIX)
            .is_some_and(|hash| hash.len() == 2 * HASH_BYTES && hash.bytes().all(is_hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a hash without its key, and one that is hashed again.
    #[test]
    fn equal_secrets_have_equal_hashes_under_one_key() {
        let (one, other) = (Hasher::new(&[1; 32]), Hasher::new(&[2; 32]));
        assert_eq!(one.hash(b"hunter2"), one.hash(b"hunter2"));
        assert_ne!(one.hash(b"hunter2"), one.hash(b"hunter3"));
        assert_ne!(one.hash(b"hunter2"), other.hash(b"hunter2"));
        assert!(is_replaced(&one.hash(b"hunter2")));
        assert!(is_replaced(MASK));
        assert!(!is_replaced("hmac_abc"));
        assert!(!is_replaced("hunter2"));
        assert!(!format!("{one:?}").contains('1'));
    }
}
