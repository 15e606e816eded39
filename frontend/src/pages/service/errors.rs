//! The errors of a service that occur most.

use leptos::prelude::*;
use spanloom_model::api::ErrorGroup;

use crate::api;
use crate::charts::spark_bars::SparkBars;
use crate::components::error_group::trend_label;
use crate::components::states::ErrorBar;
use crate::components::time_cell::TimeCell;
use crate::format;
use crate::pages::errors::table::name_cell;
use crate::state::load::load;
use crate::state::query::Query;
use crate::state::range::use_range;

/// Shown here; the link leads to the others.
const GROUPS: usize = 5;

/// The section of the service's page.
#[component]
pub fn TopErrors(
    /// `service.name`.
    service: Memo<String>,
) -> impl IntoView {
    let range = use_range();
    let errors = load(
        move || Some((service.get(), range.window.get())),
        |(service, window), signal| async move {
            let mut query = api::window_query(window).with("service", service).with("order", "count");
            for state in ["open", "regressed"] {
                query.push("state", state);
            }
            api::errors(&query.with("limit", GROUPS.to_string()), signal).await
        },
    );
    let retry = Callback::new(move |()| errors.reload());
    let all = move || range.href_with("/errors", Query::default().with("service", service.get()));
    let content = move || {
        errors.value.get().map(|answer| {
            if answer.groups.is_empty() {
                return view! { <p class="error-none">"No unresolved errors in this time range."</p> }
                    .into_any();
            }
            let rows = answer.groups.iter().map(row).collect_view();
            view! { <table class="table errors"><tbody>{rows}</tbody></table> }.into_any()
        })
    };
    let more = move || {
        let count = errors.value.with(|it| it.as_ref().map_or(0, |it| it.group_count));
        if count > GROUPS as u64 { format!("All {count} errors") } else { "All errors".to_owned() }
    };
    view! {
        <div class="section-head">
            <h2 class="section-title">"Errors"</h2>
            <a class="button small" href=all>{more}</a>
        </div>
        {move || errors.error.get().map(|error| view! { <ErrorBar error=error retry=retry /> })}
        {content}
    }
}

fn row(group: &ErrorGroup) -> impl IntoView + use<> {
    view! {
        <tr>
            <td class="error-cell">{name_cell(group)}</td>
            <td><SparkBars values=group.trend.clone() label=trend_label(group) /></td>
            <td class="num">{format::count(group.count)}</td>
            <td class="num"><TimeCell time=Some(group.last_seen) none="" /></td>
        </tr>
    }
}
