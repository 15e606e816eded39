//! The groups of a metric: numbers instead of labels, and no more than the definition allows.
//!
//! Rows are only added, each statement on its own, as with other dimensions: one that no span needs in
//! the end does no harm.

use foldhash::HashMap;
use sqlx::PgPool;

use crate::store::begin;

/// The group of everything that came when there were as many as there may be.
pub const OTHER: i32 = 0;

/// The groups of one version that are known here.
#[derive(Debug, Default)]
pub struct Groups {
    ids: HashMap<Vec<String>, i32>,
    /// Whether there are as many as there may be, and all are known.
    is_full: bool,
}

impl Groups {
    /// The ids of these labels, in order; adds what is new as long as there is room. None if the version
    /// was deleted.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn resolve(
        &mut self,
        pool: &PgPool,
        version: i32,
        groups_max: u32,
        wanted: &[Vec<String>],
    ) -> sqlx::Result<Option<Vec<i32>>> {
        let missing = wanted.iter().filter(|labels| !self.ids.contains_key(*labels));
        let missing: Vec<&Vec<String>> = missing.collect();
        if !self.is_full && !missing.is_empty() && !self.add(pool, version, groups_max, &missing).await? {
            return Ok(None);
        }
        let id = |labels| self.ids.get(labels).copied().unwrap_or(OTHER);
        Ok(Some(wanted.iter().map(id).collect()))
    }

    /// False if there is no such version.
    async fn add(
        &mut self,
        pool: &PgPool,
        version: i32,
        groups_max: u32,
        missing: &[&Vec<String>],
    ) -> sqlx::Result<bool> {
        let mut transaction = begin(pool).await?;
        // One after the other, so that two that add at once do not add more than there is room for.
        let found: Option<i32> =
            sqlx::query_scalar("SELECT id FROM custom_metric_versions WHERE id = $1 FOR NO KEY UPDATE")
                .bind(version)
                .fetch_optional(&mut *transaction)
                .await?;
        if found.is_none() {
            return Ok(false);
        }
        let rows: Vec<(i32, Vec<String>)> =
            sqlx::query_as("SELECT id, labels FROM custom_metric_groups WHERE version_id = $1")
                .bind(version)
                .fetch_all(&mut *transaction)
                .await?;
        self.ids = rows.into_iter().map(|(id, labels)| (labels, id)).collect();
        for labels in missing {
            if self.ids.len() >= groups_max as usize {
                break;
            }
            if self.ids.contains_key(*labels) {
                continue;
            }
            let id: i32 = sqlx::query_scalar(
                "INSERT INTO custom_metric_groups (version_id, labels) VALUES ($1, $2) RETURNING id",
            )
            .bind(version)
            .bind(*labels)
            .fetch_one(&mut *transaction)
            .await?;
            self.ids.insert((*labels).clone(), id);
        }
        self.is_full = self.ids.len() >= groups_max as usize;
        transaction.commit().await?;
        Ok(true)
    }
}
