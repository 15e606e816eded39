//! Which servers write, so that they can share the partitions of a broker's queue out.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::collect::queue::rabbit::Share;
use crate::store::Store;

/// How often a server tells that it is there.
const TELL_INTERVAL: Duration = Duration::from_secs(2);

/// Longer ago, and it counts as gone. Others have read its partitions for a while then.
const SEEN_SECONDS: f64 = 10.0;

/// Tells other servers that this one reads `queues` too, and tells `share` how many there are, until
/// `close`. While the database is away the number stays as it was.
pub async fn keep_share(store: Store, queues: String, share: Share, close: CancellationToken) {
    let server = Uuid::new_v4();
    let mut turns = tokio::time::interval(TELL_INTERVAL);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = close.cancelled() => break,
            _ = turns.tick() => {}
        }
        match tell(&store.writers, &queues, server).await {
            Ok(servers) => share.set_servers(servers),
            // The writer says that the database is away.
            Err(error) => tracing::debug!("the number of writing servers is not known now: {error}"),
        }
    }
    let _ = sqlx::query("DELETE FROM queue_servers WHERE queues = $1 AND server = $2")
        .bind(&queues)
        .bind(server)
        .execute(&store.writers)
        .await;
}

async fn tell(pool: &PgPool, queues: &str, server: Uuid) -> sqlx::Result<u32> {
    sqlx::query(
        "INSERT INTO queue_servers (queues, server, seen_at) VALUES ($1, $2, now())
         ON CONFLICT (queues, server) DO UPDATE SET seen_at = excluded.seen_at",
    )
    .bind(queues)
    .bind(server)
    .execute(pool)
    .await?;
    sqlx::query(
        "DELETE FROM queue_servers WHERE queues = $1 AND seen_at < now() - make_interval(secs => $2)",
    )
    .bind(queues)
    .bind(SEEN_SECONDS)
    .execute(pool)
    .await?;
    let servers: i64 = sqlx::query_scalar("SELECT count(*) FROM queue_servers WHERE queues = $1")
        .bind(queues)
        .fetch_one(pool)
        .await?;
    Ok(servers.try_into().unwrap_or(u32::MAX))
}
