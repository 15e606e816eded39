//! Exemplars as they are shown: marks, what they tell, and the switch.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::exemplars::{Exemplar, Spot, arrow, shape};
use crate::state::query::Query;
use crate::state::range::use_range;

/// What a chart shows of them.
#[derive(Clone, Copy)]
pub struct Exemplars {
    /// All of them; empty while they are not there or switched off.
    pub items: Memo<Vec<Exemplar>>,
    /// Shows and hides them on all charts; on the chart that has it.
    pub switch: Option<Switch>,
}

/// The switch of a page.
#[derive(Clone, Copy)]
pub struct Switch {
    /// Whether they are shown.
    pub on: RwSignal<bool>,
    /// Why there are none, if something failed.
    pub failure: Signal<Option<String>>,
}

/// The switch beside the legend.
pub fn switch_button(switch: Switch) -> impl IntoView {
    view! {
        <span class="exemplar-switch">
            {move || {
                let failure = switch.failure.get()?;
                Some(view! { <span class="faint" role="status" title=failure>"not loaded"</span> })
            }}
            <button
                type="button"
                class="legend-item"
                class:dim=move || !switch.on.get()
                aria-pressed=move || switch.on.get().to_string()
                title="Show spans that explain the numbers; each opens its trace"
                on:click=move |_| switch.on.update(|on| *on = !*on)
            >
                <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
                    <path class="exemplar" d="M5 1l4 4l-4 4l-4 -4z" />
                </svg>
                "exemplars"
            </button>
        </span>
    }
}

/// The marks; the one that is meant has a ring.
pub fn marks(items: &[Exemplar], spots: &[Spot], meant: Option<usize>) -> impl IntoView + use<> {
    let mark = |spot: &Spot| {
        let exemplar = items.get(spot.index)?;
        let class = match (exemplar.is_error, exemplar.is_quiet) {
            (true, _) => "exemplar failed",
            (false, true) => "exemplar quiet",
            (false, false) => "exemplar",
        };
        let head = spot.is_above.then(|| view! { <path class="exemplar-arrow" d=arrow(*spot) /> });
        let ring = (meant == Some(spot.index))
            .then(|| view! { <circle class="exemplar-ring" cx=spot.x cy=spot.y r=7.5 /> });
        let data = shape(*spot, exemplar);
        // A cross is seen on lines only with an edge around it.
        let edge = exemplar.is_error.then(|| view! { <path class="exemplar-edge" d=data.clone() /> });
        Some(
            view! { <g class:failed=exemplar.is_error>{ring} {head} {edge} <path class=class d=data /></g> },
        )
    };
    // Failed ones last: they lie above the others.
    let is_error = |spot: &&Spot| items.get(spot.index).is_some_and(|it| it.is_error);
    let (failed, fine): (Vec<&Spot>, Vec<&Spot>) = spots.iter().partition(is_error);
    fine.into_iter().chain(failed).filter_map(mark).collect_view()
}

/// What the one that is meant tells, at the side where there is more room.
pub fn tip(exemplar: &Exemplar, x: f64, width: f64, by_key: bool) -> impl IntoView + use<> {
    let (left, right) = if x < width / 2.0 {
        (format!("{}px", x + 14.0), "auto".to_owned())
    } else {
        ("auto".to_owned(), format!("{}px", width - x + 14.0))
    };
    let facts = exemplar.facts.iter().map(|(name, value)| {
        view! { <div class="tooltip-row"><span class="faint">{*name}</span><b>{value.clone()}</b></div> }
    });
    view! {
        <div class="tooltip exemplar-tip" style:left=left style:right=right>
            <strong class="clip">{exemplar.name.clone()}</strong>
            {facts.collect_view()}
            <span class="exemplar-open">{if by_key { "Enter: open trace" } else { "Click: open trace" }}</span>
        </div>
    }
}

/// Returns a function that opens the trace at the span, in a tab of its own if that is wanted.
pub fn use_open() -> impl Fn(&Exemplar, bool) + Clone + 'static {
    let range = use_range();
    let navigate = use_navigate();
    move |exemplar: &Exemplar, new_tab: bool| {
        let path = format!("/traces/{}", exemplar.trace_id);
        let query = Query::default().with("span", exemplar.span_id.clone());
        let href = untrack(|| range.href_with(&path, query));
        if new_tab {
            // A browser that opens none has told why.
            let _ = window().open_with_url_and_target(&href, "_blank");
        } else {
            navigate(&href, NavigateOptions::default());
        }
    }
}
