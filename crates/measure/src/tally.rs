//! What a meter has seen, by group, minute and bucket.

use std::borrow::Cow;
use std::collections::BTreeMap;

use foldhash::HashMap;

use crate::{Cell, Summary};

const MINUTE_US: i64 = 60_000_000;

/// Counts of one metric.
#[derive(Debug, Default)]
pub struct Tally {
    /// Index by labels, a null character between each two.
    groups: HashMap<String, u32>,
    /// Group, minute in microseconds, bucket.
    cells: HashMap<(u32, i64, i16), Cell>,
    /// Of the span at hand, so that a group that is known costs no memory.
    labels: String,
}

impl Tally {
    pub(crate) fn add<'a>(
        &mut self,
        labels: impl Iterator<Item = Cow<'a, str>>,
        start_us: i64,
        bucket: i16,
        cell: &Cell,
    ) {
        self.labels.clear();
        for (index, label) in labels.enumerate() {
            if index > 0 {
                self.labels.push('\0');
            }
            self.labels.push_str(&label);
        }
        let group = if let Some(group) = self.groups.get(&self.labels) {
            *group
        } else {
            let group = self.groups.len() as u32;
            self.groups.insert(self.labels.clone(), group);
            group
        };
        let key = (group, start_us - start_us.rem_euclid(MINUTE_US), bucket);
        self.cells.entry(key).and_modify(|known| known.merge(cell)).or_insert(*cell);
    }

    /// How many cells there are, which is what it weighs.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The labels of each group, by its index.
    pub fn groups(&self) -> Vec<Vec<String>> {
        let mut groups = vec![Vec::new(); self.groups.len()];
        for (labels, index) in &self.groups {
            groups[*index as usize] = labels.split('\0').map(str::to_owned).collect();
        }
        groups
    }

    /// Index of the group, minute in microseconds since the epoch, bucket and values of each cell.
    pub fn cells(&self) -> impl Iterator<Item = (usize, i64, i16, &Cell)> {
        self.cells
            .iter()
            .map(|((group, minute_us, bucket), cell)| (*group as usize, *minute_us, *bucket, cell))
    }

    /// Labels, minute in microseconds since the epoch and values, in this order.
    pub fn summaries(&self) -> Vec<(Vec<String>, i64, Summary)> {
        let groups = self.groups();
        let mut summaries: BTreeMap<(&[String], i64), Summary> = BTreeMap::new();
        for (group, minute_us, bucket, cell) in self.cells() {
            summaries.entry((&groups[group], minute_us)).or_default().add(bucket, cell);
        }
        summaries
            .into_iter()
            .map(|((labels, minute), summary)| (labels.to_vec(), minute, summary))
            .collect()
    }
}
