//! The ids of what spans and log records have in common: services, operations, resources, scopes.
//!
//! Rows are only added, each statement on its own: a row that no span needs in the end does no
//! harm, and writers never wait for each other's transactions. The caches are bounded.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use foldhash::{HashMap, HashMapExt as _};
use sha2::{Digest, Sha256};
use spanloom_model::{Produced, Resource, Scope, Span};
use sqlx::PgPool;

/// A cache that grows beyond this is emptied: names that carry ids would fill memory otherwise.
const CACHE_MAX: usize = 100_000;

type Hash = [u8; 32];

/// The four ids of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// `services.id`
    pub service: i32,
    /// `operations.id`
    pub operation: i32,
    /// `resources.id`
    pub resource: i32,
    /// `scopes.id`
    pub scope: i32,
}

/// The three ids of whatever a process produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// `services.id`
    pub service: i32,
    /// `resources.id`
    pub resource: i32,
    /// `scopes.id`
    pub scope: i32,
}

/// What is known already.
#[derive(Default)]
pub struct Dimensions {
    services: HashMap<String, i32>,
    /// By service, then by name: spans are looked up without copying their names.
    operations: HashMap<i32, HashMap<String, i32>>,
    resources: HashMap<Hash, i32>,
    scopes: HashMap<Hash, i32>,
}

impl Dimensions {
    /// Ids for each span, in order; adds what is new to the database.
    pub async fn resolve(&mut self, pool: &PgPool, spans: &[&Span]) -> anyhow::Result<Vec<Ids>> {
        let processes = self.processes(pool, spans).await?;
        self.add_operations(pool, spans).await.context("operations")?;
        let mut ids = Vec::with_capacity(spans.len());
        for (span, Process { service, resource, scope }) in spans.iter().zip(processes) {
            let operation = self.operation(service, &span.name).context("a dimension was deleted")?;
            ids.push(Ids { service, operation, resource, scope });
        }
        Ok(ids)
    }

    /// The ids that spans and log records have in common, in order; adds what is new to the database.
    pub async fn processes<T: Produced>(
        &mut self,
        pool: &PgPool,
        items: &[&T],
    ) -> anyhow::Result<Vec<Process>> {
        self.bound();
        let resources = distinct(items.iter().map(|item| item.resource()));
        let scopes = distinct(items.iter().map(|item| item.scope()));
        self.add_services(pool, &resources).await.context("services")?;
        self.add_resources(pool, &resources).await.context("resources")?;
        self.add_scopes(pool, &scopes).await.context("scopes")?;

        let mut processes = Vec::with_capacity(items.len());
        for item in items {
            let service = self.services.get(item.resource().service_name()).copied();
            let resource =
                resources.get(&address(item.resource())).and_then(|(h, _)| self.resources.get(h));
            let scope = scopes.get(&address(item.scope())).and_then(|(h, _)| self.scopes.get(h));
            let all = service.zip(resource.copied()).zip(scope.copied());
            let ((service, resource), scope) = all.context("a dimension was deleted")?;
            processes.push(Process { service, resource, scope });
        }
        Ok(processes)
    }

    /// Forgets everything: after an error the database may have lost what the cache remembers.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn operation(&self, service: i32, name: &str) -> Option<i32> {
        self.operations.get(&service)?.get(name).copied()
    }

    fn bound(&mut self) {
        let operations = self.operations.values().map(HashMap::len).sum();
        let sizes = [self.services.len(), operations, self.resources.len(), self.scopes.len()];
        if sizes.into_iter().any(|size| size > CACHE_MAX) {
            self.clear();
        }
    }

    async fn add_services(&mut self, pool: &PgPool, resources: &Distinct<Resource>) -> sqlx::Result<()> {
        let missing: BTreeSet<String> = resources
            .values()
            .map(|(_, resource)| resource.service_name())
            .filter(|name| !self.services.contains_key(*name))
            .map(str::to_owned)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        // Sorted, so that two writers lock in the same order.
        let missing: Vec<String> = missing.into_iter().collect();
        sqlx::query("INSERT INTO services (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING")
            .bind(&missing)
            .execute(pool)
            .await?;
        let rows: Vec<(i32, String)> = sqlx::query_as("SELECT id, name FROM services WHERE name = ANY($1)")
            .bind(&missing)
            .fetch_all(pool)
            .await?;
        self.services.extend(rows.into_iter().map(|(id, name)| (name, id)));
        Ok(())
    }

    async fn add_operations(&mut self, pool: &PgPool, spans: &[&Span]) -> sqlx::Result<()> {
        let missing: BTreeSet<(i32, &str)> = spans
            .iter()
            .filter_map(|span| {
                let service = *self.services.get(span.resource.service_name())?;
                let is_missing = self.operation(service, &span.name).is_none();
                is_missing.then_some((service, span.name.as_str()))
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (services, names): (Vec<i32>, Vec<String>) =
            missing.into_iter().map(|(service, name)| (service, name.to_owned())).unzip();
        sqlx::query(
            "INSERT INTO operations (service_id, name) SELECT * FROM unnest($1::int[], $2::text[])
             ON CONFLICT DO NOTHING",
        )
        .bind(&services)
        .bind(&names)
        .execute(pool)
        .await?;
        let rows: Vec<(i32, i32, String)> = sqlx::query_as(
            "SELECT id, service_id, name FROM operations
             JOIN unnest($1::int[], $2::text[]) AS wanted (service_id, name) USING (service_id, name)
             WHERE md5(operations.name) = md5(wanted.name)",
        )
        .bind(&services)
        .bind(&names)
        .fetch_all(pool)
        .await?;
        for (id, service, name) in rows {
            self.operations.entry(service).or_default().insert(name, id);
        }
        Ok(())
    }

    async fn add_resources(&mut self, pool: &PgPool, resources: &Distinct<Resource>) -> anyhow::Result<()> {
        for (hash, resource) in resources.values() {
            if self.resources.contains_key(hash) {
                continue;
            }
            let service = self.services.get(resource.service_name()).context("unknown service")?;
            sqlx::query(
                "INSERT INTO resources (hash, service_id, attributes, dropped_attributes_count, schema_url)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(&hash[..])
            .bind(service)
            .bind(serde_json::to_string(&resource.attributes)?)
            .bind(count(resource.dropped_attributes_count))
            .bind(&resource.schema_url)
            .execute(pool)
            .await?;
            let id: i32 = sqlx::query_scalar("SELECT id FROM resources WHERE hash = $1")
                .bind(&hash[..])
                .fetch_one(pool)
                .await?;
            self.resources.insert(*hash, id);
        }
        Ok(())
    }

    async fn add_scopes(&mut self, pool: &PgPool, scopes: &Distinct<Scope>) -> anyhow::Result<()> {
        for (hash, scope) in scopes.values() {
            if self.scopes.contains_key(hash) {
                continue;
            }
            sqlx::query(
                "INSERT INTO scopes (hash, name, version, attributes, dropped_attributes_count, schema_url)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            )
            .bind(&hash[..])
            .bind(&scope.name)
            .bind(&scope.version)
            .bind(serde_json::to_string(&scope.attributes)?)
            .bind(count(scope.dropped_attributes_count))
            .bind(&scope.schema_url)
            .execute(pool)
            .await?;
            let id: i32 = sqlx::query_scalar("SELECT id FROM scopes WHERE hash = $1")
                .bind(&hash[..])
                .fetch_one(pool)
                .await?;
            self.scopes.insert(*hash, id);
        }
        Ok(())
    }
}

fn count(dropped: u32) -> i32 {
    i32::try_from(dropped).unwrap_or(i32::MAX)
}

/// Content and its hash by address: spans of a request share one allocation, so that each is
/// hashed once.
type Distinct<T> = HashMap<usize, (Hash, Arc<T>)>;

fn address<T>(item: &Arc<T>) -> usize {
    Arc::as_ptr(item).addr()
}

fn distinct<'a, T: serde::Serialize + 'a>(items: impl Iterator<Item = &'a Arc<T>>) -> Distinct<T> {
    let mut distinct = HashMap::new();
    for item in items {
        distinct.entry(address(item)).or_insert_with(|| {
            // Strings, numbers and maps with string keys always serialize.
            let content = serde_json::to_vec(&**item).unwrap_or_default();
            (Sha256::digest(content).into(), Arc::clone(item))
        });
    }
    distinct
}
