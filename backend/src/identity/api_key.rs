//! API keys: `slk_` and 256 random bits, kept as SHA-256.
//!
//! Receiving spans checks a key at every request, so a good one is remembered for a few seconds;
//! that long a key that another server revokes goes on working. While the database is away, keys that
//! were good an hour ago still are: spans can be queued, and must not be lost for want of a look-up. When a key was last used is written
//! beside the request, at most once a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::Utc;
use spanloom_model::api::{ApiKey, ApiKeyCreated, KeyScope};
use uuid::Uuid;

use super::secret::{self, Secret};
use super::{Identity, store_keys};
use crate::store::Store;

/// What every key starts with, so that scanners for leaked secrets find it.
pub const KEY_PREFIX: &str = "slk_";

/// Characters that are shown in lists.
const SHOWN_CHARS: usize = 12;
/// How long a good key is remembered.
const REMEMBERED: Duration = Duration::from_secs(3);
/// How long a good key is believed while the database is away.
const BELIEVED: Duration = Duration::from_hours(1);
/// Keys remembered at most.
const REMEMBERED_MAX: usize = 4_096;
/// A last use older than this is written anew.
const TOUCH_AFTER: chrono::Duration = chrono::Duration::minutes(1);
/// Characters of a key's name at most.
const NAME_CHARS_MAX: usize = 100;

/// A key that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The key's identifier.
    pub id: Uuid,
    /// What the key is for.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<KeyScope>,
}

/// Good keys by hash.
#[derive(Default)]
pub(super) struct Cache {
    keys: Mutex<HashMap<[u8; 32], Entry>>,
}

struct Entry {
    key: KnownKey,
    /// When the database said that it is good.
    confirmed: Instant,
    /// When it was last looked up, or that failed.
    asked: Instant,
}

impl Cache {
    fn keys(&self) -> MutexGuard<'_, HashMap<[u8; 32], Entry>> {
        // A panic while it was held cannot leave a map half-changed.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, hash: &[u8; 32], now: Instant) -> Option<KnownKey> {
        let keys = self.keys();
        let entry = keys.get(hash)?;
        (now.duration_since(entry.asked) < REMEMBERED).then(|| entry.key.clone())
    }

    /// What to believe when the database cannot be asked; it is not asked again for some seconds.
    fn believe(&self, hash: &[u8; 32], now: Instant) -> Option<KnownKey> {
        let mut keys = self.keys();
        let entry = keys.get_mut(hash)?;
        entry.asked = now;
        (now.duration_since(entry.confirmed) < BELIEVED).then(|| entry.key.clone())
    }

    fn insert(&self, hash: [u8; 32], key: KnownKey, now: Instant) {
        let mut keys = self.keys();
        if keys.len() >= REMEMBERED_MAX {
            keys.retain(|_, entry| now.duration_since(entry.asked) < REMEMBERED);
        }
        if keys.len() >= REMEMBERED_MAX {
            keys.clear();
        }
        keys.insert(hash, Entry { key, confirmed: now, asked: now });
    }

    fn forget(&self, id: Uuid) {
        self.keys().retain(|_, entry| entry.key.id != id);
    }

    fn forget_hash(&self, hash: &[u8; 32]) {
        self.keys().remove(hash);
    }
}

/// What is wrong with a name or scopes: field and message.
pub(super) fn violations(name: &str, scopes: &[KeyScope]) -> Vec<(&'static str, String)> {
    let mut violations = Vec::new();
    let chars = name.trim().chars().take(NAME_CHARS_MAX + 1).count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) || name.chars().any(char::is_control) {
        violations.push(("name", format!("must have 1 to {NAME_CHARS_MAX} printable characters")));
    }
    if scopes.is_empty() {
        violations.push(("scopes", "must name at least one of ingest, read".to_owned()));
    }
    violations
}

/// Makes a key; none if there are too many. The name and scopes must have no [`violations`].
pub(super) async fn create(
    store: &Store,
    name: &str,
    scopes: &[KeyScope],
    created_by: Option<&str>,
) -> sqlx::Result<Option<ApiKeyCreated>> {
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    let secret = Secret::random(KEY_PREFIX);
    let shown = &secret.expose()[..SHOWN_CHARS];
    let key =
        store_keys::insert(&store.pool, name.trim(), &scopes, &secret.hash(), shown, created_by).await?;
    Ok(key.map(|key| ApiKeyCreated { key, secret: secret.expose().to_owned() }))
}

/// Makes a key on the command line. Returns the key itself, which is not shown again.
///
/// # Errors
/// If the name or scopes are not acceptable, there are too many keys, or the database fails.
pub async fn add_key(store: &Store, name: &str, scopes: &[KeyScope]) -> anyhow::Result<String> {
    if let Some((field, message)) = violations(name, scopes).into_iter().next() {
        anyhow::bail!("{field} {message}");
    }
    let created = create(store, name, scopes, None).await?;
    Ok(created.context("too many API keys are in force: revoke some first")?.secret)
}

impl Identity {
    /// The key in force that was presented; none if it is not one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn key(&self, presented: &str) -> sqlx::Result<Option<KnownKey>> {
        let Some(random) = presented.strip_prefix(KEY_PREFIX) else { return Ok(None) };
        if !secret::is_encoded(random) {
            return Ok(None);
        }
        let hash = secret::sha256(presented.as_bytes());
        if let Some(key) = self.keys().get(&hash, Instant::now()) {
            return Ok(Some(key));
        }
        let asked_at = Instant::now();
        let key = match store_keys::by_hash(&self.store().pool, &hash).await {
            Ok(Some(key)) => key,
            Ok(None) => {
                self.keys().forget_hash(&hash);
                return Ok(None);
            }
            Err(error) => return self.keys().believe(&hash, Instant::now()).map(Some).ok_or(error),
        };
        self.touch(&key);
        let known = KnownKey { id: key.id, name: key.name, scopes: key.scopes };
        self.keys().insert(hash, known.clone(), asked_at);
        Ok(Some(known))
    }

    /// Notes the use beside the request. Happens only when a key is looked up, every few seconds.
    fn touch(&self, key: &ApiKey) {
        if key.last_used_at.is_some_and(|at| Utc::now() - at < TOUCH_AFTER) {
            return;
        }
        let (pool, id) = (self.store().pool.clone(), key.id);
        tokio::spawn(async move {
            if let Err(error) = store_keys::touch(&pool, id).await {
                tracing::warn!(key = %id, %error, "the last use of an API key was not noted");
            }
        });
    }

    /// Revokes a key; at once on this server, within seconds on others. False if there is none.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_key(&self, id: Uuid) -> sqlx::Result<bool> {
        let known = store_keys::revoke(&self.store().pool, id).await?;
        self.keys().forget(id);
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: Uuid) -> KnownKey {
        KnownKey { id, name: "test".to_owned(), scopes: vec![KeyScope::Ingest] }
    }

    /// Catches a memory that never forgets: a revoked key would work for ever.
    #[test]
    fn cache_forgets_after_seconds_and_on_revocation() {
        let (cache, now, id) = (Cache::default(), Instant::now(), Uuid::new_v4());
        cache.insert([1; 32], known(id), now);
        assert_eq!(cache.get(&[1; 32], now + Duration::from_secs(2)), Some(known(id)));
        assert_eq!(cache.get(&[1; 32], now + REMEMBERED), None);
        assert_eq!(cache.get(&[2; 32], now), None);
        cache.forget(id);
        assert_eq!(cache.get(&[1; 32], now), None);
    }

    /// Catches spans that are refused because the database is away, and a key that is believed for ever.
    #[test]
    fn a_key_is_believed_for_an_hour_while_nobody_can_be_asked() {
        let (cache, now, id) = (Cache::default(), Instant::now(), Uuid::new_v4());
        cache.insert([1; 32], known(id), now);
        let later = now + Duration::from_mins(30);
        assert_eq!(cache.get(&[1; 32], later), None, "the database is asked first");
        assert_eq!(cache.believe(&[1; 32], later), Some(known(id)));
        assert_eq!(cache.get(&[1; 32], later + Duration::from_secs(1)), Some(known(id)));
        assert_eq!(cache.believe(&[1; 32], now + BELIEVED), None);
        assert_eq!(cache.believe(&[2; 32], now), None);
        cache.forget_hash(&[1; 32]);
        assert_eq!(cache.believe(&[1; 32], later), None, "revoked");
    }

    /// Catches a memory that grows without bound.
    #[test]
    fn cache_is_bounded() {
        let (cache, now) = (Cache::default(), Instant::now());
        for number in 0..=REMEMBERED_MAX * 2 {
            cache.insert(secret::sha256(&number.to_le_bytes()), known(Uuid::new_v4()), now);
            assert!(cache.keys().len() <= REMEMBERED_MAX);
        }
    }

    /// Catches limits on bytes, blank names, and keys good for nothing.
    #[test]
    fn names_and_scopes() {
        let fields = |name: &str, scopes: &[KeyScope]| -> Vec<&str> {
            violations(name, scopes).into_iter().map(|(field, _)| field).collect()
        };
        assert!(fields(&"ä".repeat(100), &[KeyScope::Read]).is_empty());
        assert_eq!(fields(&"a".repeat(101), &[KeyScope::Read]), ["name"]);
        assert_eq!(fields("a\nb", &[KeyScope::Read]), ["name"]);
        assert_eq!(fields("  ", &[]), ["name", "scopes"]);
    }
}
