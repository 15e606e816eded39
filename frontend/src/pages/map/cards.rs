//! A node and an edge of the map.

use leptos::prelude::*;
use spanloom_model::api::DependencyNodeType;
use wasm_bindgen::JsCast;

use super::drawing::{CARD_HEIGHT, CARD_WIDTH, Card, Health, shortened};
use super::filter::Selection;
use super::places::EdgeKey;
use super::state::{Emphasis, MapState};
use crate::components::service_color::hue;
use crate::format;

/// Characters of a name that fit on a card, and on one whose name is drawn larger.
const NAME_CHARS: usize = 15;
const FAR_NAME_CHARS: usize = 11;

/// The ring that shows the share of errors.
const RING_RADIUS: f64 = 8.0;

/// Half the width of a database's ellipse and the slant of a queue.
const CURVED: f64 = 5.0;

/// The word for a type.
pub fn type_label(node_type: DependencyNodeType) -> &'static str {
    match node_type {
        DependencyNodeType::Service => "Service",
        DependencyNodeType::Database => "Database",
        DependencyNodeType::Messaging => "Queue",
        DependencyNodeType::External => "External host",
    }
}

/// The outline of a card whose upper left corner is at 0, 0: types are told apart by their shape.
fn outline(node_type: DependencyNodeType) -> String {
    const W: f64 = CARD_WIDTH;
    const H: f64 = CARD_HEIGHT;
    const C: f64 = CURVED;
    match node_type {
        DependencyNodeType::Service => {
            let (right, lower) = (W - 4.0, H - 4.0);
            format!("M4 0H{right}a4 4 0 0 1 4 4V{lower}a4 4 0 0 1-4 4H4a4 4 0 0 1-4-4V4a4 4 0 0 1 4-4Z")
        }
        // A cylinder.
        DependencyNodeType::Database => {
            let (radius, lower) = (W / 2.0, H - C);
            format!("M0 {C}A{radius} {C} 0 0 1 {W} {C}V{lower}A{radius} {C} 0 0 1 0 {lower}Z")
        }
        // A pipe.
        DependencyNodeType::Messaging => {
            let (radius, right) = (H / 2.0, W - C);
            format!("M{C} 0H{right}A{C} {radius} 0 0 1 {right} {H}H{C}A{C} {radius} 0 0 1 {C} 0Z")
        }
        // Six corners.
        DependencyNodeType::External => {
            let (middle, slant) = (H / 2.0, 2.0 * C);
            let right = W - slant;
            format!("M{slant} 0H{right}L{W} {middle} {right} {H}H{slant}L0 {middle}Z")
        }
    }
}

/// What is drawn on top of the outline.
fn detail(node_type: DependencyNodeType) -> Option<String> {
    const C: f64 = CURVED;
    match node_type {
        DependencyNodeType::Database => {
            Some(format!("M0 {C}A{} {C} 0 0 0 {CARD_WIDTH} {C}", CARD_WIDTH / 2.0))
        }
        DependencyNodeType::Messaging => {
            let right = CARD_WIDTH - C;
            Some(format!("M{right} 0A{C} {} 0 0 0 {right} {CARD_HEIGHT}", CARD_HEIGHT / 2.0))
        }
        _ => None,
    }
}

/// A card.
#[component]
pub fn CardView(
    /// The page's state.
    state: MapState,
    /// The node's id.
    id: String,
    /// What stands out.
    emphasis: Memo<Option<Emphasis>>,
) -> impl IntoView {
    let card = {
        let id = id.clone();
        Memo::new(move |last: Option<&Option<Card>>| {
            // While the list of cards is changed, one that goes keeps its last face.
            state
                .drawing
                .with(|drawing| drawing.cards.get(&id).cloned())
                .or_else(|| last.cloned().flatten())
        })
    };
    let is_dim = {
        let id = id.clone();
        Memo::new(move |_| emphasis.with(|it| it.as_ref().is_some_and(|(nodes, _)| !nodes.contains(&id))))
    };
    let is_selected = {
        let id = id.clone();
        Memo::new(move |_| {
            state.filter.with(|filter| filter.selection.as_ref() == Some(&Selection::Node(id.clone())))
        })
    };
    // One node is in the order of the Tab key: the one where the keyboard was last, else the first.
    let tab_index = {
        let id = id.clone();
        Memo::new(move |_| {
            let is_it = state.current.with(|current| match current {
                Some(current) => *current == id,
                None => state.drawing.with(|it| it.cards.keys().next().is_some_and(|first| *first == id)),
            });
            if is_it { "0" } else { "-1" }
        })
    };
    let on_key = {
        let id = id.clone();
        move |event: web_sys::KeyboardEvent| match event.key().as_str() {
            "Enter" | " " => {
                event.prevent_default();
                state.select(Some(Selection::Node(id.clone())));
            }
            key => {
                let next = state.drawing.with_untracked(|it| it.towards(&id, key).map(str::to_owned));
                if let Some(next) = next {
                    event.prevent_default();
                    go_to(state, &next);
                }
            }
        }
    };
    let focused = {
        let id = id.clone();
        move |_| state.current.set(Some(id.clone()))
    };
    let face = move || card.get().map(|card| face(&card));
    let transform = move || {
        card.with(|card| {
            let card = card.as_ref()?;
            Some(format!("translate({:.1} {:.1})", card.x, card.y - CARD_HEIGHT / 2.0))
        })
    };
    let label = move || card.with(|card| card.as_ref().map(spoken).unwrap_or_default());
    view! {
        <g
            class="map-node"
            class:dim=move || is_dim.get()
            class:selected=move || is_selected.get()
            data-callee=id
            transform=transform
        >
            <rect
                class="map-button"
                width=CARD_WIDTH
                height=CARD_HEIGHT
                role="button"
                tabindex=move || tab_index.get()
                aria-label=label
                aria-pressed=move || is_selected.get().to_string()
                on:keydown=on_key
                on:focus=focused
            />
            <g class="map-face" aria-hidden="true">{face}</g>
        </g>
    }
}

/// Moves the keyboard to a node, and the node into sight.
pub fn go_to(state: MapState, id: &str) {
    state.reveal(id);
    let nodes = document().query_selector_all(".map-node[data-callee]").ok();
    let elements = nodes.iter().flat_map(|nodes| (0..nodes.length()).filter_map(|at| nodes.get(at)));
    let button = elements
        .filter_map(|node| node.dyn_into::<web_sys::Element>().ok())
        .find(|element| element.get_attribute("data-callee").as_deref() == Some(id))
        .and_then(|element| element.query_selector(".map-button").ok().flatten())
        .and_then(|button| button.dyn_into::<web_sys::SvgElement>().ok());
    if let Some(button) = button {
        // Without focus it is still seen.
        let _ = button.focus();
    }
}

fn spoken(card: &Card) -> String {
    let red = &card.red;
    let errors = match red.error_rate {
        rate if rate > 0.0 => format!("{} errors", format::percent(rate)),
        _ => "no errors".to_owned(),
    };
    format!(
        "{}, {}: {}, {errors}, p95 {}",
        card.name,
        type_label(card.node_type),
        format::rate(red.rate_per_second),
        format::duration_f64(red.p95_ns)
    )
}

fn face(card: &Card) -> impl IntoView + use<> {
    let health = Health::of(card.red.error_rate).class();
    let is_service = card.node_type == DependencyNodeType::Service;
    let stripe = is_service.then(|| {
        let hue = hue(&card.name).to_string();
        view! {
            <rect class="map-stripe" style=("--hue", hue) x=6 y=8 width=3 height=CARD_HEIGHT - 16.0 rx=1 />
        }
    });
    let has_calls = card.red.count > 0.0;
    let figures = if has_calls {
        format!(
            "{}  ·  p95 {}",
            format::rate(card.red.rate_per_second),
            format::duration_f64(card.red.p95_ns)
        )
    } else {
        "not called".to_owned()
    };
    let around = std::f64::consts::TAU * RING_RADIUS;
    // A share of errors that is there is seen, however small.
    let share = if card.red.error_rate > 0.0 { card.red.error_rate.clamp(0.04, 1.0) } else { 0.0 };
    let arc = format!("{:.2} {around:.2}", around * share);
    let (ring_x, ring_y) = (CARD_WIDTH - 18.0, CARD_HEIGHT / 2.0);
    let rotate = format!("rotate(-90 {ring_x} {ring_y})");
    view! {
        <path class=format!("map-card {health}") d=outline(card.node_type) />
        {detail(card.node_type).map(|detail| view! { <path class="map-card-detail" d=detail /> })}
        {stripe}
        <text class="map-name" x=16 y=19>{shortened(&card.name, NAME_CHARS)}</text>
        <text class="map-name-far" x=16 y=29>{shortened(&card.name, FAR_NAME_CHARS)}</text>
        <text class="map-figures" x=16 y=34>{figures}</text>
        {has_calls.then(|| view! {
            <circle class="map-ring" cx=ring_x cy=ring_y r=RING_RADIUS />
            <circle class=format!("map-ring-errors {health}") cx=ring_x cy=ring_y r=RING_RADIUS
                stroke-dasharray=arc transform=rotate />
        })}
    }
}

/// An edge.
#[component]
pub fn CurveView(
    /// The page's state.
    state: MapState,
    /// Caller and callee.
    edge: EdgeKey,
    /// What stands out.
    emphasis: Memo<Option<Emphasis>>,
) -> impl IntoView {
    let curve = {
        let edge = edge.clone();
        Memo::new(move |_| state.drawing.with(|drawing| drawing.curves.get(&edge).cloned()))
    };
    let is_dim = {
        let edge = edge.clone();
        Memo::new(move |_| emphasis.with(|it| it.as_ref().is_some_and(|(_, edges)| !edges.contains(&edge))))
    };
    let is_selected = {
        let selection = Selection::Edge(edge.0.clone(), edge.1.clone());
        Memo::new(move |_| state.filter.with(|filter| filter.selection.as_ref() == Some(&selection)))
    };
    let (caller, callee) = edge;
    let path = move || curve.with(|curve| curve.as_ref().map(|curve| curve.path.clone()));
    let health = move || {
        curve
            .with(|curve| curve.as_ref().map_or(Health::Good, |curve| Health::of(curve.error_rate)).class())
    };
    let width = move || curve.with(|curve| curve.as_ref().map(|curve| format!("{:.2}", curve.width)));
    view! {
        <g
            class="map-edge"
            class:dim=move || is_dim.get()
            class:selected=move || is_selected.get()
            data-caller=caller
            data-callee=callee
        >
            <path class="map-edge-hit" d=path />
            <path
                class=move || format!("map-curve {}", health())
                d=path
                stroke-width=width
                marker-end=move || format!("url(#map-arrow-{})", health())
            />
        </g>
    }
}
