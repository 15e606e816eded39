//! Lines over time. The pointer or the arrow keys tell a moment's values, in all charts that share the
//! crosshair; a drag zooms the page's time range; the legend shows one line alone; exemplars open traces.

use leptos::html;
use leptos::prelude::*;

use super::exemplar_marks::{self, Exemplars};
use super::exemplars::{nearest, next, spots};
use super::frame::Frame;
use super::lines::{Line, LinePlot, Steps, Unit};
use super::scale::time_ticks;
use super::size::use_size;
use crate::format;
use crate::state::range::{ZONE, use_set_range};
use crate::state::time_range::TimeRange;

const HEIGHT: f64 = 150.0;
const MARGIN_LEFT: f64 = 60.0;
const MARGIN_RIGHT: f64 = 12.0;
const MARGIN_TOP: f64 = 8.0;
const MARGIN_BOTTOM: f64 = 22.0;

/// Pixels that a label of the time axis needs.
const TIME_LABEL_WIDTH: f64 = 72.0;

/// About as wide as a character of a mark's name.
const MARK_CHAR_WIDTH: f64 = 6.5;

/// A drag shorter than this is none.
const DRAG_MIN: f64 = 6.0;

/// What a chart shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartData {
    /// The steps of all lines.
    pub steps: Steps,
    /// The lines, the first at the bottom.
    pub lines: Vec<Line>,
}

/// Something that happened at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// What happened.
    pub label: String,
}

/// The chart with its title and legend.
#[component]
pub fn LineChart(
    /// What it shows, for people and for screen readers.
    title: &'static str,
    /// What its values measure.
    unit: Unit,
    /// None until it is loaded.
    #[prop(into)]
    data: Signal<Option<ChartData>>,
    /// The moment under the pointer, milliseconds since the epoch; shared by the charts of a page.
    crosshair_ms: RwSignal<Option<f64>>,
    /// What happened meanwhile.
    #[prop(optional, into)]
    marks: Signal<Vec<Mark>>,
    /// Spans that explain the values.
    #[prop(optional)]
    exemplars: Option<Exemplars>,
) -> impl IntoView {
    let node: NodeRef<html::Div> = NodeRef::new();
    let size = use_size(node);
    let set_range = StoredValue::new_local(use_set_range());
    let alone = RwSignal::new(None::<String>);
    let drag = RwSignal::new(None::<(f64, f64)>);
    let is_pointing = RwSignal::new(false);
    // What the pointer shows is seen; only what the keys show has to be said.
    let by_key = RwSignal::new(false);

    let frame = Memo::new(move |_| Frame {
        left: MARGIN_LEFT,
        right: (size.get().0 - MARGIN_RIGHT).max(MARGIN_LEFT + 50.0),
        top: MARGIN_TOP,
        bottom: HEIGHT - MARGIN_BOTTOM,
    });
    let shown = Memo::new(move |_| {
        let mut data = data.get()?;
        if let Some(name) = alone.get()
            && data.lines.iter().any(|line| line.name == name)
        {
            data.lines.retain(|line| line.name == name);
        }
        Some(data)
    });
    let plot = Memo::new(move |_| {
        shown.with(|shown| {
            shown.as_ref().map(|shown| LinePlot::new(&shown.lines, shown.steps, unit, frame.get()))
        })
    });
    let current = Memo::new(move |_| {
        let time_ms = crosshair_ms.get()?;
        shown.with(|shown| shown.as_ref().and_then(|shown| shown.steps.at(time_ms)))
    });

    let items = move || exemplars.map(|exemplars| exemplars.items);
    let places = Memo::new(move |_| {
        let items = items()?;
        plot.with(|plot| plot.as_ref().map(|plot| items.with(|items| spots(plot, frame.get(), items))))
    });
    let places = Memo::new(move |_| places.get().unwrap_or_default());
    // The exemplar under the pointer, or the one that the keys went to.
    let meant = RwSignal::new(None::<usize>);
    // Others may have taken the places of the old ones.
    Effect::new(move |_| {
        places.track();
        meant.set(None);
    });
    let open = StoredValue::new_local(exemplar_marks::use_open());
    let open_meant = move |new_tab: bool| {
        let (Some(items), Some(index)) = (items(), meant.get_untracked()) else { return };
        if let Some(exemplar) = items.with_untracked(|items| items.get(index).cloned()) {
            open.with_value(|open| open(&exemplar, new_tab));
        }
    };

    let x_of = move |event: &web_sys::PointerEvent| {
        let left = node.get_untracked().map_or(0.0, |node| node.get_bounding_client_rect().left());
        frame.with_untracked(|frame| (f64::from(event.client_x()) - left).clamp(frame.left, frame.right))
    };
    let meant_by = move |event: &web_sys::PointerEvent| {
        let top = node.get_untracked().map_or(0.0, |node| node.get_bounding_client_rect().top());
        places.with_untracked(|places| nearest(places, x_of(event), f64::from(event.client_y()) - top))
    };
    let time_at = move |x: f64| plot.with_untracked(|plot| plot.as_ref().map(|plot| plot.time.value(x)));
    let on_move = move |event: web_sys::PointerEvent| {
        let x = x_of(&event);
        let mut is_dragging = false;
        if let Some((start, _)) = drag.get_untracked() {
            drag.set(Some((start, x)));
            is_dragging = (x - start).abs() >= DRAG_MIN;
        }
        let found = if is_dragging { None } else { meant_by(&event) };
        if meant.get_untracked() != found {
            meant.set(found);
        }
        by_key.set(false);
        is_pointing.set(true);
        crosshair_ms.set(time_at(x));
    };
    let on_down = move |event: web_sys::PointerEvent| {
        if event.button() != 0 {
            return;
        }
        // Without capture a drag ends at the edge, which is bearable.
        if let Some(node) = node.get_untracked() {
            let _ = node.set_pointer_capture(event.pointer_id());
        }
        let x = x_of(&event);
        drag.set(Some((x, x)));
    };
    let on_up = move |event: web_sys::PointerEvent| {
        let Some((start, end)) = drag.get_untracked() else { return };
        drag.set(None);
        if (end - start).abs() < DRAG_MIN {
            open_meant(event.ctrl_key() || event.meta_key());
            return;
        }
        if let (Some(from), Some(to)) = (time_at(start), time_at(end)) {
            crosshair_ms.set(None);
            let chosen = TimeRange::between_ms(from.round() as i64, to.round() as i64);
            set_range.with_value(|set_range| set_range(chosen));
        }
    };
    let on_leave = move |_| {
        is_pointing.set(false);
        meant.set(None);
        if drag.get_untracked().is_none() {
            crosshair_ms.set(None);
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        let Some(steps) = shown.with_untracked(|shown| shown.as_ref().map(|shown| shown.steps)) else {
            return;
        };
        let last = steps.count.saturating_sub(1);
        let plain = !event.ctrl_key() && !event.meta_key() && !event.alt_key();
        match (event.key().as_str(), meant.get_untracked()) {
            (key @ ("n" | "N"), current) if plain => {
                let found = places.with_untracked(|places| next(places, current, key == "n"));
                let at_ms = found.zip(items()).and_then(|(index, items)| {
                    items.with_untracked(|items| items.get(index).map(|exemplar| exemplar.at_ms))
                });
                if at_ms.is_some() {
                    event.prevent_default();
                    by_key.set(true);
                    meant.set(found);
                    crosshair_ms.set(at_ms);
                }
                return;
            }
            ("Enter", Some(_)) => {
                event.prevent_default();
                open_meant(event.ctrl_key() || event.meta_key());
                return;
            }
            _ => {}
        }
        let next = match (event.key().as_str(), current.get_untracked()) {
            ("ArrowLeft" | "ArrowRight", None) => last,
            ("ArrowLeft", Some(at)) => at.saturating_sub(1),
            ("ArrowRight", Some(at)) => (at + 1).min(last),
            ("Escape", _) => {
                meant.set(None);
                crosshair_ms.set(None);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        meant.set(None);
        by_key.set(true);
        crosshair_ms.set(Some(steps.start_of(next) as f64 + steps.step_ms as f64 / 2.0));
    };
    let meant_item = move || {
        let (items, index) = (items()?, meant.get()?);
        items.with(|items| items.get(index).cloned())
    };
    let said = move || {
        if let Some(exemplar) = meant_item().filter(|_| by_key.get()) {
            return Some(format!("{}. Enter opens the trace", exemplar.said()));
        }
        let at = current.get().filter(|_| by_key.get())?;
        shown.with(|shown| {
            let shown = shown.as_ref()?;
            let parts: Vec<String> = shown
                .lines
                .iter()
                .map(|line| format!("{} {}", line.name, value_label(line, at, unit)))
                .collect();
            Some(format!("{}: {}", step_name(shown.steps, at), parts.join(", ")))
        })
    };

    let label = move || {
        let keys = "the left and right arrow keys go from step to step";
        match places.with(Vec::len) {
            0 => format!("{title} over time; {keys}"),
            count => {
                let exemplars = format::plural(count as u64, "exemplar");
                format!("{title} over time; {keys}, n and Shift n through {exemplars}, Enter opens one")
            }
        }
    };

    view! {
        <figure class="line-chart">
            <figcaption>
                <span>{title}</span>
                {exemplars.and_then(|exemplars| exemplars.switch).map(exemplar_marks::switch_button)}
                {move || {
                    data.with(|data| {
                        let lines = data.as_ref().map(|data| data.lines.as_slice()).unwrap_or_default();
                        (lines.len() > 1).then(|| legend(lines, alone))
                    })
                }}
            </figcaption>
            <div
                class="line-plot"
                node_ref=node
                tabindex="0"
                role="group"
                aria-label=label
                class:pointing=move || meant.get().is_some() && !by_key.get()
                on:pointermove=on_move
                on:pointerdown=on_down
                on:pointerup=on_up
                on:pointercancel=move |_| drag.set(None)
                on:pointerleave=on_leave
                on:keydown=on_key
                on:blur=move |_| {
                    meant.set(None);
                    crosshair_ms.set(None);
                }
            >
                <svg width="100%" height=HEIGHT aria-hidden="true">
                    {move || plot.with(|plot| plot.as_ref().map(|plot| axes(plot, frame.get(), unit)))}
                    {move || {
                        plot.with(|plot| {
                            let plot = plot.as_ref()?;
                            shown.with(|shown| shown.as_ref().map(|shown| paths(plot, &shown.lines)))
                        })
                    }}
                    {move || plot.with(|plot| plot.as_ref().map(|plot| marks.with(|marks| flags(plot, marks, frame.get()))))}
                    {move || {
                        let at = current.get()?;
                        plot.with(|plot| {
                            let plot = plot.as_ref()?;
                            shown.with(|shown| {
                                shown.as_ref().map(|shown| crosshair(plot, &shown.lines, at, frame.get()))
                            })
                        })
                    }}
                    {move || {
                        let items = items()?;
                        Some(items.with(|items| places.with(|places| exemplar_marks::marks(items, places, meant.get()))))
                    }}
                    {move || {
                        let (start, end) = drag.get().filter(|(a, b)| (b - a).abs() >= DRAG_MIN)?;
                        let frame = frame.get();
                        let (x, width) = (start.min(end), (end - start).abs());
                        Some(view! {
                            <rect class="brush" x=x y=frame.top width=width height=frame.bottom - frame.top />
                        })
                    }}
                </svg>
                {move || data.with(Option::is_none).then(|| view! { <div class="skeleton line-skeleton"></div> })}
                {move || {
                    let exemplar = meant_item()?;
                    let index = meant.get()?;
                    let x = places.with(|places| places.iter().find(|it| it.index == index).map(|it| it.x))?;
                    Some(exemplar_marks::tip(&exemplar, x, size.get().0, by_key.get()))
                }}
                {move || {
                    let is_shown = (is_pointing.get() || by_key.get()) && meant.get().is_none();
                    let at = current.get().filter(|_| is_shown)?;
                    let x = plot.with(|plot| plot.as_ref().map(|plot| plot.x(at)))?;
                    shown.with(|shown| shown.as_ref().map(|shown| tooltip(shown, at, unit, x, size.get().0)))
                }}
                <p class="visually-hidden" role="status">{said}</p>
            </div>
        </figure>
    }
}

fn value_label(line: &Line, at: usize, unit: Unit) -> String {
    match line.values.get(at).copied().flatten() {
        Some(value) => unit.label(value),
        None => "no spans".to_owned(),
    }
}

fn step_name(steps: Steps, at: usize) -> String {
    let time = |ms| chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    let (start, end) = (time(steps.start_of(at)), time(steps.start_of(at + 1)));
    format!("{} to {}", format::clock(start, end, &ZONE), format::clock(end, end, &ZONE))
}

fn legend(lines: &[Line], alone: RwSignal<Option<String>>) -> impl IntoView + use<> {
    let items = lines.iter().map(|line| {
        let name = line.name.clone();
        let stroke = line.stroke.class();
        let is_alone = {
            let name = name.clone();
            move || alone.with(|alone| alone.as_deref() == Some(name.as_str()))
        };
        let is_dim = {
            let name = name.clone();
            move || alone.with(|alone| alone.as_deref().is_some_and(|alone| alone != name))
        };
        let label = name.clone();
        let toggle = move |_| {
            alone.update(|alone| {
                *alone = if alone.as_deref() == Some(name.as_str()) { None } else { Some(name.clone()) };
            });
        };
        view! {
            <button
                type="button"
                class="legend-item"
                class:dim=is_dim
                title="Show this line alone"
                aria-pressed=move || is_alone().to_string()
                on:click=toggle
            >
                <i class=format!("line-swatch {stroke}") aria-hidden="true"></i>
                {label}
            </button>
        }
    });
    view! { <span class="line-legend">{items.collect_view()}</span> }
}

fn axes(plot: &LinePlot, frame: Frame, unit: Unit) -> impl IntoView + use<> {
    let rows = plot.ticks.iter().map(|tick| {
        let y = plot.value.place(*tick).round() + 0.5;
        view! {
            <line class="grid" x1=frame.left x2=frame.right y1=y y2=y />
            <text class="tick" x=frame.left - 8.0 y=y + 4.0 text-anchor="end">{unit.label(*tick)}</text>
        }
    });
    let room = ((frame.right - frame.left) / TIME_LABEL_WIDTH) as usize;
    let (from, to) = plot.time.domain;
    let columns = time_ticks(from as i64, to as i64, room, &ZONE).into_iter().map(|tick| {
        let x = plot.time.place(tick.at_ms as f64).round() + 0.5;
        view! {
            <line class="grid" x1=x x2=x y1=frame.top y2=frame.bottom />
            <text class="tick" x=x y=HEIGHT - 6.0 text-anchor="middle">{tick.label}</text>
        }
    });
    let base = frame.bottom + 0.5;
    view! {
        {rows.collect_view()}
        {columns.collect_view()}
        <line class="axis" x1=frame.left x2=frame.right y1=base y2=base />
    }
}

fn paths(plot: &LinePlot, lines: &[Line]) -> impl IntoView + use<> {
    lines
        .iter()
        .map(|line| {
            let class = format!("line {}", line.stroke.class());
            view! { <path class=class d=plot.path(&line.values) /> }
        })
        .collect_view()
}

/// Dashed lines with names at the top; a name without room for it is told by its line's title only.
fn flags(plot: &LinePlot, marks: &[Mark], frame: Frame) -> impl IntoView + use<> {
    let mut places: Vec<(f64, &Mark)> =
        marks.iter().map(|mark| (plot.time.place(mark.at_ms as f64).round() + 0.5, mark)).collect();
    places.retain(|(x, _)| (frame.left..=frame.right).contains(x));
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let flags = places.iter().enumerate().map(|(at, (x, mark))| {
        let end = places.get(at + 1).map_or(frame.right, |(x, _)| *x);
        let width = 4.0 + mark.label.chars().count() as f64 * MARK_CHAR_WIDTH;
        let label = (end - x >= width).then(|| {
            view! {
                <text class="mark-label" x=x + 4.0 y=frame.top + 9.0>{mark.label.clone()}</text>
            }
        });
        view! {
            <g class="mark">
                <title>{mark.label.clone()}</title>
                <line x1=*x x2=*x y1=frame.top y2=frame.bottom />
                {label}
            </g>
        }
    });
    flags.collect_view()
}

fn crosshair(plot: &LinePlot, lines: &[Line], at: usize, frame: Frame) -> impl IntoView + use<> {
    let x = plot.x(at);
    let dots = lines.iter().filter_map(|line| {
        let y = plot.value.place(line.values.get(at).copied().flatten()?);
        let class = format!("line-dot {}", line.stroke.class());
        Some(view! { <circle class=class cx=x cy=y r=3.0 /> })
    });
    view! {
        <line class="crosshair" x1=x x2=x y1=frame.top y2=frame.bottom />
        {dots.collect_view()}
    }
}

fn tooltip(data: &ChartData, at: usize, unit: Unit, x: f64, width: f64) -> impl IntoView + use<> {
    // On the side where there is more room.
    let (left, right) = if x < width / 2.0 {
        (format!("{}px", x + 14.0), "auto".to_owned())
    } else {
        ("auto".to_owned(), format!("{}px", width - x + 14.0))
    };
    // The highest line first, as they lie in the chart.
    let rows = data.lines.iter().rev().map(|line| {
        let class = format!("line-swatch {}", line.stroke.class());
        view! {
            <div class="tooltip-row">
                <i class=class aria-hidden="true"></i>
                <span class="clip">{line.name.clone()}</span>
                <b>{value_label(line, at, unit)}</b>
            </div>
        }
    });
    view! {
        <div class="tooltip" style:left=left style:right=right>
            <span class="faint">{step_name(data.steps, at)}</span>
            {rows.collect_view()}
        </div>
    }
}
