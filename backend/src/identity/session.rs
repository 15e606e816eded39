//! Sessions: log in, stay logged in, log out.
//!
//! A session is a family of refresh tokens, each made from the one before and good for one use. If a
//! token is used a second time, somebody has a copy of it, and the whole session ends. Two tabs that
//! refresh at the same moment are no thieves: for [`GRACE_SECONDS`] the used token leads to the same
//! successor, so that the session goes on with one token and never branches.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use spanloom_model::api::User;
use uuid::Uuid;

use super::attempts::TooMany;
use super::password::CheckError;
use super::secret::Secret;
use super::token::{Claims, from_seconds};
use super::{Identity, password, secret, store_sessions, store_users};
use crate::store::begin;

/// How long a used refresh token still leads to its successor.
const GRACE_SECONDS: f64 = 10.0;

/// Successors that are followed within the grace: a browser does not refresh more often than that.
const SUCCESSORS_MAX: usize = 8;

/// A session that was just opened or renewed, with its tokens in plain text.
#[derive(Debug)]
pub struct OpenSession {
    /// Who is logged in.
    pub user: User,
    /// The access token.
    pub access: Secret,
    /// When the access token ends.
    pub access_expires_at: DateTime<Utc>,
    /// The refresh token.
    pub refresh: Secret,
    /// What requests that change something repeat in a header.
    pub csrf: String,
}

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such account, a wrong password, or an account that is shut: nobody is told which.
    #[error("wrong user name or password")]
    Wrong,
    /// Too many failures of this account or address.
    #[error("too many failed log-ins")]
    TooMany {
        /// When the failures are forgotten.
        retry_after_seconds: u64,
    },
    /// Too many log-ins at the same time.
    #[error("too many log-ins at the same time")]
    Busy,
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<sqlx::Error> for LoginError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Why a person's password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordChangeError {
    /// The new password is not acceptable; says why.
    #[error("{0}")]
    Policy(String),
    /// The current password was not proven.
    #[error(transparent)]
    Current(#[from] LoginError),
}

impl Identity {
    /// Opens a session for whoever knows the password. `address` is held responsible for failures.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn log_in(
        &self,
        username: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<OpenSession, LoginError> {
        let (user, hash) = self.prove(username, password, address).await?;
        let first = Secret::random("");
        let mut transaction = begin(&self.store().pool).await?;
        let idle_days = self.auth().refresh_days;
        let session = store_sessions::open(&mut transaction, user.id, &hash, idle_days).await?;
        let session = session.ok_or(LoginError::Wrong)?;
        store_sessions::add_token(&mut transaction, session, &first.hash()).await?;
        transaction.commit().await?;
        Ok(self.issue(user, session, first)?)
    }

    /// The account whose password this is, within the limits on failures.
    async fn prove(
        &self,
        username: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<(User, String), LoginError> {
        let attempt = match self.begin_attempt(username, address).await? {
            Ok(attempt) => attempt,
            Err(TooMany { retry_after_seconds }) => {
                return Err(LoginError::TooMany { retry_after_seconds });
            }
        };
        let known = store_users::with_hash(&self.store().pool, username).await?;
        let hash = known.as_ref().map(|(_, hash)| hash.as_str());
        let right = match self.passwords().verify(password, hash).await {
            Ok(right) => right,
            Err(CheckError::Busy) => {
                self.attempt_abandoned(&attempt).await?;
                return Err(LoginError::Busy);
            }
            Err(CheckError::Internal(error)) => return Err(error.into()),
        };
        match known {
            Some((user, hash)) if right && !user.disabled => {
                self.attempt_succeeded(&attempt).await?;
                Ok((user, hash))
            }
            _ => Err(LoginError::Wrong),
        }
    }

    /// Exchanges a refresh token for its successor and a new access token. None if the token is
    /// unknown, its session has ended, or it is used a second time, which ends the session.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn refresh(&self, presented: &Secret) -> anyhow::Result<Option<OpenSession>> {
        if !secret::is_encoded(presented.expose()) {
            return Ok(None);
        }
        let mut transaction = begin(&self.store().pool).await?;
        let Some((session, user)) =
            store_sessions::lock_by_token(&mut transaction, &presented.hash()).await?
        else {
            return Ok(None);
        };
        let mut token = presented.clone();
        for _ in 0..=SUCCESSORS_MAX {
            let age_seconds = store_sessions::token_age(&mut transaction, &token.hash()).await?;
            match age_seconds {
                // In force. If it is the presented one, it is used up now.
                Some(None) => {
                    if token == *presented {
                        token = self.signer().refresh_successor(presented);
                        let idle_days = self.auth().refresh_days;
                        store_sessions::use_token(&mut transaction, session, &presented.hash(), idle_days)
                            .await?;
                        store_sessions::add_token(&mut transaction, session, &token.hash()).await?;
                    }
                    transaction.commit().await?;
                    return Ok(Some(self.issue(user, session, token)?));
                }
                Some(Some(age_seconds)) if age_seconds <= GRACE_SECONDS => {
                    token = self.signer().refresh_successor(&token);
                }
                // Used too long ago, or the chain was made under another secret.
                _ => break,
            }
        }
        store_sessions::end(&mut transaction, session).await?;
        transaction.commit().await?;
        tracing::warn!(user = %user.id, %session, "a refresh token was used twice: its session was ended");
        Ok(None)
    }

    fn issue(&self, user: User, session: Uuid, refresh: Secret) -> anyhow::Result<OpenSession> {
        let iat = Utc::now().timestamp();
        let exp = iat + i64::from(self.auth().access_minutes) * 60;
        let access =
            self.signer().sign(&Claims { sub: user.id, role: user.role, sid: session, exp, iat })?;
        let csrf = self.signer().csrf(session);
        Ok(OpenSession { user, access, access_expires_at: from_seconds(exp), refresh, csrf })
    }

    /// Who an access token belongs to, and the session. None if it is not ours or has ended, or if
    /// the session or the account has: that is asked of the database each time, by primary key, so
    /// that logging out and shutting an account work at once on all servers.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn person(&self, access_token: &str) -> sqlx::Result<Option<(User, Uuid)>> {
        let Some(claims) = self.signer().verify(access_token) else { return Ok(None) };
        let user = store_sessions::user(&self.store().pool, claims.sid, claims.sub).await?;
        Ok(user.map(|user| (user, claims.sid)))
    }

    /// Ends the session that the tokens belong to, whichever of them are there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn log_out(&self, access: Option<&str>, refresh: Option<&Secret>) -> sqlx::Result<()> {
        if let Some(refresh) = refresh {
            store_sessions::end_by_token(&self.store().pool, &refresh.hash()).await?;
        }
        if let Some(claims) = access.and_then(|token| self.signer().verify(token)) {
            let mut connection = self.store().pool.acquire().await?;
            store_sessions::end(&mut connection, claims.sid).await?;
        }
        Ok(())
    }

    /// Changes a person's own password and ends the person's other sessions.
    ///
    /// # Errors
    /// See [`PasswordChangeError`]; wrong guesses at the current password count as failed log-ins.
    pub async fn change_password(
        &self,
        user: &User,
        session: Uuid,
        current: &str,
        new: &str,
        address: IpAddr,
    ) -> Result<(), PasswordChangeError> {
        if let Some(reason) = password::policy_violation(new) {
            return Err(PasswordChangeError::Policy(reason));
        }
        let (_, checked) = self.prove(&user.username, current, address).await?;
        let new = match self.passwords().hash(new).await {
            Ok(new) => new,
            Err(CheckError::Busy) => return Err(LoginError::Busy.into()),
            Err(CheckError::Internal(error)) => return Err(LoginError::Internal(error).into()),
        };
        self.replace_password(user.id, session, &checked, &new).await?;
        Ok(())
    }

    async fn replace_password(
        &self,
        user: Uuid,
        session: Uuid,
        checked: &str,
        new: &str,
    ) -> Result<(), LoginError> {
        let mut transaction = begin(&self.store().pool).await?;
        if !store_users::replace_hash(&mut transaction, user, checked, new).await? {
            // Somebody else changed it since the check.
            return Err(LoginError::Wrong);
        }
        store_sessions::end_all(&mut transaction, user, Some(session)).await?;
        transaction.commit().await?;
        Ok(())
    }
}
