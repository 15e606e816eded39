//! Connections, schema and upkeep of the database.

pub mod embedded;
pub mod flavour;

pub use flavour::Flavour;

/// The database: a pool and what kind of storage it is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// Connections.
    pub pool: sqlx::PgPool,
    /// How spans are stored.
    pub flavour: Flavour,
}
