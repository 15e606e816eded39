//! The operations of a service: which are called most, fail most, last longest.

use std::cmp::Ordering;

use leptos::prelude::*;
use spanloom_model::SpanKind;
use spanloom_model::api::OperationSummary;

use crate::components::sort_order::{Columns, Heading, Order, headings};
use crate::format;
use crate::state::query::Query;
use crate::state::range::use_range;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Kind,
    Rate,
    Errors,
    P50,
    P95,
    P99,
    Time,
}

impl Columns for Column {
    const HEADINGS: &'static [Heading<Self>] = &[
        Heading { column: Self::Name, name: "name", label: "Operation", title: "The span's name" },
        Heading { column: Self::Kind, name: "kind", label: "Kind", title: "The span's kind" },
        Heading { column: Self::Rate, name: "rate", label: "Rate", title: "Spans per second" },
        Heading {
            column: Self::Errors,
            name: "errors",
            label: "Errors",
            title: "Share of them with status error",
        },
        Heading { column: Self::P50, name: "p50", label: "p50", title: "Median duration" },
        Heading { column: Self::P95, name: "p95", label: "p95", title: "95 of 100 were at most this long" },
        Heading { column: Self::P99, name: "p99", label: "p99", title: "99 of 100 were at most this long" },
        Heading {
            column: Self::Time,
            name: "time",
            label: "Time",
            title: "Share of the time that all operations together take",
        },
    ];
    const DEFAULT: Self = Self::Time;

    fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::Kind)
    }
}

/// Equal rows stay in the order of their names either way.
fn compare(order: Order<Column>, a: &OperationSummary, b: &OperationSummary) -> Ordering {
    let by_column = match order.column {
        Column::Name => a.name.cmp(&b.name),
        Column::Kind => kind_name(a.kind).cmp(kind_name(b.kind)),
        Column::Rate => a.red.rate_per_second.total_cmp(&b.red.rate_per_second),
        Column::Errors => a.red.error_rate.total_cmp(&b.red.error_rate),
        Column::P50 => a.red.p50_ns.total_cmp(&b.red.p50_ns),
        Column::P95 => a.red.p95_ns.total_cmp(&b.red.p95_ns),
        Column::P99 => a.red.p99_ns.total_cmp(&b.red.p99_ns),
        Column::Time => time_share(a).total_cmp(&time_share(b)),
    };
    let by_column = if order.down { by_column.reverse() } else { by_column };
    by_column.then_with(|| a.name.cmp(&b.name)).then_with(|| a.kind.cmp(&b.kind))
}

fn time_share(operation: &OperationSummary) -> f64 {
    operation.red.count * operation.red.mean_ns
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

/// The table. A row leads to the traces with that operation.
#[component]
pub fn Operations(
    /// `service.name`.
    service: Memo<String>,
    /// None until they are loaded.
    operations: Memo<Option<Vec<OperationSummary>>>,
) -> impl IntoView {
    let range = use_range();
    let order = Memo::new(move |_| range.query.with(|query| Order::parse(query.get("sort"))));
    let rows = Memo::new(move |_| {
        let mut rows = operations.get().unwrap_or_default();
        rows.sort_by(|a, b| compare(order.get(), a, b));
        rows
    });
    let body = move || {
        let rows = rows.get();
        let time: f64 = rows.iter().map(time_share).sum();
        rows.iter().map(|operation| row(service, operation, time)).collect_view()
    };
    view! {
        <table class="table operations">
            <thead>
                {headings(order)}
            </thead>
            <tbody>{body}</tbody>
        </table>
    }
}

fn row(service: Memo<String>, operation: &OperationSummary, time: f64) -> impl IntoView + use<> {
    let range = use_range();
    let red = operation.red;
    let name = operation.name.clone();
    let href = move || {
        let query = Query::default().with("service", service.get()).with("operation", name.clone());
        range.href_with("/traces", query)
    };
    let has_errors = red.error_rate > 0.0;
    let share = if time > 0.0 { time_share(operation) / time } else { 0.0 };
    let width = format!("{:.1}%", share * 100.0);
    let spans = format!("{} spans", format::grouped(red.count.round() as u64));
    view! {
        <tr>
            <td><a class="row-name clip" href=href title=operation.name.clone()>{operation.name.clone()}</a></td>
            <td class="faint">{kind_name(operation.kind)}</td>
            <td class="num" title=spans>{format::rate(red.rate_per_second)}</td>
            <td class="num" class:error-text=has_errors class:faint=!has_errors>
                {has_errors.then_some("● ")}
                {format::percent(red.error_rate)}
            </td>
            <td class="num">{format::duration_f64(red.p50_ns)}</td>
            <td class="num">{format::duration_f64(red.p95_ns)}</td>
            <td class="num">{format::duration_f64(red.p99_ns)}</td>
            <td class="num">
                <span class="cell-bar" aria-hidden="true"><i style:width=width></i></span>
                <span class="cell-num">{format::percent(share)}</span>
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::RedSummary;

    fn operation(name: &str, kind: SpanKind, rate: f64, mean_ns: f64) -> OperationSummary {
        let red = RedSummary { count: rate, rate_per_second: rate, mean_ns, ..RedSummary::default() };
        OperationSummary { name: name.to_owned(), kind, red }
    }

    // Catches a default order that hides where the time goes, and equal rows that jump.
    #[test]
    fn where_the_time_goes_comes_first_and_equal_rows_stay_by_name() {
        let mut rows = [
            operation("b", SpanKind::Server, 1.0, 10.0),
            operation("a", SpanKind::Server, 1.0, 10.0),
            operation("slow", SpanKind::Client, 0.5, 100.0),
        ];
        let mut names = |order: &str| {
            rows.sort_by(|a, b| compare(Order::parse(Some(order)), a, b));
            rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names("-time"), ["slow", "a", "b"]);
        assert_eq!(names("-rate"), ["a", "b", "slow"]);
        assert_eq!(names("kind"), ["slow", "a", "b"]);
        assert_eq!(names("nonsense"), ["slow", "a", "b"]);
    }

    #[test]
    fn an_order_survives_the_url_and_a_second_click_turns_it_around() {
        let order = Order::<Column>::parse(None).clicked(Column::Errors);
        assert_eq!(Order::parse(Some(&order.name())), order);
        assert_eq!(order.clicked(Column::Errors).name(), "errors");
        assert_eq!(order.clicked(Column::Name).name(), "name");
    }
}
