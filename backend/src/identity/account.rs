//! Managing people: for the API and for the command line.

use anyhow::Context;
use spanloom_model::api::{Role, User, UserChange};
use sqlx::Connection;
use uuid::Uuid;

use super::password::CheckError;
use super::{Identity, password, store_sessions, store_users};
use crate::store::{Store, begin};

/// The account that is made first.
const FIRST_ADMIN: &str = "admin";

/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 64;

/// Why an account was not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A field is not acceptable: its name and why.
    #[error("{0} {1}")]
    Invalid(&'static str, String),
    /// Somebody has this name.
    #[error("the name {0:?} is taken")]
    NameTaken(String),
    /// There is no such account.
    #[error("no such user")]
    NotFound,
    /// Not against oneself, or not with the last administrator; says what.
    #[error("{0}")]
    Refused(&'static str),
    /// Too many passwords are being hashed.
    #[error("too many passwords are being hashed")]
    Busy,
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<sqlx::Error> for AccountError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<CheckError> for AccountError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Busy => Self::Busy,
            CheckError::Internal(error) => Self::Internal(error),
        }
    }
}

const LAST_ADMIN: &str = "this is the last administrator who can log in";

fn check_name(username: &str) -> Result<(), AccountError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
    if (1..=NAME_CHARS_MAX).contains(&username.len()) && username.bytes().all(allowed) {
        return Ok(());
    }
    let message = format!("must have 1 to {NAME_CHARS_MAX} of A-Z, a-z, 0-9, '.', '_', '-' and '@'");
    Err(AccountError::Invalid("username", message))
}

fn check_password(password: &str) -> Result<(), AccountError> {
    match password::policy_violation(password) {
        None => Ok(()),
        Some(reason) => Err(AccountError::Invalid("password", reason)),
    }
}

async fn insert(store: &Store, username: &str, hash: &str, role: Role) -> Result<User, AccountError> {
    let mut transaction = begin(&store.pool).await?;
    store_users::lock(&mut transaction).await?;
    if store_users::count(&mut transaction).await? >= store_users::USERS_MAX {
        return Err(AccountError::Refused("there are too many users"));
    }
    let user = store_users::insert(&mut transaction, username, hash, role).await?;
    let user = user.ok_or_else(|| AccountError::NameTaken(username.to_owned()))?;
    transaction.commit().await?;
    Ok(user)
}

/// Adds a person on the command line.
///
/// # Errors
/// If the name or password is not acceptable, the name is taken, or the database fails.
pub async fn add_user(
    store: &Store,
    username: &str,
    role: Role,
    password: &str,
) -> Result<User, AccountError> {
    check_name(username)?;
    check_password(password)?;
    insert(store, username, &password::hash(password).await?, role).await
}

/// Sets a person's password on the command line and ends all of the person's sessions.
///
/// # Errors
/// If there is no such person, the password is not acceptable, or the database fails.
pub async fn set_password(store: &Store, username: &str, password: &str) -> Result<(), AccountError> {
    check_password(password)?;
    let hash = password::hash(password).await?;
    let known = store_users::with_hash(&store.pool, username).await?;
    let (user, _) = known.ok_or(AccountError::NotFound)?;
    let mut transaction = begin(&store.pool).await?;
    store_users::set_hash(&mut transaction, user.id, &hash).await?;
    store_sessions::end_all(&mut transaction, user.id, None).await?;
    transaction.commit().await?;
    Ok(())
}

/// See [`Identity::create_first_admin`].
pub(super) async fn create_first_admin(store: &Store, password: &str) -> anyhow::Result<bool> {
    let mut connection = store.pool.acquire().await?;
    // Without a lock first: at every later start the answer is at hand and hashing is not needed.
    if store_users::count(&mut connection).await? > 0 {
        return Ok(false);
    }
    check_password(password).context("the first administrator's password")?;
    let hash = password::hash(password).await?;
    let mut transaction = connection.begin().await?;
    store_users::lock(&mut transaction).await?;
    if store_users::count(&mut transaction).await? > 0 {
        return Ok(false);
    }
    store_users::insert(&mut transaction, FIRST_ADMIN, &hash, Role::Admin).await?;
    transaction.commit().await?;
    Ok(true)
}

impl Identity {
    /// All people by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn users(&self) -> sqlx::Result<Vec<User>> {
        store_users::list(&self.store().pool).await
    }

    /// Adds a person.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn create_user(
        &self,
        username: &str,
        password: &str,
        role: Role,
    ) -> Result<User, AccountError> {
        check_name(username)?;
        check_password(password)?;
        let hash = self.passwords().hash(password).await?;
        insert(self.store(), username, &hash, role).await
    }

    /// Changes a person's account on behalf of `actor`. A new password and shutting the account end
    /// its sessions.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn change_user(
        &self,
        actor: Uuid,
        id: Uuid,
        change: UserChange,
    ) -> Result<User, AccountError> {
        if actor == id && change.disabled == Some(true) {
            return Err(AccountError::Refused("nobody shuts their own account"));
        }
        if actor == id && change.password.is_some() {
            // Whoever got hold of an open session must not be able to keep it.
            return Err(AccountError::Refused("change your own password with POST /api/v1/auth/password"));
        }
        let hash = match &change.password {
            None => None,
            Some(password) => {
                check_password(password)?;
                Some(self.passwords().hash(password).await?)
            }
        };
        let mut transaction = begin(&self.store().pool).await?;
        store_users::lock(&mut transaction).await?;
        let before = store_users::by_id(&mut transaction, id).await?.ok_or(AccountError::NotFound)?;
        let after = User {
            role: change.role.unwrap_or(before.role),
            disabled: change.disabled.unwrap_or(before.disabled),
            ..before.clone()
        };
        if is_active_admin(&before)
            && !is_active_admin(&after)
            && store_users::other_admins(&mut transaction, id).await? == 0
        {
            return Err(AccountError::Refused(LAST_ADMIN));
        }
        store_users::update(&mut transaction, id, after.role, after.disabled).await?;
        if let Some(hash) = &hash {
            store_users::set_hash(&mut transaction, id, hash).await?;
        }
        if hash.is_some() || after.disabled {
            store_sessions::end_all(&mut transaction, id, None).await?;
        }
        transaction.commit().await?;
        Ok(after)
    }

    /// Removes a person on behalf of `actor`. The person's keys stay: machines use them.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn delete_user(&self, actor: Uuid, id: Uuid) -> Result<(), AccountError> {
        if actor == id {
            return Err(AccountError::Refused("nobody removes their own account"));
        }
        let mut transaction = begin(&self.store().pool).await?;
        store_users::lock(&mut transaction).await?;
        let user = store_users::by_id(&mut transaction, id).await?.ok_or(AccountError::NotFound)?;
        if is_active_admin(&user) && store_users::other_admins(&mut transaction, id).await? == 0 {
            return Err(AccountError::Refused(LAST_ADMIN));
        }
        store_users::delete(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn is_active_admin(user: &User) -> bool {
    user.role == Role::Admin && !user.disabled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches names that the database refuses (a 500 instead of a 400) or that look like others.
    #[test]
    fn names() {
        for good in ["a", "Jane.Doe-2_x@example.com", &"a".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", " a", "a b", "аdmin", "a\n", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
