//! The two ways of storing: TimescaleDB hypertables or native partitions.

/// How spans are stored. Both have the same tables, views and query results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Hypertables, columnstore and continuous aggregates; needs TimescaleDB with the TSL licence.
    Timescale,
    /// Native range partitions and our own roll-ups.
    Postgres,
}

impl Flavour {
    /// The name in migrations and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timescale => "timescale",
            Self::Postgres => "postgres",
        }
    }
}
