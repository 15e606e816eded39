//! SQL of searches for the traces of a call between two nodes of the dependency graph.

use spanloom_model::api::DependencyNodeType;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use crate::query::dependencies::call::Call;
use crate::query::store::service_id;
use crate::store::pair_numbers;

/// A call, with names resolved to ids. The span that satisfies it is the one whose duration and status
/// the graph shows: the callee's, and of what sends no spans the caller's.
#[derive(Debug, Clone)]
pub struct CallCondition {
    /// Any if it is none.
    caller: Option<i32>,
    callee: Callee,
}

#[derive(Debug, Clone)]
enum Callee {
    Service(i32),
    /// What sends no spans.
    Node {
        /// As `call_peer()` tells it.
        key: String,
        /// Texts that occur in the attributes of every span that calls it: looking for them is much
        /// cheaper than parsing.
        fragments: Vec<Fragment>,
        /// A host that is no database or queue: it is a node only where no service answered.
        is_external: bool,
    },
}

/// A text in attributes.
#[derive(Debug, Clone)]
struct Fragment {
    text: String,
    /// The pairs that have it in their value, by number.
    pairs: Vec<i32>,
}

/// Looking for more pairs than these takes as long as reading all.
const PAIRS_MAX: usize = 20;

impl CallCondition {
    /// Looks the names up; none if there is no such service.
    pub async fn resolve(db: &mut PgConnection, call: &Call) -> sqlx::Result<Option<Self>> {
        let mut caller = None;
        if let Some(name) = &call.caller {
            caller = service_id(db, name).await?;
            if caller.is_none() {
                return Ok(None);
            }
        }
        let callee = match call.callee.key() {
            None => {
                let Some(id) = service_id(db, &call.callee.name).await? else { return Ok(None) };
                Callee::Service(id)
            }
            Some(key) => Callee::Node {
                key,
                fragments: resolve_fragments(db, &call.callee.name).await?,
                is_external: call.callee.node_type == DependencyNodeType::External,
            },
        };
        Ok(Some(Self { caller, callee }))
    }

    /// Adds ` AND ...` about a row of `spans h`.
    pub fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        match &self.callee {
            Callee::Service(callee) => {
                sql.push(" AND h.service_id = ").push_bind(*callee).push(" AND h.kind IN (2, 5)");
                if let Some(caller) = self.caller {
                    push_caller(sql, caller);
                }
            }
            Callee::Node { key, fragments, is_external } => {
                if let Some(caller) = self.caller {
                    sql.push(" AND h.service_id = ").push_bind(caller);
                }
                sql.push(" AND h.kind IN (3, 4) AND CASE WHEN true");
                for Fragment { text, pairs } in fragments {
                    sql.push(" AND (strpos(h.attributes, ").push_bind(text.clone()).push(") > 0");
                    for &number in pairs {
                        sql.push(" OR position(").push_bind(pair_numbers::bytes(number));
                        sql.push(" IN h.attribute_ids) > 0");
                    }
                    sql.push(")");
                }
                sql.push(" THEN call_peer(span_attributes(h.attributes, h.attribute_ids)) = ");
                sql.push_bind(key.clone());
                sql.push(" ELSE false END");
                if *is_external {
                    sql.push(
                        " AND NOT EXISTS (SELECT FROM spans a WHERE a.trace_id = h.trace_id
                             AND a.parent_span_id = h.span_id AND a.kind IN (2, 5)
                             AND a.start_time >= h.start_time - interval '1 hour'
                             AND a.start_time < h.start_time + interval '1 day')",
                    );
                }
            }
        }
    }
}

/// The service's span was caused by one of the caller: by its parent or, a message, by a link. The same
/// rule as in `pair_edges()`.
fn push_caller(sql: &mut QueryBuilder<Postgres>, caller: i32) {
    const CALLS: &str = " AND (c.kind IN (3, 4) OR c.service_id <> h.service_id)
         AND c.start_time >= h.start_time - interval '1 day'
         AND c.start_time < h.start_time + interval '1 hour'";
    sql.push(
        " AND (EXISTS (SELECT FROM spans c WHERE c.trace_id = h.trace_id
             AND c.span_id = h.parent_span_id AND c.service_id = ",
    );
    sql.push_bind(caller).push(CALLS).push(
        ") OR h.kind = 5 AND h.links IS NOT NULL AND EXISTS (SELECT
             FROM jsonb_array_elements(h.links::jsonb) AS l (link)
             JOIN spans c ON c.trace_id = (l.link ->> 't')::uuid
                         AND c.span_id = ('x' || (l.link ->> 's'))::bit(64)::bigint
             WHERE c.service_id = ",
    );
    sql.push_bind(caller).push(CALLS).push("))");
}

/// What to look for; no texts that are in many pairs.
async fn resolve_fragments(db: &mut PgConnection, name: &str) -> sqlx::Result<Vec<Fragment>> {
    let mut found = Vec::new();
    for text in fragments(name) {
        let pairs: Vec<i32> =
            sqlx::query_scalar("SELECT id FROM attribute_pairs WHERE strpos(value, $1) > 0 LIMIT $2")
                .bind(&text)
                .bind(PAIRS_MAX as i64 + 1)
                .fetch_all(&mut *db)
                .await?;
        if pairs.len() <= PAIRS_MAX {
            found.push(Fragment { text, pairs });
        }
    }
    Ok(found)
}

/// The name without the slash that joins system and namespace; as JSON spells it.
fn fragments(name: &str) -> Vec<String> {
    let (outer, within) =
        name.split_once('/').map_or((name, None), |(outer, within)| (outer, Some(within)));
    let spelled = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    [Some(outer), within].into_iter().flatten().filter(|text| !text.is_empty()).map(spelled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a text that is not in the attributes, which would find nothing.
    #[test]
    fn what_is_looked_for_is_spelled_as_it_is_stored() {
        assert_eq!(fragments("postgresql/shop"), ["postgresql", "shop"]);
        assert_eq!(fragments("kafka/a/b"), ["kafka", "a/b"]);
        assert_eq!(fragments("say \"x\"/"), ["say \\\"x\\\""]);
    }
}
