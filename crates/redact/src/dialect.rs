//! How database systems write literals; `db.system` tells which one it is.

/// What differs between systems, as far as literals are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Whether `\'` within a string is a quote; none if it is not known.
    pub(crate) backslash_escapes: Option<bool>,
    /// Whether `"..."` is a string rather than an identifier.
    pub(crate) double_quoted_strings: bool,
    /// Whether `$tag$...$tag$` is a string.
    pub(crate) dollar_quotes: bool,
    /// Whether `q'[...]'` is a string.
    pub(crate) q_quotes: bool,
    /// Whether `[...]` is an identifier.
    pub(crate) brackets: bool,
    /// Whether `/* /* */ */` is one comment.
    pub(crate) nested_comments: bool,
    /// Whether `#` begins a comment, and `--` only with a space behind it.
    pub(crate) mysql_comments: bool,
}

const ANSI: Dialect = Dialect {
    backslash_escapes: Some(false),
    double_quoted_strings: false,
    dollar_quotes: false,
    q_quotes: false,
    brackets: false,
    nested_comments: false,
    mysql_comments: false,
};

/// Not known: everything that could be a literal is one.
pub(crate) const UNKNOWN: Dialect =
    Dialect { backslash_escapes: None, dollar_quotes: true, q_quotes: true, ..ANSI };

const POSTGRES: Dialect = Dialect { dollar_quotes: true, nested_comments: true, ..ANSI };

const MYSQL: Dialect =
    Dialect { backslash_escapes: Some(true), double_quoted_strings: true, mysql_comments: true, ..ANSI };

/// The dialect of a system by its `db.system.name` or `db.system`; none if its statements are not SQL.
pub(crate) fn of(system: Option<&str>) -> Option<Dialect> {
    let Some(system) = system else { return Some(UNKNOWN) };
    Some(match system {
        "postgresql" | "cockroachdb" | "redshift" | "aws.redshift" | "edb" | "greenplum" | "yugabytedb"
        | "timescaledb" => POSTGRES,
        "mysql" | "mariadb" | "tidb" | "memsql" => MYSQL,
        "spanner" | "gcp.spanner" | "bigquery" | "gcp.bigquery" | "spark" | "hive" | "databricks" => {
            Dialect { mysql_comments: false, ..MYSQL }
        }
        "clickhouse" | "snowflake" => {
            Dialect { backslash_escapes: Some(true), dollar_quotes: true, ..ANSI }
        }
        "cassandra" | "scylladb" => Dialect { dollar_quotes: true, ..ANSI },
        "neo4j" => Dialect { backslash_escapes: Some(true), double_quoted_strings: true, ..ANSI },
        "mssql" | "microsoft.sql_server" | "mssqlcompact" | "sybase" | "sqlite" => {
            Dialect { brackets: true, ..ANSI }
        }
        "oracle" | "oracle.db" => Dialect { q_quotes: true, ..ANSI },
        "redis" | "memcached" | "mongodb" | "elasticsearch" | "opensearch" | "dynamodb"
        | "aws.dynamodb" | "couchdb" | "hbase" | "geode" | "valkey" | "azure.cosmosdb" | "cosmosdb" => {
            return None;
        }
        "db2" | "ibm.db2" | "trino" | "presto" | "derby" | "h2" | "h2database" | "hsqldb" | "firebird"
        | "firebirdsql" | "teradata" => ANSI,
        _ => UNKNOWN,
    })
}
