//! Custom metrics, counted before sampling in the transaction that adds the spans.

use foldhash::HashMap;
use spanloom_measure::{Observed, Tally};
use sqlx::{PgConnection, PgPool};

use super::batch::Row;
use super::copy::Copy;
use crate::custom::groups_store::Groups;
use crate::custom::live_store::{self, Live};

const COPY_PARTS: &str = "COPY custom_metric_parts (version_id, group_id, minute, bucket, value_count, \
    value_sum, value_min, value_max) FROM STDIN (FORMAT BINARY)";

/// What is counted, as the database had it at some epoch.
#[derive(Default)]
pub struct CustomMetrics {
    epoch: Option<i64>,
    live: Vec<Live>,
    /// Which of them look at the spans of a service, besides those for any.
    by_service: HashMap<String, Vec<usize>>,
    for_any: Vec<usize>,
    groups: HashMap<i32, Groups>,
}

impl CustomMetrics {
    /// Takes over what was changed. Call it with the lock of the seam in hand, and the epoch that was
    /// read since.
    pub async fn refresh(&mut self, connection: &mut PgConnection, epoch: i64) -> anyhow::Result<()> {
        if self.epoch == Some(epoch) {
            return Ok(());
        }
        *self = Self { live: live_store::load(connection).await?, ..Self::default() };
        for (index, live) in self.live.iter().enumerate() {
            match &live.meter.definition().filter.service {
                Some(service) => self.by_service.entry(service.clone()).or_default().push(index),
                None => self.for_any.push(index),
            }
        }
        self.epoch = Some(epoch);
        Ok(())
    }

    /// Forgets everything: after an error the database may have lost what this remembers.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Counts the spans; returns how many bytes went to the database.
    pub async fn copy(
        &mut self,
        pool: &PgPool,
        connection: &mut PgConnection,
        rows: &[Row<'_>],
    ) -> anyhow::Result<usize> {
        if self.live.is_empty() {
            return Ok(0);
        }
        let tallies = self.count(rows);
        if tallies.iter().all(Tally::is_empty) {
            return Ok(0);
        }
        let mut copy = Copy::begin(connection, COPY_PARTS).await?;
        for (live, tally) in self.live.iter().zip(&tallies).filter(|(_, tally)| !tally.is_empty()) {
            let groups = self.groups.entry(live.version).or_default();
            let groups_max = live.meter.definition().groups_max;
            let ids = groups.resolve(pool, live.version, groups_max, &tally.groups()).await?;
            // It was deleted a moment ago.
            let Some(ids) = ids else { continue };
            for (group, minute_us, bucket, cell) in tally.cells() {
                copy.buffer.row(8);
                copy.buffer.i32(live.version);
                copy.buffer.i32(ids[group]);
                copy.buffer.timestamp_us(minute_us);
                copy.buffer.i16(bucket);
                copy.buffer.f64(cell.count);
                copy.buffer.f64(cell.sum);
                copy.buffer.f64(cell.min);
                copy.buffer.f64(cell.max);
            }
        }
        Ok(copy.finish().await?)
    }

    fn count(&self, rows: &[Row<'_>]) -> Vec<Tally> {
        let mut tallies: Vec<Tally> = self.live.iter().map(|_| Tally::default()).collect();
        for row in rows {
            let service = row.span.resource.service_name();
            let of_service = self.by_service.get(service).into_iter().flatten();
            for &index in of_service.chain(&self.for_any) {
                let observed = Observed::new(row.span, row.weight);
                if observed.start_us >= self.live[index].from_us {
                    self.live[index].meter.observe(&observed, &mut tallies[index]);
                }
            }
        }
        tallies
    }
}
