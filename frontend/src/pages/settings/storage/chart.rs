//! Bytes by day as stacked bars. Hover or the arrow keys tell a day's parts.

use std::sync::Arc;

use chrono::NaiveDate;
use leptos::html;
use leptos::prelude::*;
use spanloom_model::api::StorageResponse;

use super::model::{By, Paint, Series, series};
use crate::charts::bars::{Bands, round_ticks, stacked};
use crate::charts::scale::Linear;
use crate::charts::size::use_size;
use crate::format;

const HEIGHT: f64 = 200.0;
const MARGIN_LEFT: f64 = 64.0;
const MARGIN_RIGHT: f64 = 8.0;
const MARGIN_TOP: f64 = 10.0;
const MARGIN_BOTTOM: f64 = 22.0;
const LABEL_WIDTH: f64 = 56.0;

/// The chart with its legend.
#[component]
pub fn DayChart(
    /// What the server says.
    answer: Arc<StorageResponse>,
    /// What the bars are made of.
    by: Memo<By>,
) -> impl IntoView {
    let node: NodeRef<html::Div> = NodeRef::new();
    let size = use_size(node);
    let days: StoredValue<Vec<NaiveDate>> =
        StoredValue::new(answer.days.iter().map(|day| day.day).collect());
    let count = answer.days.len();
    let series = Memo::new(move |_| series(&answer, by.get()));
    let bands = Memo::new(move |_| Bands {
        count,
        range: (MARGIN_LEFT, (size.get().0 - MARGIN_RIGHT).max(MARGIN_LEFT + 100.0)),
    });
    let current = RwSignal::new(None::<usize>);
    // What the pointer shows is seen; only what the keys show has to be said.
    let by_key = RwSignal::new(false);
    let on_move = move |event: web_sys::PointerEvent| {
        let left = node.get_untracked().map_or(0.0, |node| node.get_bounding_client_rect().left());
        let at = bands.with_untracked(|bands| bands.at(f64::from(event.client_x()) - left));
        by_key.set(false);
        if current.get_untracked() != at {
            current.set(at);
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        let last = count.saturating_sub(1);
        let next = match (event.key().as_str(), current.get_untracked()) {
            ("ArrowLeft" | "ArrowRight", None) => last,
            ("ArrowLeft", Some(at)) => at.saturating_sub(1),
            ("ArrowRight", Some(at)) => (at + 1).min(last),
            ("Escape", _) => {
                current.set(None);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        by_key.set(true);
        current.set(Some(next));
    };
    let said = move || {
        let at = current.get().filter(|_| by_key.get())?;
        let parts = series.with(|series| parts(series, at));
        let parts: Vec<String> =
            parts.iter().map(|(name, _, bytes)| format!("{name} {}", format::bytes(*bytes))).collect();
        Some(format!("{}: {}", day_name(days.with_value(|days| days[at])), parts.join(", ")))
    };
    view! {
        <div
            class="day-chart"
            node_ref=node
            tabindex="0"
            role="group"
            aria-label="Bytes by day; the left and right arrow keys go from day to day"
            on:pointermove=on_move
            on:pointerleave=move |_| current.set(None)
            on:keydown=on_key
            on:blur=move |_| current.set(None)
        >
            <svg width="100%" height=HEIGHT aria-hidden="true">
                {move || series.with(|series| draw(series, bands.get(), current.get(), days))}
            </svg>
            {move || {
                let at = current.get()?;
                let day = days.with_value(|days| days[at]);
                Some(series.with(|series| tooltip(series, day, at, bands.get(), size.get().0)))
            }}
            <p class="visually-hidden" role="status">{said}</p>
        </div>
        <ul class="legend" aria-label="Colours">
            {move || {
                series.with(|series| {
                    series
                        .iter()
                        .map(|it| view! { <li>{swatch(it.paint)} {it.name.clone()}</li> })
                        .collect_view()
                })
            }}
        </ul>
    }
}

/// A coloured square.
fn swatch(paint: Paint) -> impl IntoView + use<> {
    match paint {
        Paint::Hue(hue) => {
            view! { <i class="swatch" style=("--hue", hue.to_string()) aria-hidden="true"></i> }.into_any()
        }
        Paint::Rest => view! { <i class="swatch rest" aria-hidden="true"></i> }.into_any(),
    }
}

/// What a day consists of, as it stands in the bar from the top down.
fn parts(series: &[Series], at: usize) -> Vec<(String, Paint, u64)> {
    series
        .iter()
        .rev()
        .map(|it| (it.name.clone(), it.paint, it.values[at].round() as u64))
        .filter(|(_, _, bytes)| *bytes > 0)
        .collect()
}

fn day_name(day: NaiveDate) -> String {
    day.format("%a %-d %b %Y").to_string()
}

fn draw(
    series: &[Series],
    bands: Bands,
    current: Option<usize>,
    days: StoredValue<Vec<NaiveDate>>,
) -> impl IntoView + use<> {
    let columns: Vec<Vec<f64>> =
        (0..bands.count).map(|at| series.iter().map(|it| it.values[at]).collect()).collect();
    let most = columns.iter().map(|column| column.iter().sum::<f64>()).fold(0.0, f64::max);
    let ticks = round_ticks(most, 4);
    let top = ticks.last().copied().unwrap_or(1.0);
    let scale = Linear { domain: (0.0, top), range: (HEIGHT - MARGIN_BOTTOM, MARGIN_TOP) };
    let (left, right) = bands.range;
    let rows = ticks.into_iter().filter(|tick| *tick > 0.0).map(|tick| {
        let y = scale.place(tick).round() + 0.5;
        view! {
            <line class="grid" x1=left x2=right y1=y y2=y />
            <text class="tick" x=left - 8.0 y=y + 4.0 text-anchor="end">{format::bytes(tick as u64)}</text>
        }
    });
    let labels = bands.labelled(LABEL_WIDTH).into_iter().map(|at| {
        let label = days.with_value(|days| days[at].format("%-d %b").to_string());
        view! { <text class="tick" x=bands.middle(at) y=HEIGHT - 6.0 text-anchor="middle">{label}</text> }
    });
    let paints: Vec<Paint> = series.iter().map(|it| it.paint).collect();
    let bars = columns.iter().enumerate().map(|(at, column)| {
        let (x, width) = bands.bar(at);
        let segments = stacked(column).into_iter().zip(paints.clone()).map(|((from, to), paint)| {
            let (y, bottom) = (scale.place(to), scale.place(from));
            let style = match paint {
                Paint::Hue(hue) => format!("--hue: {hue}"),
                Paint::Rest => String::new(),
            };
            let class = if paint == Paint::Rest { "bar rest" } else { "bar" };
            view! { <rect class=class style=style x=x y=y width=width height=(bottom - y).max(0.0) /> }
        });
        let is_dim = current.is_some_and(|current| current != at);
        view! { <g class:dim=is_dim>{segments.collect_view()}</g> }
    });
    let base = HEIGHT - MARGIN_BOTTOM + 0.5;
    view! {
        {rows.collect_view()}
        {labels.collect_view()}
        {bars.collect_view()}
        <line class="axis" x1=left x2=right y1=base y2=base />
    }
}

fn tooltip(
    series: &[Series],
    day: NaiveDate,
    at: usize,
    bands: Bands,
    width: f64,
) -> impl IntoView + use<> {
    let parts = parts(series, at);
    let total: u64 = parts.iter().map(|(_, _, bytes)| bytes).sum();
    let x = bands.middle(at);
    // On the side where there is more room, beside the bar.
    let (left, right) = if x < width / 2.0 {
        (format!("{}px", x + 32.0), "auto".to_owned())
    } else {
        ("auto".to_owned(), format!("{}px", width - x + 32.0))
    };
    let rows = parts.into_iter().map(|(name, paint, bytes)| {
        view! {
            <div class="tooltip-row">{swatch(paint)} <span class="clip">{name}</span> <b>{format::bytes(bytes)}</b></div>
        }
    });
    view! {
        <div class="tooltip" style:left=left style:right=right>
            <div class="tooltip-row"><strong>{day_name(day)}</strong> <b>{format::bytes(total)}</b></div>
            {rows.collect_view()}
        </div>
    }
}
