//! Durations of what is counted together, as columns of arrays.

use spanloom_model::histogram;

use super::copy::CopyBuffer;

/// Spans or calls of about the same duration.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    bucket: i16,
    /// Of the few that Prometheus gets.
    bound: i16,
    count: f64,
    duration_ns: f64,
}

/// A histogram under way.
#[derive(Default)]
pub struct Cells(Vec<Cell>);

impl Cells {
    /// What [`Cells::encode`] adds to a row.
    pub const COLUMNS: i16 = 4;

    /// Adds `weight` spans or calls that took so long.
    pub fn add(&mut self, duration_ns: i64, weight: f64) {
        self.0.push(Cell {
            bucket: histogram::bucket_of(duration_ns),
            bound: histogram::prometheus_bound_of(duration_ns),
            count: weight,
            duration_ns: duration_ns as f64 * weight,
        });
    }

    /// Puts buckets, bounds, counts and sums of durations.
    pub fn encode(&mut self, buffer: &mut CopyBuffer) {
        self.add_up();
        buffer.i16_array(self.0.iter().map(|cell| cell.bucket));
        buffer.i16_array(self.0.iter().map(|cell| cell.bound));
        buffer.f64_array(self.0.iter().map(|cell| cell.count));
        buffer.f64_array(self.0.iter().map(|cell| cell.duration_ns));
    }

    /// Spans or calls.
    #[cfg(test)]
    pub fn count(&self) -> f64 {
        self.0.iter().map(|cell| cell.count).sum()
    }

    /// Leaves one cell of each kind, with all that the others had.
    fn add_up(&mut self) {
        self.0.sort_unstable_by_key(|cell| (cell.bucket, cell.bound));
        self.0.dedup_by(|next, kept| {
            let is_same = (next.bucket, next.bound) == (kept.bucket, kept.bound);
            if is_same {
                kept.count += next.count;
                kept.duration_ns += next.duration_ns;
            }
            is_same
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches spans that are lost when they take equally long, and cells of two bounds in one bucket that melt
    // into one.
    #[test]
    fn cells_are_added_up() {
        let cell = |bucket, bound, count| Cell { bucket, bound, count, duration_ns: count * 10.0 };
        let mut cells = Cells(vec![
            cell(7, 1, 1.0),
            cell(5, 1, 2.0),
            cell(7, 1, 4.0),
            cell(7, 2, 8.0),
            cell(7, 1, 16.0),
        ]);
        cells.add_up();
        assert_eq!(cells.0, [cell(5, 1, 2.0), cell(7, 1, 21.0), cell(7, 2, 8.0)]);
    }
}
