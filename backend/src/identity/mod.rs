//! Who may do what: people, sessions, API keys.
//!
//! [`password`] proves who somebody is, within the limits of [`attempts`]. [`session`] remembers it:
//! a short-lived access token ([`token`]) and a refresh token that is replaced at each use.
//! [`api_key`] is the same for machines. [`extract`] turns a request into a [`role::Principal`] or
//! refuses it, and `http*` are the operations that people call. [`account`] manages people, for the
//! API and the command line alike.

pub mod account;
pub mod api_key;
pub mod attempts;
pub mod extract;
pub mod http;
mod http_auth;
mod http_docs;
mod http_keys;
mod http_users;
pub mod ingest;
pub mod origin;
pub mod password;
pub mod role;
pub mod secret;
pub mod session;
mod store_attempts;
mod store_keys;
mod store_sessions;
mod store_users;
pub mod token;

use std::sync::Arc;

use anyhow::Context;

use crate::config::{AuthConfig, Config, IngestConfig};
use crate::store::Store;

pub use account::{add_user, set_password};
pub use api_key::add_key;
pub use http::routes;
pub use ingest::IngestDenied;

/// Everything that answers "who is this and may they": shared by all workers, cheap to clone.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    auth: AuthConfig,
    ingest: IngestConfig,
    passwords: password::Checker,
    signer: token::Signer,
    keys: api_key::Cache,
}

impl Identity {
    /// Reads the secrets that the servers of this database share, or makes them.
    ///
    /// # Errors
    /// If the database cannot be reached or is not migrated.
    pub async fn new(store: Store, config: &Config) -> anyhow::Result<Self> {
        let access = store_sessions::server_secret(&store.pool, "access_token").await;
        let derive = store_sessions::server_secret(&store.pool, "session_derivation").await;
        let signer = token::Signer::new(
            &access.context("reading the server's secrets")?,
            &derive.context("reading the server's secrets")?,
        );
        let inner = Inner {
            store,
            auth: config.auth.clone(),
            ingest: config.ingest.clone(),
            passwords: password::Checker::new().await?,
            signer,
            keys: api_key::Cache::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A secret of that name that the servers of this database share; the first one to ask makes it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn server_secret(&self, name: &str) -> anyhow::Result<[u8; 32]> {
        let secret = store_sessions::server_secret(&self.store().pool, name).await;
        secret.context("reading the server's secrets")
    }

    /// Makes the account `admin` if there is no account at all. Says whether it did: of two servers
    /// that start at once, one does.
    ///
    /// # Errors
    /// If the password is not acceptable or the database fails.
    pub async fn create_first_admin(&self, password: &str) -> anyhow::Result<bool> {
        account::create_first_admin(self.store(), password).await
    }

    fn store(&self) -> &Store {
        &self.inner.store
    }

    fn auth(&self) -> &AuthConfig {
        &self.inner.auth
    }

    fn ingest(&self) -> &IngestConfig {
        &self.inner.ingest
    }

    fn passwords(&self) -> &password::Checker {
        &self.inner.passwords
    }

    fn signer(&self) -> &token::Signer {
        &self.inner.signer
    }

    fn keys(&self) -> &api_key::Cache {
        &self.inner.keys
    }
}
