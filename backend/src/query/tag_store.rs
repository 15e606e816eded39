//! SQL of a condition about an attribute.

use serde_json::Value;
use sqlx::{Connection, PgConnection, Postgres, QueryBuilder};

use super::traces::params::Tag;
use crate::store::pair_numbers;

type Sql = QueryBuilder<Postgres>;

/// An attribute of a row or of its process.
#[derive(Debug, Clone)]
pub struct TagCondition {
    key: String,
    /// The texts by which PostgreSQL may know the value.
    values: Vec<String>,
    /// Texts that occur in every JSON object with the attribute: looking for them is much cheaper
    /// than parsing.
    fragments: Vec<String>,
    /// The numbers by which spans may have it.
    pairs: Vec<i32>,
}

impl TagCondition {
    /// Prepares the texts to look for.
    pub async fn resolve(db: &mut PgConnection, tag: &Tag) -> sqlx::Result<Self> {
        let mut values = vec![tag.value.clone()];
        let mut fragments = vec![format!("{}:", Value::from(tag.key.as_str()))];
        if has_other_spelling(&tag.value) {
            // 1e21 and [1,2] are spelled differently by PostgreSQL: let it tell.
            let mut savepoint = db.begin().await?;
            let spelling = sqlx::query_scalar("SELECT $1::jsonb #>> '{}'").bind(&tag.value);
            match spelling.fetch_one(&mut *savepoint).await {
                Ok(spelling) => {
                    savepoint.commit().await?;
                    values.push(spelling);
                }
                // A number beyond what jsonb holds (1e-99999) is stored nowhere.
                Err(sqlx::Error::Database(error)) if error.code().is_some_and(|c| c.starts_with("22")) => {
                    savepoint.rollback().await?;
                }
                Err(error) => return Err(error),
            }
        } else {
            let quoted = Value::from(tag.value.as_str()).to_string();
            fragments.push(quoted[1..quoted.len() - 1].to_owned());
            // The escapes of doubles and bytes, see `AttrValue`, as PostgreSQL prints them.
            values.extend(["$double", "$bytes"].map(|escape| format!("{{\"{escape}\": {quoted}}}")));
        }
        Ok(Self { key: tag.key.clone(), values, fragments, pairs: Vec::new() })
    }

    /// The same for rows of `spans`, which have attributes by number too.
    pub async fn resolve_for_spans(db: &mut PgConnection, tag: &Tag) -> sqlx::Result<Self> {
        let mut condition = Self::resolve(db, tag).await?;
        // A few at most: a value as text and as a number.
        let mut sql = Sql::new("SELECT id FROM attribute_pairs WHERE key = ");
        sql.push_bind(tag.key.clone()).push(" AND CASE WHEN true");
        for fragment in condition.fragments_of_value() {
            sql.push(" AND strpos(value, ").push_bind(fragment.clone()).push(") > 0");
        }
        sql.push(" THEN (value::jsonb #>> '{}') = ANY(").push_bind(condition.values.clone());
        sql.push(") ELSE false END");
        condition.pairs = sql.build_query_scalar().fetch_all(db).await?;
        Ok(condition)
    }

    /// Adds ` AND ...`: the row or its process has the attribute. `services` are those that the rows may
    /// be of, as far as they are known.
    pub fn push_here_or_in_resource(&self, sql: &mut Sql, services: &[i32]) {
        sql.push(" AND (resource_id IN (SELECT id FROM resources WHERE ");
        if !services.is_empty() {
            sql.push("service_id = ANY(").push_bind(services.to_vec()).push(") AND ");
        }
        self.push(sql);
        sql.push(") OR ");
        for &number in &self.pairs {
            sql.push("position(").push_bind(pair_numbers::bytes(number)).push(" IN attribute_ids) > 0 OR ");
        }
        self.push(sql);
        sql.push(")");
    }

    /// The first one is of the key.
    fn fragments_of_value(&self) -> &[String] {
        self.fragments.get(1..).unwrap_or_default()
    }

    /// Adds a condition about the column `attributes`.
    fn push(&self, sql: &mut Sql) {
        sql.push("CASE WHEN ");
        for (index, fragment) in self.fragments.iter().enumerate() {
            sql.push(if index > 0 { " AND " } else { "" });
            sql.push("strpos(attributes, ").push_bind(fragment.clone()).push(") > 0");
        }
        sql.push(" THEN (attributes::jsonb ->> ").push_bind(self.key.clone());
        sql.push(") = ANY(").push_bind(self.values.clone()).push(") ELSE false END");
    }
}

/// Whether PostgreSQL may print the value differently from how it is typed.
fn has_other_spelling(value: &str) -> bool {
    // What jsonb cannot hold is stored nowhere.
    if value.contains("\\u0000") {
        return false;
    }
    match serde_json::from_str::<Value>(value) {
        Ok(Value::Array(_) | Value::Object(_)) => true,
        Ok(Value::Number(_)) => value.contains(['e', 'E']),
        _ => false,
    }
}
