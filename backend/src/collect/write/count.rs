//! Everything that counts spans, whatever sampling makes of them.

use anyhow::Context as _;
use chrono::Utc;
use sqlx::{PgConnection, PgPool};

use super::batch::{self, Row};
use super::custom::CustomMetrics;
use super::edges;
use super::errors::Errors;
use super::exemplars::{self, Due};

/// What counting remembers from one batch to the next.
#[derive(Default)]
pub struct Counters {
    errors: Errors,
    exemplars: Due,
    /// Told which definitions hold by whoever begins a transaction.
    pub custom: CustomMetrics,
}

impl Counters {
    /// Forgets what a transaction that failed may have left half known.
    pub fn clear(&mut self) {
        self.errors.clear();
        self.exemplars.clear();
        self.custom.clear();
    }

    /// Counts spans that sampling dropped or has not decided on; returns the bytes written.
    pub async fn copy(
        &mut self,
        pool: &PgPool,
        connection: &mut PgConnection,
        rows: &[Row<'_>],
    ) -> anyhow::Result<usize> {
        self.copy_counts(pool, connection, rows, None).await
    }

    /// Adds what refers to stored spans, and counts them if they are not counted yet; returns the bytes
    /// written.
    pub async fn copy_stored(
        &mut self,
        pool: &PgPool,
        connection: &mut PgConnection,
        rows: &[Row<'_>],
        count: bool,
    ) -> anyhow::Result<usize> {
        let mut bytes =
            self.errors.copy_samples(connection, rows).await.context("adding samples of errors")?;
        let stored_at_us = Utc::now().timestamp_micros();
        bytes += exemplars::copy(connection, rows, stored_at_us, &mut self.exemplars)
            .await
            .context("adding examples")?;
        if count {
            bytes += self.copy_counts(pool, connection, rows, Some(stored_at_us)).await?;
        }
        Ok(bytes)
    }

    /// `stored_at_us` is the time if the spans are stored besides.
    async fn copy_counts(
        &mut self,
        pool: &PgPool,
        connection: &mut PgConnection,
        rows: &[Row<'_>],
        stored_at_us: Option<i64>,
    ) -> anyhow::Result<usize> {
        let mut bytes = batch::copy_metrics(connection, rows).await.context("adding metrics")?;
        bytes += edges::copy(connection, rows, stored_at_us, &mut self.exemplars)
            .await
            .context("adding calls")?;
        bytes += self.errors.copy_counts(connection, rows).await.context("adding errors")?;
        let custom = self.custom.copy(pool, connection, rows).await;
        Ok(bytes + custom.context("adding custom metrics")?)
    }
}
