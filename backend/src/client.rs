//! What the commands that are clients of a server have in common.

use std::fmt;
use std::str::FromStr;

/// An API key that does not show up in logs.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key itself, to be sent and not to be written anywhere.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

impl FromStr for ApiKey {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a key that reaches a log through the arguments' debug output.
    #[test]
    fn the_key_is_not_shown() {
        let key: ApiKey = "slk_secret".parse().unwrap();
        assert!(!format!("{key:?}").contains("secret"));
        assert_eq!(key.reveal(), "slk_secret");
    }
}
