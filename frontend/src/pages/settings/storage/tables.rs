//! The tables of the storage page: services, tables, what is kept, what went, partitions.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use spanloom_model::api::{
    RetentionEvent, RetentionReason, StoragePartition, StorageResponse, StorageService, StorageSignal,
    StorageTable,
};

use crate::components::service_chip::ServiceName;
use crate::components::time_cell::TimeCell;
use crate::format;
use crate::state::query::Query;
use crate::state::range::{ZONE, now_ms, use_range};

/// The word for a reason.
fn reason_name(reason: RetentionReason) -> &'static str {
    match reason {
        RetentionReason::Age => "age",
        RetentionReason::Bytes => "bytes",
    }
}

/// What a signal is, for people.
fn signal_title(name: &str) -> &'static str {
    match name {
        "traces" => "Traces",
        "metrics" => "Metrics by minute",
        "rollups" => "Metrics by hour and day",
        _ => "",
    }
}

fn bar(share: f64) -> impl IntoView {
    let width = format!("{:.1}%", if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 });
    view! { <span class="cell-bar" aria-hidden="true"><i style:width=width></i></span> }
}

/// A cell with bytes.
fn size(bytes: u64) -> impl IntoView {
    let exact = format!("{} bytes", format::grouped(bytes));
    view! { <td class="num" title=exact class:faint=bytes == 0>{format::bytes(bytes)}</td> }
}

/// A cell with the database's estimate of rows; it counts a table some time after its first rows came.
fn rows(estimate: u64, heap_bytes: u64) -> impl IntoView {
    let (text, title) = if estimate == 0 && heap_bytes > 0 {
        ("–".to_owned(), "not counted yet".to_owned())
    } else {
        (format::count(estimate as f64), format!("about {}", format::grouped(estimate)))
    };
    view! { <td class="num" title=title>{text}</td> }
}

/// Bytes of the tables of one kind: traces, or all metrics.
fn part(service: &StorageService, is_trace: impl Fn(&str) -> bool, wanted: bool) -> u64 {
    service.tables.iter().filter(|it| is_trace(&it.name) == wanted).map(|it| it.bytes).sum()
}

/// Services by bytes.
pub fn services(answer: &StorageResponse, selected: RwSignal<Option<usize>>) -> impl IntoView + use<> {
    let all: u64 = answer.days.iter().map(|day| day.bytes).sum();
    let most = answer.services.first().map_or(0, |it| it.bytes) as f64;
    let is_trace = |table: &str| {
        answer.tables.iter().any(|it| it.name == table && it.signal.as_deref() == Some("traces"))
    };
    let range = use_range();
    let rows = answer.services.iter().enumerate().map(|(at, service)| {
        let name = service.name.clone();
        let href = move || range.href_with("/traces", Query::default().with("service", name.clone()));
        let exact = format!("{} bytes, estimated", format::grouped(service.bytes));
        view! {
            <tr class:selected=move || selected.get() == Some(at) data-row=at>
                <td><a class="row-name" href=href><ServiceName name=service.name.clone() /></a></td>
                <td class="num" title=exact>
                    {bar(service.bytes as f64 / most)}
                    <span class="cell-num">{format::bytes(service.bytes)}</span>
                </td>
                <td class="num">{format::percent(service.bytes as f64 / all as f64)}</td>
                {size(part(service, is_trace, true))}
                {size(part(service, is_trace, false))}
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <table class="table" aria-labelledby="storage-services">
            <thead>
                <tr>
                    <th scope="col">"Service"</th>
                    <th scope="col" class="num">"Bytes"</th>
                    <th scope="col" class="num">"Share"</th>
                    <th scope="col" class="num">"Traces"</th>
                    <th scope="col" class="num">"Metrics"</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}

/// Tables by bytes.
pub fn tables(tables: &[StorageTable]) -> impl IntoView + use<> {
    let most = tables.first().map_or(0, |it| it.bytes) as f64;
    let row = |table: &StorageTable| {
        let ratio = table.compression_ratio.map(|ratio| {
            let title = format!(
                "{} of compressed data were {} before",
                format::bytes(table.compressed_bytes),
                format::bytes(table.uncompressed_bytes)
            );
            view! { <span title=title>{format!("{ratio:.1}×")}</span> }
        });
        view! {
            <tr>
                <td><code>{table.name.clone()}</code></td>
                <td class="faint">{table.signal.clone()}</td>
                {rows(table.rows_estimate, table.heap_bytes)}
                <td class="num">{(table.partitions > 0).then(|| format::grouped(table.partitions))}</td>
                {size(table.heap_bytes)}
                {size(table.toast_bytes)}
                {size(table.index_bytes)}
                <td class="num" title=format!("{} bytes", format::grouped(table.bytes))>
                    {bar(table.bytes as f64 / most)}
                    <span class="cell-num">{format::bytes(table.bytes)}</span>
                </td>
                <td class="num">{ratio}</td>
            </tr>
        }
    };
    view! {
        <table class="table" aria-labelledby="storage-tables">
            <thead>
                <tr>
                    <th scope="col">"Table"</th>
                    <th scope="col">"Signal"</th>
                    <th scope="col" class="num" title="The database's estimate">"Rows ≈"</th>
                    <th scope="col" class="num">"Partitions"</th>
                    <th scope="col" class="num" title="The rows themselves">"Heap"</th>
                    <th scope="col" class="num" title="Values stored out of line; in TimescaleDB also the columnstore">"Out of line"</th>
                    <th scope="col" class="num">"Indexes"</th>
                    <th scope="col" class="num">"Bytes"</th>
                    <th scope="col" class="num" title="How many times smaller the compressed part is than it was">"Compression"</th>
                </tr>
            </thead>
            <tbody>{tables.iter().map(row).collect_view()}</tbody>
        </table>
    }
}

/// How long what is kept, and what decides it.
pub fn retention(signals: &[StorageSignal]) -> impl IntoView + use<> {
    let row = |signal: &StorageSignal| {
        let bound = signal.bytes_max.map(|max| {
            view! {
                {bar(signal.bytes as f64 / max as f64)}
                <span class="cell-num">{format!("{} of {}", format::bytes(signal.bytes), format::bytes(max))}</span>
            }
            .into_any()
        });
        let bound = bound.unwrap_or_else(|| format::bytes(signal.bytes).into_any());
        let decided = match signal.last_reason {
            Some(RetentionReason::Age) => "Age decides what goes.",
            Some(RetentionReason::Bytes) => "Bytes decide: the oldest goes before its time.",
            None => "Nothing has gone yet.",
        };
        view! {
            <tr>
                <td>{signal_title(&signal.name)} " " <code class="faint">{signal.name.clone()}</code></td>
                <td class="num">{format::plural(u64::from(signal.days_max), "day")}</td>
                <td class="num">{bound}</td>
                <td><TimeCell time=signal.oldest none="nothing stored" /></td>
                <td class="words">{decided}</td>
            </tr>
        }
    };
    view! {
        <table class="table" aria-labelledby="storage-retention">
            <thead>
                <tr>
                    <th scope="col">"Signal"</th>
                    <th scope="col" class="num">"Kept for"</th>
                    <th scope="col" class="num">"Bytes"</th>
                    <th scope="col" title="Where the oldest partition begins">"Oldest"</th>
                    <th scope="col">"What decides"</th>
                </tr>
            </thead>
            <tbody>{signals.iter().map(row).collect_view()}</tbody>
        </table>
    }
}

/// From when to when, in the person's zone.
fn covered(from: DateTime<Utc>, to: DateTime<Utc>) -> impl IntoView {
    let now = DateTime::from_timestamp_millis(now_ms()).unwrap_or_default();
    let title = format!("{} to {}", format::full_time(from, &ZONE), format::full_time(to, &ZONE));
    let hours = (to - from).num_hours();
    let length =
        if hours % 24 == 0 { format::plural((hours / 24) as u64, "day") } else { format!("{hours} h") };
    view! { <span title=title>{format::clock(from, now, &ZONE)}<span class="faint">" + " {length}</span></span> }
}

/// What went lately.
pub fn events(events: &[RetentionEvent]) -> impl IntoView + use<> {
    if events.is_empty() {
        return view! { <p class="hint">"Nothing was dropped yet."</p> }.into_any();
    }
    let row = |event: &RetentionEvent| {
        view! {
            <tr>
                <td><TimeCell time=Some(event.dropped_at) none="" /></td>
                <td><code title=event.partition.clone()>{event.table.clone()}</code></td>
                <td>{covered(event.start_time, event.end_time)}</td>
                {rows(event.rows_estimate, event.bytes)}
                {size(event.bytes)}
                <td><span class="badge">{reason_name(event.reason)}</span></td>
            </tr>
        }
    };
    view! {
        <table class="table" aria-labelledby="storage-events">
            <thead>
                <tr>
                    <th scope="col">"When"</th>
                    <th scope="col">"Table"</th>
                    <th scope="col">"Covered"</th>
                    <th scope="col" class="num" title="The database's estimate">"Rows ≈"</th>
                    <th scope="col" class="num">"Bytes"</th>
                    <th scope="col">"Reason"</th>
                </tr>
            </thead>
            <tbody>{events.iter().map(row).collect_view()}</tbody>
        </table>
    }
    .into_any()
}

/// Every partition, folded away.
pub fn partitions(partitions: &[StoragePartition], count: u64) -> impl IntoView + use<> {
    let row = |partition: &StoragePartition| {
        view! {
            <tr>
                <td><code>{partition.name.clone()}</code></td>
                <td>{covered(partition.start_time, partition.end_time)}</td>
                {rows(partition.rows_estimate, partition.bytes)}
                {size(partition.bytes)}
                <td class="num">{partition.uncompressed_bytes.map(format::bytes)}</td>
            </tr>
        }
    };
    let shown = partitions.len() as u64;
    let summary = if shown < count {
        format!("Partitions: the newest {} of {}", format::grouped(shown), format::grouped(count))
    } else {
        format!("Partitions ({})", format::grouped(count))
    };
    view! {
        <details>
            <summary>{summary}</summary>
            <table class="table" aria-label="Partitions">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Covers"</th>
                        <th scope="col" class="num" title="The database's estimate">"Rows ≈"</th>
                        <th scope="col" class="num">"Bytes"</th>
                        <th scope="col" class="num">"Before compression"</th>
                    </tr>
                </thead>
                <tbody>{partitions.iter().map(row).collect_view()}</tbody>
            </table>
        </details>
    }
}
