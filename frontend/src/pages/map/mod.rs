//! The service map: who calls whom, how much, and how well that goes.

mod camera;
mod canvas;
mod cards;
mod drawing;
mod export;
pub mod filter;
pub mod memory;
mod panel;
mod places;
mod state;
mod toolbar;

use std::collections::HashMap;
use std::sync::Arc;

use leptos::ev;
use leptos::prelude::*;
use spanloom_model::api::{DependenciesResponse, DependencyGraph, RedSummary};

use crate::api;
use crate::components::states::{EmptyState, ErrorBar, ErrorState};
use crate::state::load::load;
use crate::state::page::{Crumb, KeyHelp, is_typing, use_page};
use crate::state::range::use_range;

use self::canvas::{Canvas, ZOOM_STEP};
use self::drawing::Drawing;
use self::filter::MapFilter;
use self::memory::use_map_memory;
use self::panel::Panel;
use self::places::{EdgeKey, Places};
use self::state::MapState;
use self::toolbar::Toolbar;

const KEYS: &[KeyHelp] = &[
    ("← → ↑ ↓", "To the next node in that direction"),
    ("Enter", "Selects it"),
    ("+ -", "Larger, smaller"),
    ("0", "All of the map"),
    ("Esc", "Selects nothing; then the whole map"),
];

/// A graph with what was asked for when it came.
type Answer = (DependenciesResponse, HashMap<String, RedSummary>, String, Option<u32>);

/// The page.
#[component]
pub fn MapPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Service map")], KEYS);
    let range = use_range();
    let query = range.query_at("/map");
    let filter = Memo::new(move |_| query.with(MapFilter::parse));
    let answer = load(
        move || Some((filter.with(|it| (it.focus.clone(), it.depth)), range.window.get())),
        |((focus, depth), window), signal| async move {
            let graph = api::dependencies(&focus, depth, window, signal.clone());
            let (graph, services) = futures::join!(graph, api::services(window, signal));
            // Without the services' own numbers the calls to them are shown.
            let services = services.map(|it| it.services).unwrap_or_default();
            let services = services.into_iter().map(|service| (service.name, service.red)).collect();
            Ok((graph?, services, focus, depth))
        },
    );
    let arranged = RwSignal::new(0_u32);
    let drawing = drawing(answer.value, filter, arranged);
    let state = MapState::new(filter, drawing);
    keys(state);

    // Another part of the map is another picture; other data in it is not.
    let picture = Memo::new(move |_| {
        let shown = answer.value.with(|it| it.as_ref().map(|it| (it.2.clone(), it.3)));
        (shown, arranged.get())
    });
    Effect::new(move |_| {
        picture.track();
        state.fit();
    });

    let retry = Callback::new(move |()| answer.reload());
    let has_graph =
        Memo::new(move |_| answer.value.with(|it| it.as_ref().map(|it| !it.0.graph.nodes.is_empty())));
    let content = move || match (has_graph.get(), answer.error.get()) {
        (None, Some(error)) => view! { <ErrorState error=error retry=retry /> }.into_any(),
        (None, None) => {
            view! { <div class="map-canvas" role="status" aria-label="Loading"></div> }.into_any()
        }
        (Some(false), None) => view! { <NoCalls filter=filter /> }.into_any(),
        (Some(_), error) => view! {
            {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
            <div class="map-body">
                <Canvas state=state />
                <Panel state=state />
            </div>
        }
        .into_any(),
    };
    view! {
        <div class="map-page" aria-busy=move || answer.loading.get().to_string()>
            <Toolbar
                state=state
                loading=answer.loading
                arrange=Callback::new(move |()| arranged.update(|times| *times += 1))
            />
            {content}
        </div>
    }
}

/// The drawing of the answer; places are remembered from one to the next.
fn drawing(
    answer: RwSignal<Option<Arc<Answer>>>,
    filter: Memo<MapFilter>,
    arranged: RwSignal<u32>,
) -> Memo<Drawing> {
    let memory = use_map_memory().0;
    let places = Memo::new(move |last: Option<&(u32, Places)>| {
        let times = arranged.get();
        let is_asked = last.is_some_and(|(before, _)| *before != times);
        let Some(answer) = answer.get() else { return (times, Places::default()) };
        let (response, _, focus, depth) = &*answer;
        let (nodes, edges) = names(&response.graph);
        let known = memory.get_value().filter(|(known_focus, known_depth, _)| {
            !is_asked && known_focus == focus && known_depth == depth
        });
        let places = match known {
            Some((_, _, places)) => places.with(&nodes, &edges),
            None => Places::fresh(&nodes, &edges),
        };
        memory.set_value(Some((focus.clone(), *depth, places.clone())));
        (times, places)
    });
    Memo::new(move |_| {
        let Some(answer) = answer.get() else { return Drawing::default() };
        places.with(|(_, places)| {
            filter.with(|filter| Drawing::new(&answer.0.graph, &answer.1, filter, places))
        })
    })
}

/// Nodes and edges by their names, each once.
fn names(graph: &DependencyGraph) -> (Vec<&str>, Vec<EdgeKey>) {
    let nodes = graph.nodes.iter().map(|node| node.id.as_str()).collect();
    let mut edges: Vec<EdgeKey> =
        graph.edges.iter().map(|edge| (edge.caller.clone(), edge.callee.clone())).collect();
    edges.dedup();
    (nodes, edges)
}

/// The keys of the page.
fn keys(state: MapState) {
    let listener = window_event_listener(ev::keydown, move |event| {
        if is_typing(&event) {
            return;
        }
        match event.key().as_str() {
            "+" | "=" => state.zoom(ZOOM_STEP),
            "-" => state.zoom(1.0 / ZOOM_STEP),
            "0" => state.fit(),
            "Escape" => {
                if state.filter.with_untracked(|filter| filter.selection.is_some()) {
                    state.select(None);
                } else {
                    state.focus(String::new(), None);
                }
            }
            _ => return,
        }
        event.prevent_default();
    });
    on_cleanup(move || listener.remove());
}

/// No calls: perhaps no spans at all, perhaps services that do not pass the trace on.
#[component]
fn NoCalls(filter: Memo<MapFilter>) -> impl IntoView {
    let range = use_range();
    let has_focus = move || filter.with(|filter| !filter.focus.is_empty());
    view! {
        <EmptyState title="No calls in this time range">
            <p>
                "A call is known when the spans of both sides have come, and that of a database or queue when its client's has. \
                 Choose a longer time range above, or look whether "
                <a href=move || range.href("/")>"the services"</a>
                " send spans and pass the trace context on."
            </p>
            <Show when=has_focus>
                <p><a class="button" href=move || range.href("/map")>"Show the whole map"</a></p>
            </Show>
        </EmptyState>
    }
}
