//! Access tokens (JWT, HS256) and what is derived from a session: refresh tokens and CSRF tokens.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use spanloom_model::api::Role;
use uuid::Uuid;

use super::secret::{self, Secret};

/// What an access token says. The database has the last word about the session and the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The person's identifier.
    pub sub: Uuid,
    /// The person's role when the token was made.
    pub role: Role,
    /// The session's identifier.
    pub sid: Uuid,
    /// Seconds since the epoch at which the token ends.
    pub exp: i64,
    /// Seconds since the epoch at which the token was made.
    pub iat: i64,
}

/// Makes and checks tokens with the secrets that the servers share.
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    derivation: [u8; 32],
}

impl Signer {
    /// A signer with the key of the access tokens and the key of everything derived.
    pub fn new(access: &[u8; 32], derivation: &[u8; 32]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The servers of one database are expected to agree on the time better than a browser's
        // refresh needs; a leeway would only lengthen every token.
        validation.leeway = 0;
        Self {
            encoding: EncodingKey::from_secret(access),
            decoding: DecodingKey::from_secret(access),
            validation,
            derivation: *derivation,
        }
    }

    /// The signed token.
    ///
    /// # Errors
    /// If the claims cannot be serialised, which does not happen.
    pub fn sign(&self, claims: &Claims) -> anyhow::Result<Secret> {
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)?;
        Ok(Secret::new(token))
    }

    /// The claims of a token that is ours and has not ended.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        jsonwebtoken::decode(token, &self.decoding, &self.validation).ok().map(|data| data.claims)
    }

    /// The refresh token that follows `previous`: always the same one, so that two tabs that refresh
    /// at once continue with one token, and unguessable without our secret.
    pub fn refresh_successor(&self, previous: &Secret) -> Secret {
        Secret::new(self.derive("refresh", previous.expose().as_bytes()))
    }

    /// The CSRF token of a session. Bound to the session, so that a cookie planted from a
    /// neighbouring domain does not fit.
    pub fn csrf(&self, session: Uuid) -> String {
        self.derive("csrf", session.as_bytes())
    }

    fn derive(&self, purpose: &str, input: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.derivation).expect("a key of 32 bytes");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(input);
        secret::encode(&mac.finalize().into_bytes())
    }
}

/// Seconds since the epoch as a time.
pub fn from_seconds(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(expires_in: i64) -> Claims {
        let now = Utc::now().timestamp();
        Claims {
            sub: Uuid::new_v4(),
            role: Role::Editor,
            sid: Uuid::new_v4(),
            exp: now + expires_in,
            iat: now,
        }
    }

    /// Catches a validation that is too lax (ended, foreign key, changed, `alg: none`) or too strict.
    #[test]
    fn accepts_only_our_tokens_in_their_time() {
        let signer = Signer::new(&[1; 32], &[2; 32]);
        let good = claims(60);
        let token = signer.sign(&good).unwrap();
        assert_eq!(signer.verify(token.expose()), Some(good.clone()));

        let ended = signer.sign(&claims(-1)).unwrap();
        assert_eq!(signer.verify(ended.expose()), None, "ended one second ago");

        let foreign = Signer::new(&[3; 32], &[2; 32]).sign(&good).unwrap();
        assert_eq!(signer.verify(foreign.expose()), None);

        let parts: Vec<&str> = token.expose().split('.').collect();
        let none = secret::encode(br#"{"alg":"none","typ":"JWT"}"#);
        assert_eq!(signer.verify(&format!("{none}.{}.", parts[1])), None);
        let admin = Claims { role: Role::Admin, ..good };
        let forged = secret::encode(&serde_json::to_vec(&admin).unwrap());
        assert_eq!(signer.verify(&format!("{}.{forged}.{}", parts[0], parts[2])), None);
    }

    /// Catches a derivation that ignores its input, its purpose or its key.
    #[test]
    fn derived_tokens_depend_on_key_purpose_and_input() {
        let signer = Signer::new(&[1; 32], &[2; 32]);
        let other = Signer::new(&[1; 32], &[9; 32]);
        let session = Uuid::new_v4();
        assert_eq!(signer.csrf(session), signer.csrf(session));
        assert_ne!(signer.csrf(session), signer.csrf(Uuid::new_v4()));
        assert_ne!(signer.csrf(session), other.csrf(session));
        let first = Secret::random("");
        let next = signer.refresh_successor(&first);
        assert!(secret::is_encoded(next.expose()));
        assert_eq!(next, signer.refresh_successor(&first));
        assert_ne!(next, other.refresh_successor(&first));
        assert_ne!(next, signer.refresh_successor(&next));
    }
}
