//! A whole trace: header, minimap, timeline or table, details of a span.
//!
//! `model` is computed once per trace; `state` is what keys and pointer change; `timeline` builds
//! only the rows that can be seen (`tile`). Selection, search and view live in the URL (`link`).

pub mod attributes;
mod canvas;
mod colors;
mod detail;
pub mod dom;
mod events;
mod find;
mod groups;
mod header;
mod keys;
mod link;
mod logs;
mod minimap;
mod model;
mod row;
mod state;
mod table;
mod tile;
mod timeline;
mod toolbar;
mod viewport;

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use spanloom_model::TraceId;

use crate::api::{self, ApiError};
use crate::charts::size::use_size;
use crate::components::log_links::use_log_links;
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::state::load::{Loaded, load};
use crate::state::page::{Crumb, use_page};
use crate::state::range::use_range;
use crate::state::theme::use_theme;

use self::colors::Colors;
use self::detail::Detail;
use self::dom::{Splitter, use_stored_px};
use self::header::Header;
use self::keys::KEYS;
use self::logs::Logs;
use self::minimap::Minimap;
use self::model::TraceModel;
use self::state::{Tab, ViewState};
use self::table::Table;
use self::timeline::Timeline;
use self::toolbar::Toolbar;

/// The trace's answer: none if the trace has no spans.
type Answer = Option<Arc<TraceModel>>;

/// What the page shows; equal to what it showed before as long as nothing has to be built anew.
#[derive(Clone)]
enum Shown {
    NoId(String, String),
    Loading,
    Missing,
    Failed(ApiError),
    Trace(Arc<TraceModel>),
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::NoId(a, _), Self::NoId(b, _)) => a == b,
            (Self::Failed(a), Self::Failed(b)) => a == b,
            (Self::Trace(a), Self::Trace(b)) => Arc::ptr_eq(a, b),
            (Self::Loading, Self::Loading) | (Self::Missing, Self::Missing) => true,
            _ => false,
        }
    }
}

/// The trace of the path's `trace_id`.
#[component]
pub fn TracePage() -> impl IntoView {
    let params = use_params_map();
    let range = use_range();
    let page = use_page();
    let given = Memo::new(move |_| params.with(|params| params.get("trace_id").unwrap_or_default()));
    let trace_id = Memo::new(move |_| given.get().trim().to_ascii_lowercase().parse::<TraceId>());
    let loaded: Loaded<Answer> = load(
        // The refresh button asks again: spans may have arrived.
        move || Some((trace_id.get().ok()?, range.refreshed_at_ms())),
        |(trace_id, _), signal| async move {
            Ok(TraceModel::new(api::trace(trace_id, signal).await?).map(Arc::new))
        },
    );
    let shown = Memo::new(move |_| {
        let wanted = match trace_id.get() {
            Ok(wanted) => wanted,
            Err(error) => return Shown::NoId(given.get(), error.to_string()),
        };
        // Another trace must not show the one before while it loads.
        let answer = loaded.value.get();
        if let Some(Some(model)) = answer.as_deref()
            && model.trace.trace_id == wanted
        {
            return Shown::Trace(model.clone());
        }
        match loaded.error.get() {
            Some(error) if error.status == 404 => Shown::Missing,
            Some(error) => Shown::Failed(error),
            None if loaded.loading.get() || answer.is_none() => Shown::Loading,
            None => Shown::Missing,
        }
    });
    Effect::new(move |_| {
        let name = match shown.get() {
            Shown::Trace(model) => model.span(model.root()).name.clone(),
            _ => given.get(),
        };
        page.set(vec![Crumb::link("Traces", "/traces"), Crumb::here(name)], KEYS);
    });
    let retry = Callback::new(move |()| loaded.reload());
    move || {
        match shown.get() {
        Shown::NoId(given, error) => view! {
            <EmptyState title="This is no trace id">
                <p>{format!("“{given}”: it {error}.")}</p>
                <a class="button" href=move || range.href("/traces")>"Search traces"</a>
            </EmptyState>
        }
        .into_any(),
        Shown::Loading => view! { <Skeleton /> }.into_any(),
        Shown::Missing => view! {
            <EmptyState title="No such trace">
                <p>"It may not have arrived yet, or its retention has passed."</p>
                <div class="trace-missing">
                    <button type="button" class="button" on:click=move |_| retry.run(())>"Try again"</button>
                    <a class="button quiet" href=move || range.href("/traces")>"Search traces"</a>
                </div>
            </EmptyState>
        }
        .into_any(),
        Shown::Failed(error) => view! { <ErrorState error=error retry=retry /> }.into_any(),
        Shown::Trace(model) => view! {
            <div class="trace">
                {move || loaded.error.get().map(|error| view! { <ErrorBar error=error retry=retry /> })}
                <View model=model />
            </div>
        }
        .into_any(),
    }
    }
}

/// The page's outline while the trace is on its way.
#[component]
fn Skeleton() -> impl IntoView {
    view! {
        <div class="trace-skeleton" role="status" aria-label="Loading the trace">
            <div class="skeleton-row"><div style:width="28%"></div></div>
            <div class="skeleton-row"><div style:width="52%"></div></div>
            <div class="trace-skeleton-map"></div>
            <SkeletonRows rows=14 />
        </div>
    }
}

/// A trace that is there.
#[component]
fn View(model: Arc<TraceModel>) -> impl IntoView {
    let query = use_range().query;
    let theme = use_theme().theme;
    let colors = RwSignal::new(Colors::read(&model));
    let state = ViewState::new(model);
    let tab = Memo::new(move |_| query.with(|query| Tab::from_name(query.get("view"))));
    logs::provide_logs(state);
    let links = use_log_links();
    link::follow(state);
    keys::listen(state, tab);
    Effect::new(move |before: Option<()>| {
        theme.track();
        if before.is_some() {
            // The root element gets its new theme before the next frame.
            request_animation_frame(move || {
                let now = Colors::read(&state.model());
                colors.try_set(now);
            });
        }
    });

    let body: NodeRef<html::Div> = NodeRef::new();
    let size = use_size(body);
    let detail_px = use_stored_px("trace.detail_px", 380.0);
    let detail_max_px = Signal::derive(move || (size.get().0 - 360.0).max(280.0));
    let detail_width = move || format!("{}px", detail_px.get().min(detail_max_px.get()));
    let detail_span = Memo::new(move |_| state.selected.get().filter(|_| state.detail_open.get()));
    let detail_shown = Memo::new(move |_| detail_span.get().is_some());
    view! {
        <Header state=state />
        <Show when=move || tab.get() == Tab::Timeline>
            <Minimap state=state colors=colors />
        </Show>
        <Toolbar state=state tab=tab />
        <div class="trace-body" node_ref=body>
            {move || match tab.get() {
                Tab::Timeline => view! { <Timeline state=state colors=colors /> }.into_any(),
                Tab::Table => view! { <Table state=state /> }.into_any(),
                Tab::Logs => view! { <Logs state=state links=links /> }.into_any(),
            }}
            <Show when=move || detail_shown.get() && tab.get() == Tab::Timeline>
                <Splitter width_px=detail_px min_px=260.0 max_px=detail_max_px right=true label="Width of the details" />
                <aside class="trace-detail" aria-label="Details of the span" style:width=detail_width>
                    {move || detail_span.get().map(|span| view! { <Detail state=state span=span log_links=links /> })}
                </aside>
            </Show>
        </div>
    }
}
