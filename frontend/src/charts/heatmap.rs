//! Counts over time and duration as a grid of cells: where a cell is, what is in an area. Pure.

use std::fmt::Display;
use std::ops::RangeInclusive;

use chrono::{DateTime, TimeZone};
use spanloom_model::api::{DistributionSeries, MetricsResponse};

use super::frame::Frame;
use super::lines::Steps;
use super::scale::{Linear, LogNs};
use crate::format;

/// Fewer rows than this are not stretched over the whole height: a service whose calls all last equally
/// long would look as if they lasted anything.
const ROWS_MIN: f64 = 10.0;

/// What the API's histogram counted.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatData {
    /// The columns.
    pub steps: Steps,
    /// Lower bound of the first row in nanoseconds.
    lowest_ns: f64,
    /// Upper bounds of the rows, ascending, exclusive.
    bounds_ns: Vec<f64>,
    /// By step and row; a step without spans has no counts.
    counts: Vec<Vec<f64>>,
    max: f64,
}

/// A cell of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Its column, from the left.
    pub step: usize,
    /// Its row, the shortest durations first.
    pub row: usize,
}

/// Some columns and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// The columns.
    pub steps: RangeInclusive<usize>,
    /// The rows.
    pub rows: RangeInclusive<usize>,
}

impl Cells {
    /// One cell.
    pub fn one(cell: Cell) -> Self {
        Self { steps: cell.step..=cell.step, rows: cell.row..=cell.row }
    }
}

/// A place by time and duration: unlike a cell it stays when the grid is another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corner {
    at_ms: f64,
    duration_ns: f64,
}

/// What was brushed: two corners, in any order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brush {
    /// Where it began.
    pub anchor: Corner,
    /// Where it ends.
    pub head: Corner,
}

/// What an area holds, in the terms of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Milliseconds since the epoch, inclusive.
    pub from_ms: i64,
    /// Milliseconds since the epoch, exclusive.
    pub to_ms: i64,
    /// Nanoseconds, inclusive; 0 if nothing can be shorter.
    pub low_ns: i64,
    /// Nanoseconds, inclusive.
    pub high_ns: i64,
    /// Spans, those that sampling left out included.
    pub count: f64,
}

impl HeatData {
    /// The first series of the answer's histogram; none if it was not asked for.
    pub fn of(answer: &MetricsResponse) -> Option<Self> {
        let histogram = answer.histogram.as_ref()?;
        let step_ms = (answer.step_seconds * 1_000).max(1);
        let start_ms = answer.start_time.timestamp_millis();
        let count = ((answer.end_time.timestamp_millis() - start_ms) / step_ms).max(0) as usize;
        let points = |series: &DistributionSeries| series.points.clone();
        let mut counts = histogram.series.first().map(points).unwrap_or_default();
        counts.resize(count, Vec::new());
        let max = counts.iter().flatten().copied().fold(0.0, f64::max);
        Some(Self {
            steps: Steps { start_ms, step_ms, count },
            lowest_ns: histogram.lowest_ns,
            bounds_ns: histogram.buckets.clone(),
            counts,
            max,
        })
    }

    /// How many rows there are; 0 if there are no spans at all.
    pub fn rows(&self) -> usize {
        self.bounds_ns.len()
    }

    /// The most spans in a cell.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// Whether the step has spans at all. Without, there is nothing that could be distributed, which is
    /// something else than a duration that no span had.
    pub fn has_spans(&self, step: usize) -> bool {
        self.counts.get(step).is_some_and(|counts| !counts.is_empty())
    }

    /// Whether some step has no spans.
    pub fn has_gaps(&self) -> bool {
        self.counts.iter().any(Vec::is_empty)
    }

    /// Spans in a cell; none in a step without spans.
    pub fn count(&self, cell: Cell) -> Option<f64> {
        let counts = self.counts.get(cell.step).filter(|counts| !counts.is_empty())?;
        Some(counts.get(cell.row).copied().unwrap_or(0.0))
    }

    /// Spans in all cells of a step.
    pub fn total(&self, step: usize) -> f64 {
        self.counts.get(step).map_or(0.0, |counts| counts.iter().sum())
    }

    /// The durations of a row in nanoseconds: from, inclusive, and to, exclusive.
    pub fn durations(&self, row: usize) -> (f64, f64) {
        let low = row.checked_sub(1).and_then(|below| self.bounds_ns.get(below));
        let high = self.bounds_ns.get(row).or(self.bounds_ns.last());
        (low.copied().unwrap_or(self.lowest_ns), high.copied().unwrap_or(self.lowest_ns))
    }

    /// The middle of a cell.
    pub fn corner(&self, cell: Cell) -> Corner {
        let (low, high) = self.durations(cell.row);
        Corner {
            at_ms: self.steps.start_of(cell.step) as f64 + self.steps.step_ms as f64 / 2.0,
            // The geometric middle, where the row does not begin at zero.
            duration_ns: if low > 0.0 { (low * high).sqrt() } else { high / 2.0 },
        }
    }

    /// The cells between two corners, both included; none where the grid has nothing of it.
    pub fn cells(&self, brush: Brush) -> Option<Cells> {
        let step = |corner: Corner| {
            ((corner.at_ms - self.steps.start_ms as f64) / self.steps.step_ms as f64).floor() as i64
        };
        let row = |corner: Corner| {
            if corner.duration_ns < self.lowest_ns {
                return -1;
            }
            self.bounds_ns.partition_point(|bound| *bound <= corner.duration_ns) as i64
        };
        Some(Cells {
            steps: within(step(brush.anchor), step(brush.head), self.steps.count)?,
            rows: within(row(brush.anchor), row(brush.head), self.rows())?,
        })
    }

    /// The cell that a corner lies in, or the nearest one; none without rows.
    pub fn nearest(&self, corner: Corner) -> Option<Cell> {
        if self.rows() == 0 || self.steps.count == 0 {
            return None;
        }
        let step = (corner.at_ms - self.steps.start_ms as f64) / self.steps.step_ms as f64;
        let row = self.bounds_ns.partition_point(|bound| *bound <= corner.duration_ns);
        Some(Cell {
            step: (step.max(0.0) as usize).min(self.steps.count - 1),
            row: row.min(self.rows() - 1),
        })
    }

    /// Where the keys begin: the fullest cell of the last step with spans.
    pub fn first(&self) -> Option<Cell> {
        let step = (0..self.steps.count).rev().find(|step| self.has_spans(*step))?;
        let counts = &self.counts[step];
        let row = (0..counts.len()).max_by(|a, b| counts[*a].total_cmp(&counts[*b]))?;
        Some(Cell { step, row })
    }

    /// The cell so many columns and rows further, at most at the edge.
    pub fn moved(&self, cell: Cell, (right, up): (isize, isize)) -> Cell {
        let last = |count: usize| count.saturating_sub(1);
        Cell {
            step: cell.step.saturating_add_signed(right).min(last(self.steps.count)),
            row: cell.row.saturating_add_signed(up).min(last(self.rows())),
        }
    }

    /// What the cells hold.
    pub fn area(&self, cells: &Cells) -> Area {
        let (low_ns, _) = self.durations(*cells.rows.start());
        let (_, high_ns) = self.durations(*cells.rows.end());
        let columns = self.counts.get(cells.steps.clone()).unwrap_or_default();
        let rows =
            |counts: &Vec<f64>| counts.get(cells.rows.clone()).map_or(0.0, |it| it.iter().sum::<f64>());
        Area {
            from_ms: self.steps.start_of(*cells.steps.start()),
            to_ms: self.steps.start_of(cells.steps.end() + 1),
            // Durations are whole nanoseconds. What lies below one is none, in the row of the shortest.
            low_ns: if low_ns < 1.0 { 0 } else { low_ns.ceil() as i64 },
            high_ns: (high_ns.ceil() as i64).saturating_sub(1).max(0),
            count: columns.iter().map(rows).sum(),
        }
    }

    /// `13:05 to 13:20`; with the day where it is not that of the newest step.
    pub fn time_name<Z: TimeZone>(&self, from_ms: i64, to_ms: i64, zone: &Z) -> String
    where
        Z::Offset: Display,
    {
        let local = |ms| DateTime::from_timestamp_millis(ms).unwrap_or_default().with_timezone(zone);
        let newest = local(self.steps.end_ms() - 1).date_naive();
        let name = |ms| {
            let time = local(ms);
            let is_near = time.date_naive() == newest || ms == self.steps.end_ms();
            time.format(if is_near { "%H:%M" } else { "%-d %b %H:%M" }).to_string()
        };
        format!("{} to {}", name(from_ms), name(to_ms))
    }
}

/// `12.3 ms to 80 ms`.
pub fn durations_name(low_ns: f64, high_ns: f64) -> String {
    format!("{} to {}", format::duration_f64(low_ns), format::duration_f64(high_ns))
}

/// The part of `a..=b` that lies in `0..count`.
fn within(a: i64, b: i64, count: usize) -> Option<RangeInclusive<usize>> {
    let (low, high) = (a.min(b).max(0), a.max(b).min(count as i64 - 1));
    (low <= high).then_some(low as usize..=high as usize)
}

/// The grid on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatPlot {
    /// Milliseconds to pixels.
    pub time: Linear,
    /// Durations to mark with their pixels, from the shortest.
    pub ticks: Vec<(i64, f64)>,
    /// Rows, counted from the lower edge of the first, to pixels.
    row: Linear,
    steps: Steps,
    rows: usize,
}

impl HeatPlot {
    /// Lays the grid out; at most `ticks_max` durations are marked.
    pub fn new(data: &HeatData, frame: Frame, ticks_max: usize) -> Self {
        let rows = data.rows() as f64;
        let air = ((ROWS_MIN - rows) / 2.0).max(0.0);
        let row = Linear { domain: (-air, rows + air), range: (frame.bottom, frame.top) };
        Self {
            time: Linear {
                domain: (data.steps.start_ms as f64, data.steps.end_ms() as f64),
                range: (frame.left, frame.right),
            },
            ticks: if data.rows() == 0 { Vec::new() } else { ticks(data, &row, ticks_max) },
            row,
            steps: data.steps,
            rows: data.rows(),
        }
    }

    /// Left, top, width and height of cells, on whole pixels.
    pub fn place(&self, cells: &Cells) -> (f64, f64, f64, f64) {
        let x = |step: usize| self.time.place(self.steps.start_of(step) as f64).round();
        let y = |row: usize| self.row.place(row as f64).round();
        let (left, right) = (x(*cells.steps.start()), x(cells.steps.end() + 1));
        let (top, bottom) = (y(cells.rows.end() + 1), y(*cells.rows.start()));
        (left, top, right - left, bottom - top)
    }

    /// The cell at a pixel; outside of the grid the nearest one. None if there are no cells.
    pub fn cell(&self, x: f64, y: f64) -> Option<Cell> {
        if self.rows == 0 || self.steps.count == 0 {
            return None;
        }
        let step = (self.time.value(x) - self.steps.start_ms as f64) / self.steps.step_ms as f64;
        // Negative numbers become zero.
        let cell = Cell { step: step as usize, row: self.row.value(y) as usize };
        Some(Cell { step: cell.step.min(self.steps.count - 1), row: cell.row.min(self.rows - 1) })
    }

    /// The middle of a step.
    pub fn x(&self, step: usize) -> f64 {
        self.time.place(self.steps.start_of(step) as f64 + self.steps.step_ms as f64 / 2.0)
    }
}

/// Round durations between the edges of the plot.
fn ticks(data: &HeatData, row: &Linear, max: usize) -> Vec<(i64, f64)> {
    let (first_low, first) = data.durations(0);
    let (_, last) = data.durations(data.rows() - 1);
    let growth = match data.rows() {
        1 if first_low > 0.0 => (first / first_low).ln(),
        1 => 1.05_f64.ln(),
        rows => (last / first).ln() / (rows as f64 - 1.0),
    };
    let at = |duration_ns: f64| 1.0 + (duration_ns / first).ln() / growth;
    let of = |row: f64| first * ((row - 1.0) * growth).exp();
    LogNs::between(of(row.domain.0), of(row.domain.1))
        .ticks(max)
        .into_iter()
        .map(|tick| (tick, row.place(at(tick as f64))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;
    use spanloom_model::api::{Distribution, MetricLabels};

    const FRAME: Frame = Frame { left: 60.0, right: 460.0, top: 10.0, bottom: 210.0 };

    /// Four minutes; rows that double from `lowest_ns`.
    fn data(lowest_ns: f64, points: &[&[f64]]) -> HeatData {
        let rows = points.iter().map(|point| point.len()).max().unwrap_or(0) as i32;
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let first = lowest_ns.max(0.5);
        HeatData::of(&MetricsResponse {
            start_time: time(600),
            end_time: time(840),
            step_seconds: 60,
            series: Vec::new(),
            histogram: Some(Distribution {
                buckets: (1..=rows).map(|row| first * 2.0_f64.powi(row)).collect(),
                lowest_ns,
                series: vec![DistributionSeries {
                    labels: MetricLabels::default(),
                    points: points.iter().map(|point| point.to_vec()).collect(),
                }],
            }),
            comparison: None,
        })
        .unwrap()
    }

    fn brush(data: &HeatData, anchor: Cell, head: Cell) -> Brush {
        Brush { anchor: data.corner(anchor), head: data.corner(head) }
    }

    // Catches a step in which nothing was counted that is drawn like one without slow spans.
    #[test]
    fn no_spans_are_something_else_than_none_of_that_duration() {
        let data = data(1e6, &[&[1.0, 0.0, 3.0], &[], &[0.0, 2.0, 0.0]]);
        assert_eq!(data.count(Cell { step: 0, row: 1 }), Some(0.0));
        assert_eq!(data.count(Cell { step: 1, row: 1 }), None);
        assert_eq!(data.count(Cell { step: 3, row: 0 }), None, "steps that the answer lacks");
        assert_eq!((data.has_spans(0), data.has_spans(1), data.has_gaps()), (true, false, true));
        assert_eq!((data.max(), data.total(0), data.total(1)), (3.0, 4.0, 0.0));
    }

    // Catches a brush that opens traces of a neighbouring cell: bounds on the wrong side.
    #[test]
    fn an_area_has_the_bounds_of_its_cells_and_only_their_spans() {
        let data = data(1_000_000.5, &[&[1.0, 2.0, 4.0], &[8.0, 16.0, 32.0], &[], &[64.0, 0.0, 0.0]]);
        let brushed = brush(&data, Cell { step: 1, row: 2 }, Cell { step: 0, row: 1 });
        let cells = data.cells(brushed).unwrap();
        assert_eq!(cells, Cells { steps: 0..=1, rows: 1..=2 });
        let area = data.area(&cells);
        assert_eq!((area.from_ms, area.to_ms), (600_000, 720_000));
        // From 2,000,001.0 inclusive to 8,000,004.0 exclusive.
        assert_eq!((area.low_ns, area.high_ns, area.count), (2_000_001, 8_000_003, 54.0));
        let lowest = data.area(&Cells { steps: 0..=3, rows: 0..=0 });
        assert_eq!((lowest.low_ns, lowest.high_ns, lowest.count), (1_000_001, 2_000_000, 73.0));
    }

    // Catches spans that took no time at all and are in no area.
    #[test]
    fn the_row_of_the_shortest_holds_zero() {
        let data = data(0.0, &[&[1.0, 2.0]]);
        assert_eq!(data.area(&Cells { steps: 0..=0, rows: 0..=0 }).low_ns, 0);
        let zero = data.nearest(data.corner(Cell { step: 0, row: 0 }));
        assert_eq!(zero, Some(Cell { step: 0, row: 0 }));
    }

    // Catches a selection that jumps to other durations or times when the page refreshes.
    #[test]
    fn a_brush_stays_at_its_time_and_durations_when_the_grid_moves() {
        let before = data(1e6, &[&[1.0, 2.0, 4.0], &[8.0, 16.0, 32.0]]);
        let brushed = brush(&before, Cell { step: 1, row: 0 }, Cell { step: 2, row: 1 });
        let mut after = data(0.25e6, &[&[1.0, 2.0, 4.0, 8.0]]);
        assert_eq!(after.cells(brushed), Some(Cells { steps: 1..=2, rows: 2..=3 }));
        after.steps.start_ms += 2 * 60_000;
        assert_eq!(after.cells(brushed), Some(Cells { steps: 0..=0, rows: 2..=3 }));
        after.steps.start_ms += 60_000;
        assert_eq!(after.cells(brushed), None, "it has left the range");
        assert_eq!(data(64e6, &[&[1.0]]).cells(brushed), None, "nothing lasts that short any more");
    }

    // Catches a pointer that tells the neighbour's count, and gaps or overlaps between cells.
    #[test]
    fn a_cell_is_found_where_it_is_drawn() {
        for rows in [1, 3, 40] {
            let point = vec![1.0; rows];
            let data = data(1e3, &[&point, &point, &point, &point]);
            let plot = HeatPlot::new(&data, FRAME, 6);
            for step in 0..4 {
                for row in 0..rows {
                    let cell = Cell { step, row };
                    let (x, y, width, height) = plot.place(&Cells::one(cell));
                    assert!(x >= FRAME.left && x + width <= FRAME.right && width > 99.0);
                    assert!(y >= FRAME.top && y + height <= FRAME.bottom && height >= 4.0, "{y} {height}");
                    assert_eq!(plot.cell(x + width / 2.0, y + height / 2.0), Some(cell));
                }
            }
            assert_eq!(plot.cell(-50.0, 999.0), Some(Cell { step: 0, row: 0 }));
            assert_eq!(plot.cell(999.0, -50.0), Some(Cell { step: 3, row: rows - 1 }));
        }
    }

    // Catches an axis whose labels are not where their durations are.
    #[test]
    fn durations_are_marked_where_their_rows_are() {
        let point = vec![1.0; 12];
        let data = data(1e6, &[&point]);
        let plot = HeatPlot::new(&data, FRAME, 6);
        assert!((2..=6).contains(&plot.ticks.len()), "{:?}", plot.ticks);
        for &(tick, y) in &plot.ticks {
            let corner = Corner { at_ms: 600_001.0, duration_ns: tick as f64 + 0.5 };
            let row = data.nearest(corner).unwrap().row;
            let (low, high) = data.durations(row);
            assert!((low..=high).contains(&(tick as f64)), "{tick}");
            let (_, top, _, height) = plot.place(&Cells::one(Cell { step: 0, row }));
            assert!((top - 1.0..=top + height + 1.0).contains(&y), "{tick} at {y}, row at {top}");
        }
        let few = HeatPlot::new(&self::data(1e6, &[&[5.0]]), FRAME, 6);
        let (_, top, _, height) = few.place(&Cells { steps: 0..=0, rows: 0..=0 });
        assert!(height < 30.0 && top > 80.0, "one row lies in the middle and does not fill the plot");
    }

    #[test]
    fn keys_begin_in_the_fullest_cell_and_stop_at_the_edges() {
        let data = data(1e6, &[&[9.0, 0.0], &[1.0, 2.0], &[]]);
        let first = data.first().unwrap();
        assert_eq!(first, Cell { step: 1, row: 1 });
        assert_eq!(data.moved(first, (-1, -1)), Cell { step: 0, row: 0 });
        assert_eq!(data.moved(first, (99, 99)), Cell { step: 3, row: 1 });
        assert_eq!(data.moved(first, (-99, 0)), Cell { step: 0, row: 1 });
    }

    #[test]
    fn without_spans_there_is_a_grid_without_cells() {
        let data = data(0.0, &[]);
        let plot = HeatPlot::new(&data, FRAME, 6);
        assert_eq!((plot.cell(100.0, 100.0), data.first(), plot.ticks.len()), (None, None, 0));
        assert_eq!((data.max(), data.rows()), (0.0, 0));
    }

    #[test]
    fn times_are_local_and_name_another_day() {
        let mut data = data(1e6, &[&[1.0]]);
        let zone = FixedOffset::east_opt(3600).unwrap();
        assert_eq!(data.time_name(600_000, 720_000, &zone), "01:10 to 01:12");
        data.steps.count = 2_000;
        assert_eq!(data.time_name(600_000, 720_000, &zone), "1 Jan 01:10 to 1 Jan 01:12");
        assert_eq!(durations_name(12.3e6, 80e6), "12.3 ms to 80 ms");
    }
}
