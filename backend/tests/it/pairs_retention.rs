//! Pairs of attributes go after the spans that refer to them, and never before.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use spanloom::config::Config;
use spanloom::store::pairs::{PAIRS_LOCK, sweep};
use spanloom::store::retention::{self, Signal, SignalLimits};
use spanloom_model::{AttrValue, Span};

use super::harness::{self, Spanloom, until};
use super::pairs::{DAY_NS, assert_equal, dictionary, references, send, span, start_on};

/// A span so many days old with the attributes, all with the same value.
fn aged(trace: u128, days: i64, keys: &[&str]) -> Span {
    let attributes = keys.iter().map(|key| ((*key).to_owned(), AttrValue::from("v"))).collect();
    span(trace, days * DAY_NS, attributes)
}

/// Drops the partitions of spans older than so many days.
async fn drop_spans(server: &Spanloom, days: u32) -> anyhow::Result<()> {
    let traces = SignalLimits { days, bytes_max: None };
    let limits = retention::Limits {
        retention: Config::default().storage.retention.with(Signal::Traces, traces),
        bytes_max: None,
    };
    let mut tx = server.pool().begin().await?;
    retention::enforce(&mut tx, chrono::Utc::now(), &limits).await?;
    Ok(tx.commit().await?)
}

async fn sweep_pairs(server: &Spanloom) -> anyhow::Result<u64> {
    let mut tx = server.pool().begin().await?;
    // As the job does.
    sqlx::query("SET LOCAL lock_timeout = '2s'").execute(&mut *tx).await?;
    let deleted = sweep(&mut tx).await?;
    tx.commit().await?;
    Ok(deleted)
}

async fn keys(server: &Spanloom) -> BTreeSet<String> {
    dictionary(server).await.into_iter().map(|(key, _)| key).collect()
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// Catches pairs that outlive their spans, that go before them, and that a writer believes to be there when
/// they are gone.
#[tokio::test(flavor = "multi_thread")]
async fn pairs_go_after_their_spans() {
    let database = harness::database().await;
    let (server, other) = (start_on(&database).await, start_on(&database).await);
    // Everything repeats. What is old is written last, as by an import.
    let mut spans = Vec::new();
    for (days, keys) in [(0, ["both", "new"]), (5, ["both", "old"]), (3, ["between", "old"])] {
        spans.extend((0..3).map(|nth| aged(1 + days as u128 * 10 + nth, days, &keys)));
    }
    for span in &spans {
        send(&server, std::slice::from_ref(span)).await;
    }
    // It learns of the pairs, too.
    let known = aged(900, 3, &["both", "old", "between", "new"]);
    send(&other, std::slice::from_ref(&known)).await;
    spans.push(known);
    assert_eq!(sweep_pairs(&server).await.unwrap(), 0, "each is referred to");

    drop_spans(&server, 4).await.unwrap();
    assert_eq!(sweep_pairs(&server).await.unwrap(), 0, "old ones are on spans of three days ago, too");
    let is_kept = |days: i64| move |span: &Span| span.start_ns > aged(1, days, &[]).start_ns - DAY_NS / 2;
    spans.retain(is_kept(4));
    assert_equal(&server, &spans).await;

    drop_spans(&server, 1).await.unwrap();
    assert_eq!(sweep_pairs(&server).await.unwrap(), 2);
    assert_eq!(keys(&server).await, set(&["both", "new"]));
    spans.retain(is_kept(1));
    assert_equal(&server, &spans).await;

    // Both servers know the pairs that are gone, and neither knows that.
    for (nth, writer) in [(0, &server), (1, &other), (2, &server), (3, &other)] {
        let late = aged(700 + nth, 3, &["between", "old", "both"]);
        send(writer, std::slice::from_ref(&late)).await;
        spans.push(late);
    }
    assert_eq!(references(&server).await.1, 0);
    assert_eq!(keys(&server).await, set(&["both", "new", "between", "old"]));
    assert_equal(&server, &spans).await;
    assert_equal(&other, &spans).await;
    assert_eq!(sweep_pairs(&server).await.unwrap(), 0, "they are used by spans of three days ago");
}

/// Catches a pair that goes while a span that refers to it is on its way.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_while_a_writer_is_in_its_transaction() {
    let server = start_on(&harness::database().await).await;
    for trace in 1..=2 {
        send(&server, &[aged(trace, 3, &["old"])]).await;
    }
    drop_spans(&server, 1).await.unwrap();
    let mut writer = server.pool().begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1, 0)")
        .bind(PAIRS_LOCK)
        .execute(&mut *writer)
        .await
        .unwrap();
    assert!(sweep_pairs(&server).await.is_err(), "it does not wait for the writer");
    assert_eq!(keys(&server).await, set(&["old"]));
    writer.rollback().await.unwrap();
    assert_eq!(sweep_pairs(&server).await.unwrap(), 1);
}

/// Catches a writer that does not wait for what is being deleted, and may use it.
#[tokio::test(flavor = "multi_thread")]
async fn no_writer_writes_while_pairs_go() {
    let server = start_on(&harness::database().await).await;
    let mut sweeping = server.pool().begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1, 0)")
        .bind(PAIRS_LOCK)
        .execute(&mut *sweeping)
        .await
        .unwrap();
    let spans = [aged(1, 0, &["new"])];
    let waits = async {
        until("the writer waits", async || {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                     AND classid::bigint = $1 AND mode = 'ShareLock'
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            )
            .bind(i64::from(PAIRS_LOCK))
            .fetch_one(server.pool())
            .await
            .unwrap()
        })
        .await;
        let stored: i64 =
            sqlx::query_scalar("SELECT count(*) FROM spans").fetch_one(server.pool()).await.unwrap();
        assert_eq!(stored, 0);
        sweeping.rollback().await.unwrap();
    };
    tokio::join!(send(&server, &spans), waits);
    assert_equal(&server, &spans).await;
}

/// Catches any order of writing, dropping and sweeping that leaves a span with a pair that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn writers_and_retention_at_once_leave_no_span_without_its_pairs() {
    const ROUNDS_MAX: u128 = 5_000;
    let database = harness::database().await;
    let (one, other) = (start_on(&database).await, start_on(&database).await);
    let is_over = AtomicBool::new(false);
    let write = async |server: &Spanloom, first: u128| {
        let mut spans = Vec::new();
        for round in (0..ROUNDS_MAX).take_while(|_| !is_over.load(Ordering::Relaxed)) {
            // Mostly of today, so that there are moments in which something may go.
            let days = if round % 8 == 2 { round as i64 / 8 % 7 } else { 0 };
            let own = format!("of {days} days ago");
            let batch: Vec<Span> =
                (0..3).map(|nth| aged(first + round * 10 + nth, days, &["all", &own])).collect();
            send(server, &batch).await;
            spans.extend(batch);
        }
        spans
    };
    let sweep = async {
        // What is allowed to stay gets younger: there is something to sweep each time.
        for days in (1..=5).rev() {
            loop {
                // Either gives up where a writer is in its way; the job then tries again.
                let _ = drop_spans(&one, days).await;
                let deleted = sweep_pairs(&one).await.unwrap_or_default();
                assert_eq!(references(&one).await.1, 0);
                if deleted > 0 {
                    break;
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (mine, yours, ()) = tokio::join!(write(&one, 1), write(&other, 100_000), sweep);
    assert_eq!(references(&one).await.1, 0);
    let recent = aged(1, 0, &[]).start_ns - DAY_NS / 2;
    let kept: Vec<Span> = mine.into_iter().chain(yours).filter(|span| span.start_ns > recent).collect();
    assert_equal(&other, &kept).await;
}
