//! Limits on failed log-ins, per account and per address.
//!
//! They are kept in the database, so that they hold for all servers and over restarts. A window
//! starts with its first failure and ends by itself; attempts that are refused do not prolong it, so
//! nobody is locked out for longer than one window per round of wrong guesses. Accounts that do not
//! exist are counted like those that do.

use std::net::IpAddr;

use super::{Identity, origin, secret, store_attempts};

/// An address may fail this many times as often as an account: people share addresses.
const ADDRESS_FACTOR: i64 = 10;

/// An attempt that was counted as failed in advance.
pub(super) struct Attempt {
    address: Subject,
    account: Subject,
}

/// Too many failures; the window ends in so many seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooMany {
    pub(super) retry_after_seconds: u64,
}

type Subject = [u8; 32];

fn account_subject(username: &str) -> Subject {
    secret::sha256(format!("account:{}", username.to_ascii_lowercase()).as_bytes())
}

fn address_subject(address: IpAddr) -> Subject {
    secret::sha256(format!("address:{}", origin::network(address)).as_bytes())
}

impl Identity {
    /// Counts an attempt before the password is looked at.
    pub(super) async fn begin_attempt(
        &self,
        username: &str,
        address: IpAddr,
    ) -> sqlx::Result<Result<Attempt, TooMany>> {
        let account_max = i64::from(self.auth().attempts_max);
        let attempt = Attempt { address: address_subject(address), account: account_subject(username) };
        store_attempts::purge(&self.store().pool, self.window_seconds()).await?;
        // The address first: once it is refused, it cannot fill the table with names.
        if let Err(refused) = self.reserve(&attempt.address, account_max * ADDRESS_FACTOR).await? {
            return Ok(Err(refused));
        }
        if let Err(refused) = self.reserve(&attempt.account, account_max).await? {
            // One who insists must not shut out everybody at the same address.
            store_attempts::refund(&self.store().pool, &attempt.address).await?;
            return Ok(Err(refused));
        }
        Ok(Ok(attempt))
    }

    async fn reserve(&self, subject: &Subject, failures_max: i64) -> sqlx::Result<Result<(), TooMany>> {
        let (pool, window_seconds) = (&self.store().pool, self.window_seconds());
        if store_attempts::reserve(pool, subject, failures_max, window_seconds).await? {
            return Ok(Ok(()));
        }
        let retry_after_seconds =
            store_attempts::retry_after_seconds(pool, subject, window_seconds).await?;
        Ok(Err(TooMany { retry_after_seconds }))
    }

    fn window_seconds(&self) -> i64 {
        i64::from(self.auth().attempts_window_minutes) * 60
    }

    /// The password was right: the account's failures are forgotten. The address gets back only this
    /// attempt, or else one known password would buy it unlimited guesses at other accounts.
    pub(super) async fn attempt_succeeded(&self, attempt: &Attempt) -> sqlx::Result<()> {
        store_attempts::clear(&self.store().pool, &attempt.account).await?;
        store_attempts::refund(&self.store().pool, &attempt.address).await
    }

    /// The password was not looked at after all.
    pub(super) async fn attempt_abandoned(&self, attempt: &Attempt) -> sqlx::Result<()> {
        store_attempts::refund(&self.store().pool, &attempt.account).await?;
        store_attempts::refund(&self.store().pool, &attempt.address).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a limit that "Admin", "ADMIN" and "admin" each get anew, though they are one account,
    /// and an account named like an address that shares its counter.
    #[test]
    fn subjects() {
        assert_eq!(account_subject("Admin"), account_subject("aDMIN"));
        assert_ne!(account_subject("a"), account_subject("b"));
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_ne!(account_subject("192.0.2.1"), address_subject(address));
    }
}
