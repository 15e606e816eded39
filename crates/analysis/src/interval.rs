/// A half-open stretch of time in nanoseconds; what zero means is the caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Its first nanosecond.
    pub start_ns: i64,
    /// The nanosecond after its last one; never before `start_ns`.
    pub end_ns: i64,
}

impl Interval {
    /// From a start and a duration; a negative duration counts as zero.
    pub fn new(start_ns: i64, duration_ns: i64) -> Self {
        Self { start_ns, end_ns: start_ns.saturating_add(duration_ns.max(0)) }
    }

    /// Its length in nanoseconds.
    pub fn duration_ns(self) -> i64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// The part inside `outer`; none if they do not touch. An empty interval inside `outer` stays.
    pub fn clip(self, outer: Self) -> Option<Self> {
        let start_ns = self.start_ns.max(outer.start_ns);
        let end_ns = self.end_ns.min(outer.end_ns);
        (start_ns <= end_ns).then_some(Self { start_ns, end_ns })
    }
}
