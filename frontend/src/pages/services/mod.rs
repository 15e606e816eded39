//! Home: the services with their rate, errors and durations, how these came to be and how they were before.

pub mod history;

use std::cmp::Ordering;
use std::collections::HashMap;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use spanloom_model::api::ServiceSummary;

use self::history::{Course, History, METRICS, change, change_label, histories, steps_of};
use crate::api;
use crate::charts::sparkline::sparkline;
use crate::components::list_keys::list_keys;
use crate::components::service_chip::ServiceName;
use crate::components::sort_order::{Columns, Heading, Order, headings};
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::format;
use crate::pages::connect::ConnectGuide;
use crate::pages::service::ENTRY_KINDS;
use crate::state::find::score;
use crate::state::load::load;
use crate::state::page::{Crumb, KeyHelp, use_page};
use crate::state::query::encode;
use crate::state::range::{RangeState, use_range};

const KEYS: &[KeyHelp] = &[("j k", "Next, previous service"), ("Enter", "Opens it")];

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Rate,
    Errors,
    P50,
    P95,
    P99,
}

impl Columns for Column {
    const HEADINGS: &'static [Heading<Self>] = &[
        Heading { column: Self::Name, name: "name", label: "Service", title: "service.name" },
        Heading {
            column: Self::Rate,
            name: "rate",
            label: "Rate",
            title: "Calls per second: spans of kind server and consumer; of services without such, all spans",
        },
        Heading {
            column: Self::Errors,
            name: "errors",
            label: "Errors",
            title: "Share of these spans with status error",
        },
        Heading { column: Self::P50, name: "p50", label: "p50", title: "Median duration" },
        Heading { column: Self::P95, name: "p95", label: "p95", title: "95 of 100 were at most this long" },
        Heading { column: Self::P99, name: "p99", label: "p99", title: "99 of 100 were at most this long" },
    ];
    const DEFAULT: Self = Self::Rate;

    fn is_text(self) -> bool {
        self == Self::Name
    }
}

fn compare(order: Order<Column>, a: &ServiceSummary, b: &ServiceSummary) -> Ordering {
    let key = |service: &ServiceSummary| match order.column {
        Column::Name => 0.0,
        Column::Rate => service.red.rate_per_second,
        Column::Errors => service.red.error_rate,
        Column::P50 => service.red.p50_ns,
        Column::P95 => service.red.p95_ns,
        Column::P99 => service.red.p99_ns,
    };
    let by_column = key(a).total_cmp(&key(b));
    let by_name = a.name.cmp(&b.name);
    match (order.column, order.down) {
        (Column::Name, false) => by_name,
        (Column::Name, true) => by_name.reverse(),
        // Equal rows stay in the order of their names either way.
        (_, false) => by_column.then(by_name),
        (_, true) => by_column.reverse().then(by_name),
    }
}

fn arranged(services: &[ServiceSummary], filter: &str, order: Order<Column>) -> Vec<ServiceSummary> {
    let mut rows: Vec<ServiceSummary> =
        services.iter().filter(|service| score(&service.name, filter).is_some()).cloned().collect();
    rows.sort_by(|a, b| compare(order, a, b));
    rows
}

/// The page.
#[component]
pub fn ServicesPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Services")], KEYS);
    let range = use_range();
    let services = load(
        move || Some(range.window.get()),
        |window, signal| async move { api::services(window, signal).await },
    );
    // Later than the numbers, and not worth an error of its own: the lines are missing then.
    let history = load(
        move || Some(range.window.get()),
        |window, signal| async move {
            let steps = steps_of(window);
            let entries = api::service_histories(&METRICS, ENTRY_KINDS, window, steps, signal).await?;
            Ok(histories(&entries))
        },
    );
    let history = Memo::new(move |_| history.value.get().map(|it| (*it).clone()).unwrap_or_default());
    let filter = RwSignal::new(String::new());
    let order = Memo::new(move |_| range.query.with(|query| Order::parse(query.get("sort"))));
    let rows = Memo::new(move |_| {
        services.value.with(|it| {
            it.as_ref().map(|it| filter.with(|filter| arranged(&it.services, filter, order.get())))
        })
    });
    let retry = Callback::new(move |()| services.reload());

    let selected = RwSignal::new(None::<usize>);
    let navigate = use_navigate();
    let open = StoredValue::new_local(move |at: usize| {
        let name = rows
            .with_untracked(|rows| rows.as_ref().and_then(|rows| rows.get(at).map(|row| row.name.clone())));
        if let Some(name) = name {
            navigate(&untrack(|| page_of(range, &name)), NavigateOptions::default());
        }
    });
    list_keys(
        Signal::derive(move || rows.with(|rows| rows.as_ref().map_or(0, Vec::len))),
        selected,
        show_row,
        move |at| open.with_value(|open| open(at)),
    );

    let content = move || {
        let error = services.error.get();
        let known = services.value.with(|it| it.as_ref().map(|it| it.services.is_empty()));
        match (known, error) {
            (None, Some(error)) => view! { <ErrorState error=error retry=retry /> }.into_any(),
            (None, None) => view! { <SkeletonRows rows=12 /> }.into_any(),
            (Some(true), None) => view! { <NoServices /> }.into_any(),
            (Some(_), error) => view! {
                {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
                <ServiceTable rows=rows history=history order=order filter=filter selected=selected />
            }
            .into_any(),
        }
    };
    view! {
        <div class="toolbar">
            <input
                class="input filter-input"
                type="search"
                data-search=""
                placeholder="Filter services"
                aria-label="Filter services"
                prop:value=move || filter.get()
                on:input=move |event| {
                    filter.set(event_target_value(&event));
                    selected.set(None);
                }
            />
            <span class="faint" role="status">
                {move || rows.with(|rows| rows.as_ref().map(|rows| format::plural(rows.len() as u64, "service")))}
            </span>
            <span class="progress" class:on=move || services.loading.get() aria-hidden="true"></span>
        </div>
        <div class="page-scroll" aria-busy=move || services.loading.get().to_string()>{content}</div>
    }
}

/// The page of a service, with the page's time range; tracks it.
fn page_of(range: RangeState, service: &str) -> String {
    range.href(&format!("/services/{}", encode(service)))
}

fn show_row(at: usize) {
    let row = document().query_selector(&format!("[data-row='{at}']")).ok().flatten();
    if let Some(row) = row {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        row.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Nothing arrived in the range: perhaps never, perhaps only not now.
#[component]
fn NoServices() -> impl IntoView {
    view! {
        <EmptyState title="No spans in this time range">
            <p>"If something sends spans already, choose a longer time range above. Otherwise point any OpenTelemetry SDK or Collector at this server:"</p>
            <ConnectGuide />
        </EmptyState>
    }
}

#[component]
fn ServiceTable(
    rows: Memo<Option<Vec<ServiceSummary>>>,
    history: Memo<HashMap<String, History>>,
    order: Memo<Order<Column>>,
    filter: RwSignal<String>,
    selected: RwSignal<Option<usize>>,
) -> impl IntoView {
    let body = move || {
        let rows = rows.get().unwrap_or_default();
        if rows.is_empty() {
            let text = filter.with(|filter| format!("No service fits “{filter}”."));
            return view! { <tr><td colspan="6" class="faint">{text}</td></tr> }.into_any();
        }
        let most = |value: fn(&ServiceSummary) -> f64| rows.iter().map(value).fold(0.0, f64::max);
        let rate_max = most(|service| service.red.rate_per_second);
        let p95_max = most(|service| service.red.p95_ns);
        let rows = rows.into_iter().enumerate();
        history.with(|history| {
            let none = History::default();
            let row = |(at, service): (usize, ServiceSummary)| {
                let history = history.get(&service.name).unwrap_or(&none);
                row(at, &service, history, (rate_max, p95_max), selected)
            };
            rows.map(row).collect_view().into_any()
        })
    };
    view! {
        <table class="table services">
            <thead>
                {headings(order)}
            </thead>
            <tbody>{body}</tbody>
        </table>
    }
}

fn row(
    at: usize,
    service: &ServiceSummary,
    history: &History,
    (rate_max, p95_max): (f64, f64),
    selected: RwSignal<Option<usize>>,
) -> impl IntoView + use<> {
    let red = service.red;
    let name = service.name.clone();
    let navigate = use_navigate();
    let to = name.clone();
    let range = use_range();
    let go = move |event: web_sys::MouseEvent| {
        // The link deals with clicks on itself and with those that open a tab.
        if !event.default_prevented() && !event.ctrl_key() && !event.meta_key() && event.button() == 0 {
            navigate(&untrack(|| page_of(range, &to)), NavigateOptions::default());
        }
    };
    let href = {
        let name = name.clone();
        move || page_of(range, &name)
    };
    let has_errors = red.error_rate > 0.0;
    let spans = format!("{} spans", format::grouped(red.count.round() as u64));
    view! {
        <tr class="row-link" class:selected=move || selected.get() == Some(at) data-row=at on:click=go>
            <td>
                <a class="row-name" href=href on:click=|event| event.stop_propagation()>
                    <ServiceName name=name />
                </a>
            </td>
            <td class="num" title=spans>
                {changed(red.rate_per_second, &history.rate, format::rate, false)}
                {sparkline(&history.rate.points, "")}
                {bar(red.rate_per_second / rate_max)}
                <span class="cell-num">{format::rate(red.rate_per_second)}</span>
            </td>
            <td class="num" class:error-text=has_errors class:faint=!has_errors>
                {changed(red.error_rate, &history.errors, format::percent, true)}
                {sparkline(&history.errors.points, "errors")}
                <span class="cell-num">{has_errors.then_some("● ")}{format::percent(red.error_rate)}</span>
            </td>
            <td class="num">{format::duration_f64(red.p50_ns)}</td>
            <td class="num">
                {changed(red.p95_ns, &history.p95, format::duration_f64, true)}
                {sparkline(&history.p95.points, "")}
                {bar(red.p95_ns / p95_max)}
                <span class="cell-num">{format::duration_f64(red.p95_ns)}</span>
            </td>
            <td class="num">{format::duration_f64(red.p99_ns)}</td>
        </tr>
    }
}

/// How a number differs from the period before; more is worse if `is_bad`.
fn changed(
    now: f64,
    course: &Course,
    label: fn(f64) -> String,
    is_bad: bool,
) -> Option<impl IntoView + use<>> {
    let before = course.before?;
    let change = change(now, course.before)?;
    let title = format!("{} in the period before, which is as long", label(before));
    let is_worse = is_bad && change > 0.0;
    Some(view! { <span class="change" class:worse=is_worse title=title>{change_label(change)}</span> })
}

/// A bar beside the number, so that the outlier is seen before the numbers are read.
fn bar(share: f64) -> impl IntoView {
    let width = format!("{:.1}%", if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 });
    view! { <span class="cell-bar" aria-hidden="true"><i style:width=width></i></span> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::RedSummary;

    fn service(name: &str, rate: f64, errors: f64) -> ServiceSummary {
        let red = RedSummary { rate_per_second: rate, error_rate: errors, ..RedSummary::default() };
        ServiceSummary { name: name.to_owned(), red }
    }

    fn names(filter: &str, sort: Option<&str>) -> Vec<String> {
        let services = [service("cart", 2.0, 0.0), service("auth", 9.0, 0.5), service("blog", 2.0, 0.0)];
        arranged(&services, filter, Order::parse(sort)).into_iter().map(|it| it.name).collect()
    }

    #[test]
    fn rows_are_ordered_as_the_url_says_and_equal_ones_by_name() {
        assert_eq!(names("", None), ["auth", "blog", "cart"]);
        assert_eq!(names("", Some("rate")), ["blog", "cart", "auth"]);
        assert_eq!(names("", Some("-name")), ["cart", "blog", "auth"]);
        assert_eq!(names("", Some("nonsense")), ["auth", "blog", "cart"]);
        assert_eq!(names("a", Some("-errors")), ["auth", "cart"]);
    }

    #[test]
    fn an_order_survives_the_url_and_a_second_click_turns_it_around() {
        let order = Order::<Column>::parse(None).clicked(Column::P95);
        assert_eq!(Order::parse(Some(&order.name())), order);
        assert_eq!(order.name(), "-p95");
        assert_eq!(order.clicked(Column::P95).name(), "p95");
        assert_eq!(order.clicked(Column::Name).name(), "name");
    }
}
