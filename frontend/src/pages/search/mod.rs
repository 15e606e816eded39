//! Search for traces: form, plot, list. The URL holds all of it.

pub mod filter;
mod filter_bar;
mod filter_parts;
mod list;
pub mod memory;
mod points;
mod results;
mod scatter;
mod tag_field;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use spanloom_model::TraceId;

use self::filter::{Filter, LIMITS};
use self::filter_bar::FilterBar;
use self::list::{HEAD_HEIGHT, ROW_HEIGHT, ResultList};
use self::memory::{Remembered, use_search_memory};
use self::results::Results;
use self::scatter::Scatter;
use crate::components::list_keys::list_keys;
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::components::virtual_rows::VirtualRows;
use crate::pages::connect::ConnectGuide;
use crate::state::page::{Crumb, KeyHelp, use_page};
use crate::state::range::{use_change_query, use_range, use_set_range};
use crate::state::time_range::TimeRange;

const KEYS: &[KeyHelp] = &[
    ("j k", "Next, previous trace"),
    ("Enter", "Open it"),
    ("m", "Load more"),
    ("drag", "In the plot: narrow the time"),
];

/// The page.
#[component]
pub fn SearchPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Traces")], KEYS);
    let range = use_range();
    let memory = use_search_memory();
    let query = range.query_at("/traces");
    let remembered = memory.list.get_value();
    let results = Results::new(remembered.as_ref());
    let remembered = remembered.filter(|it| it.asked == results.asked.get_untracked());
    let hovered = RwSignal::new(None::<TraceId>);
    let selected = RwSignal::new(remembered.as_ref().and_then(|it| it.selected));
    let count =
        Signal::derive(move || results.rows.with(|rows| rows.as_ref().map_or(0, |rows| rows.len())));
    let rows = VirtualRows::new(count, ROW_HEIGHT, HEAD_HEIGHT);

    let navigate = StoredValue::new_local(use_navigate());
    let open = Callback::new(move |id: TraceId| {
        let href = untrack(|| range.href(&format!("/traces/{id}")));
        navigate.with_value(|navigate| navigate(&href, NavigateOptions::default()));
    });
    let id_at = move |at: usize| {
        results
            .rows
            .with_untracked(|rows| rows.as_ref().and_then(|rows| rows.get(at)).map(|row| row.trace_id))
    };
    let moved = move |at: usize| {
        rows.show(at);
        hovered.set(id_at(at));
    };
    list_keys(count, selected, moved, move |at| {
        if let Some(id) = id_at(at) {
            open.run(id);
        }
    });
    let more_key = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "m" && !crate::state::page::is_typing(&event) {
            results.load_more();
        }
    });
    on_cleanup(move || more_key.remove());
    // Another search starts at its top.
    Effect::new(move |previous: Option<()>| {
        results.first.value.track();
        if previous.is_some() {
            selected.set(None);
            rows.to_top();
        }
    });
    rows.start_at(remembered.map_or(0.0, |it| it.scroll_top));
    Effect::new(move |_| memory.query.set(query.get()));
    on_cleanup(move || {
        let list = results.first.value.try_get_untracked().flatten().map(|first| Remembered {
            // The question of the answer at hand: the next page's URL may already be there.
            asked: results.answered.get_value(),
            first,
            more: results.more.try_get_untracked().unwrap_or_default(),
            selected: selected.try_get_untracked().flatten(),
            scroll_top: rows.scroll_top(),
        });
        memory.list.set_value(list);
    });

    let complete_from_ms = Signal::derive(move || {
        let searched = results.searched()?;
        (!searched.complete).then(|| searched.complete_from.timestamp_millis())
    });
    let blank = Signal::derive(move || {
        let longest_first = results.filter.with(|filter| filter.longest_first);
        let has_more = results.next_cursor().is_some();
        results
            .rows
            .with(|rows| points::blank(rows.as_deref().map_or(&[], Vec::as_slice), has_more, longest_first))
    });
    let retry = Callback::new(move |()| results.first.reload());
    // What is shown changes only between these; a reload keeps the plot and the list in place.
    let shown = Memo::new(move |_| {
        match (results.rows.with(|rows| rows.as_ref().map(|rows| rows.len())), results.first.error.get()) {
            (None, None) => Shown::Skeleton,
            (None, Some(error)) => Shown::Failed(error),
            (Some(0), None) => Shown::Nothing,
            (Some(_), error) => Shown::List(error),
        }
    });
    let content = move || {
        match shown.get() {
        Shown::Skeleton => view! { <div class="scatter"></div><SkeletonRows rows=14 /> }.into_any(),
        Shown::Failed(error) => view! { <ErrorState error=error retry=retry /> }.into_any(),
        Shown::Nothing => view! { <NothingFound filter=results.filter statement=Signal::derive(move || results.statement()) /> }.into_any(),
        Shown::List(error) => view! {
            {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
            <Scatter rows=results.rows hovered=hovered open=open complete_from_ms=complete_from_ms blank=blank />
            <Statement results=results />
            <ResultList results=results rows=rows selected=selected hovered=hovered />
        }
        .into_any(),
    }
    };
    view! {
        <div class="search-page">
            <FilterBar filter=results.filter />
            <div class="search-results" aria-busy=move || results.first.loading.get().to_string()>
                <span class="progress" class:on=move || results.first.loading.get() aria-hidden="true"></span>
                {content}
            </div>
        </div>
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Shown {
    Skeleton,
    Failed(crate::api::ApiError),
    Nothing,
    List(Option<crate::api::ApiError>),
}

/// What the results are, and how many the person wants at a time.
#[component]
fn Statement(results: Results) -> impl IntoView {
    let change = StoredValue::new_local(use_change_query());
    let limit = move || results.filter.with(Filter::limit).to_string();
    view! {
        <div class="statement">
            <span role="status">{move || results.statement()}</span>
            <span class="grow"></span>
            <label class="faint" for="limit">"per page"</label>
            <select
                id="limit"
                class="select"
                prop:value=limit
                on:change=move |event| {
                    let chosen = event_target_value(&event);
                    change.with_value(|change| change(&|query| query.set("limit", chosen.clone())));
                }
            >
                {LIMITS
                    .into_iter()
                    .map(|choice| view! {
                        <option value=choice selected=results.filter.with_untracked(|filter| filter.limit() == choice)>{choice}</option>
                    })
                    .collect_view()}
            </select>
        </div>
    }
}

#[component]
fn NothingFound(filter: Memo<Filter>, #[prop(into)] statement: Signal<Option<String>>) -> impl IntoView {
    let range = use_range();
    let set_range = StoredValue::new_local(use_set_range());
    let change = StoredValue::new_local(use_change_query());
    let title = untrack(move || statement.get()).unwrap_or_default();
    let title = format!("Nothing found: {title}");
    let widen = move |_| {
        let window = range.window.get_untracked();
        let longer_s = (window.length_ms() / 1000).saturating_mul(6).clamp(3600, 30 * 86_400);
        set_range.with_value(|set| set(TimeRange::last(longer_s)));
    };
    let clear = move |_| {
        change.with_value(|change| change(&|query| Filter::default().write(query)));
    };
    view! {
        <EmptyState title=title>
            {if filter.get_untracked().is_empty() {
                view! {
                    <p>"Choose a longer time range, or send the first spans:"</p>
                    <ConnectGuide />
                }
                .into_any()
            } else {
                view! {
                    <p>"One span must satisfy service, operation, tags, status and what is said of the span together; the other durations concern the whole trace. Search a longer time, or with fewer conditions."</p>
                    {filter.get_untracked().of_span.then(|| view! {
                        <p>"Charts count all spans. Those that sampling left out or that retention has removed have no traces."</p>
                    })}
                }
                .into_any()
            }}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=widen>"Search a longer time"</button>
                <button type="button" class="button" hidden=move || filter.with(Filter::is_empty) on:click=clear>"Clear all filters"</button>
            </div>
        </EmptyState>
    }
}
