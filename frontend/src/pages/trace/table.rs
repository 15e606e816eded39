//! Figures by service and operation.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use leptos::prelude::*;
use spanloom_analysis::{GroupSpan, GroupStatistics, statistics};

use super::model::TraceModel;
use super::state::{Tab, ViewState};
use crate::components::service_chip::ServiceName;
use crate::components::sort_header::{SortButton, Sorted};
use crate::format;
use crate::state::range::use_change_query;

/// More rows than anybody reads; the rest is cut after sorting.
const SHOWN_MAX: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Count,
    Errors,
    Total,
    SelfTime,
    Average,
    P95,
    Max,
}

/// A service's operation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    service: String,
    operation: String,
    figures: GroupStatistics,
}

fn lines(model: &TraceModel) -> Vec<Line> {
    let mut group_of: HashMap<(usize, &str), usize> = HashMap::new();
    let mut names = Vec::new();
    let spans: Vec<GroupSpan> = (0..model.trace.spans.len())
        .map(|span| {
            let key = (model.service_index(span), model.span(span).name.as_str());
            let group = *group_of.entry(key).or_insert_with(|| {
                names.push(key);
                names.len() - 1
            });
            GroupSpan {
                group,
                duration_ns: model.times[span].duration_ns(),
                self_time_ns: model.child_time.self_time_ns(span),
                is_error: model.is_error(span),
            }
        })
        .collect();
    let line = |figures: GroupStatistics| {
        let (service, operation) = names[figures.group];
        let service = model.services[service].name.clone();
        Line { service, operation: operation.to_owned(), figures }
    };
    statistics(&spans).into_iter().map(line).collect()
}

fn compare(a: &Line, b: &Line, column: Column) -> Ordering {
    let (x, y) = (&a.figures, &b.figures);
    match column {
        Column::Name => (&a.service, &a.operation).cmp(&(&b.service, &b.operation)),
        Column::Count => x.count.cmp(&y.count),
        Column::Errors => x.errors.cmp(&y.errors),
        Column::Total => x.total_ns.cmp(&y.total_ns),
        Column::SelfTime => x.self_ns.cmp(&y.self_ns),
        Column::Average => x.average_ns.cmp(&y.average_ns),
        Column::P95 => x.p95_ns.cmp(&y.p95_ns),
        Column::Max => x.max_ns.cmp(&y.max_ns),
    }
}

fn sorted(mut lines: Vec<Line>, column: Column, descending: bool) -> Vec<Line> {
    lines.sort_by(|a, b| {
        let order = compare(a, b, column);
        let order = if descending { order.reverse() } else { order };
        // Equal figures keep a place that one can remember.
        order.then_with(|| compare(a, b, Column::Name))
    });
    lines
}

/// The table.
#[component]
pub fn Table(
    /// The page's state.
    state: ViewState,
) -> impl IntoView {
    let model: Arc<TraceModel> = state.model();
    let all = lines(&model);
    let whole_ns: i64 = all.iter().map(|line| line.figures.self_ns).sum();
    let count = all.len();
    let all = StoredValue::new(all);
    // Self time first: it says where the time went.
    let order = RwSignal::new((Column::SelfTime, true));
    let change = use_change_query();
    let show = Callback::new(move |operation: String| {
        state.find_text.set(operation.clone());
        state.search();
        change(&|query| {
            query.set("view", Tab::Timeline.name());
            query.set("q", operation.clone());
        });
    });
    let head = move |column: Column, label: &'static str, title: &'static str| {
        let sorted = Signal::derive(move || match order.get() {
            (by, _) if by != column => Sorted::No,
            (_, true) => Sorted::Down,
            (_, false) => Sorted::Up,
        });
        let turn = Callback::new(move |()| {
            order.update(|(by, descending)| {
                *descending = if *by == column { !*descending } else { column != Column::Name };
                *by = column;
            });
        });
        view! {
            <th class:num=column != Column::Name aria-sort=move || sorted.get().aria()>
                <SortButton label=label title=title sorted=sorted sort=turn />
            </th>
        }
    };
    let rows = move || {
        let (column, descending) = order.get();
        let mut lines = sorted(all.get_value(), column, descending);
        lines.truncate(SHOWN_MAX);
        lines.into_iter().map(|line| row(line, whole_ns, show)).collect_view()
    };
    view! {
        <div class="trace-table">
            <table class="table">
                <thead>
                    <tr>
                        {head(Column::Name, "Service and operation", "By name")}
                        {head(Column::Count, "Spans", "How many")}
                        {head(Column::Errors, "Errors", "Spans that failed")}
                        {head(Column::SelfTime, "Self time", "Sum of the times without a child running")}
                        {head(Column::Total, "Total", "Sum of the durations; parallel spans count each")}
                        {head(Column::Average, "Average", "Mean duration")}
                        {head(Column::P95, "p95", "95 % of the spans take no longer")}
                        {head(Column::Max, "Longest", "The longest duration")}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            {(count > SHOWN_MAX).then(|| view! { <p class="trace-note">{format!("The first {SHOWN_MAX} of {} operations in this order.", format::grouped(count as u64))}</p> })}
        </div>
    }
}

fn row(line: Line, whole_ns: i64, show: Callback<String>) -> impl IntoView {
    let Line { service, operation, figures } = line;
    let share = if whole_ns > 0 { figures.self_ns as f64 / whole_ns as f64 } else { 0.0 };
    let hue = crate::components::service_color::hue(&service).to_string();
    let target = operation.clone();
    let errors = match figures.errors {
        0 => view! { <span class="faint">"0"</span> }.into_any(),
        errors => view! { <span class="error-text">"● "{format::grouped(errors as u64)}</span> }.into_any(),
    };
    view! {
        <tr>
            <td>
                <span class="trace-table-name">
                    <ServiceName name=service />
                    <button type="button" class="trace-link clip" title="Find these spans in the timeline" on:click=move |_| show.run(target.clone())>{operation}</button>
                </span>
            </td>
            <td class="num">{format::grouped(figures.count as u64)}</td>
            <td class="num">{errors}</td>
            <td class="num trace-share">
                <i style:width=format!("{:.1}%", share * 100.0) style=("--hue", hue)></i>
                {format::duration(figures.self_ns)}
                <span class="faint">{format::percent(share)}</span>
            </td>
            <td class="num">{format::duration(figures.total_ns)}</td>
            <td class="num">{format::duration(figures.average_ns)}</td>
            <td class="num">{format::duration(figures.p95_ns)}</td>
            <td class="num">{format::duration(figures.max_ns)}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{span, trace};
    use super::*;

    #[test]
    fn operations_of_the_same_name_are_kept_apart_by_service() {
        let mut spans = vec![span(1, 0, 0, 0, 100), span(2, 1, 1, 10, 20), span(3, 1, 1, 40, 40)];
        for span in &mut spans {
            span.name = "get".to_owned();
        }
        let model = TraceModel::new(trace(&["web", "db"], spans)).unwrap();
        let found = sorted(lines(&model), Column::SelfTime, true);
        let figures: Vec<_> = found
            .iter()
            .map(|line| (line.service.as_str(), line.figures.count, line.figures.self_ns))
            .collect();
        assert_eq!(figures, [("db", 2, 60), ("web", 1, 40)]);
        let by_name = sorted(found, Column::Name, false);
        assert_eq!(by_name[0].service, "db");
    }
}
