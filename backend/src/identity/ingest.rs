//! Who may send spans. Knows neither actix nor tonic, so that both ask the same question.

use std::net::IpAddr;

use spanloom_model::api::KeyScope;

use super::Identity;
use super::api_key::KnownKey;
use crate::config::IngestConfig;

/// A client that may send spans.
#[derive(Debug, Clone, Default)]
pub struct IngestClient {
    /// The key that it showed, if any.
    pub key: Option<KnownKey>,
}

/// Why somebody may not send spans.
#[derive(Debug, thiserror::Error)]
pub enum IngestDenied {
    /// A key is needed and none was sent.
    #[error("send an API key with the scope \"ingest\" as \"Authorization: Bearer slk_...\"")]
    NoKey,
    /// What was sent is no key in force.
    #[error("this is not an API key in force")]
    BadKey,
    /// The key is good for something else.
    #[error("this API key lacks the scope \"ingest\"")]
    WrongScope,
    /// It could not be checked; trying again may help.
    #[error("the API key cannot be checked now")]
    Unavailable(#[source] sqlx::Error),
}

/// Whether a client without a key may send. `peer` is the address at the other end of the
/// connection, none if the request passed through a proxy.
fn free(config: &IngestConfig, peer: Option<IpAddr>) -> bool {
    let local = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    config.open || (config.loopback_without_key && local)
}

impl Identity {
    /// Who this client is, if it may send spans.
    ///
    /// `peer` must be the real address at the other end of the connection, never one that a header
    /// claims, and none if the request carries one of [`super::origin::FORWARDING_HEADERS`]: a proxy
    /// on this machine relays for strangers. `bearer` is the key that was sent, if any; a key that is
    /// sent must be good even where none is needed, so that a mistake shows early.
    ///
    /// # Errors
    /// See [`IngestDenied`].
    pub async fn authorize_ingest(
        &self,
        peer: Option<IpAddr>,
        bearer: Option<&str>,
    ) -> Result<IngestClient, IngestDenied> {
        let Some(bearer) = bearer else {
            let is_free = free(self.ingest(), peer);
            return if is_free { Ok(IngestClient::default()) } else { Err(IngestDenied::NoKey) };
        };
        let key = self.key(bearer).await.map_err(IngestDenied::Unavailable)?;
        let key = key.ok_or(IngestDenied::BadKey)?;
        if !key.scopes.contains(&KeyScope::Ingest) {
            return Err(IngestDenied::WrongScope);
        }
        Ok(IngestClient { key: Some(key) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an exemption that reaches beyond this machine, or that cannot be turned off.
    #[test]
    fn only_this_machine_is_free_unless_configured() {
        let peer = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let usual = IngestConfig::default();
        assert!(free(&usual, peer("127.0.0.1")));
        assert!(free(&usual, peer("127.9.9.9")));
        assert!(free(&usual, peer("::1")));
        assert!(free(&usual, peer("::ffff:127.0.0.1")));
        assert!(!free(&usual, peer("10.0.0.1")));
        assert!(!free(&usual, peer("::ffff:10.0.0.1")));
        assert!(!free(&usual, None), "passed through a proxy");
        let strict = IngestConfig { loopback_without_key: false, ..IngestConfig::default() };
        assert!(!free(&strict, peer("127.0.0.1")));
        let open = IngestConfig { open: true, ..IngestConfig::default() };
        assert!(free(&open, peer("10.0.0.1")));
        assert!(free(&open, None));
    }
}
