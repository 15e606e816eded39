//! What the trace is: name, figures, warnings, ways to pass it on.

use std::sync::Arc;

use leptos::prelude::*;

use super::model::TraceModel;
use super::state::ViewState;
use crate::components::copy_button::CopyButton;
use crate::components::icon::{Glyph, Icon};
use crate::components::menu::{Popover, PopoverState};
use crate::components::service_chip::ServiceName;
use crate::components::service_color::hue;
use crate::format;
use crate::state::range::{ZONE, now_ms};

/// More services would push the page down; the rest is a number.
const SERVICES_SHOWN_MAX: usize = 12;

/// The two lines above the minimap.
#[component]
pub fn Header(
    /// The page's state.
    state: ViewState,
) -> impl IntoView {
    let model = state.model();
    let root = model.root();
    let id = model.trace.trace_id.to_string();
    let start = model.trace.start_time;
    let now = chrono::Utc::now();
    let started = format::clock(start, now, &ZONE);
    let relative = format::ago(start.timestamp_millis(), now_ms());
    let errors = model.errors.len() as u64;
    let has_errors = errors > 0;
    let spans = model.trace.spans.len() as u64;
    let json = format!("/api/v1/traces/{id}");
    let otlp = format!("{json}/otlp");
    let link = Signal::derive(|| window().location().href().unwrap_or_default());
    view! {
        <header class="trace-header">
            <div class="trace-title">
                <h2 title=model.path_text(root)>
                    <ServiceName name=model.service(root) />
                    <span class="clip">{model.span(root).name.clone()}</span>
                </h2>
                <span class="trace-id mono" title="Trace id">{id.clone()}</span>
                <CopyButton text=Signal::stored(id.clone()) label="Copy trace id" />
                <span class="grow"></span>
                <Warnings state=state />
                <CopyLink link=link />
                <a class="button quiet small" href=json download=format!("trace-{id}.json") rel="external">"JSON"</a>
                <a class="button quiet small" href=otlp download=format!("trace-{id}.otlp.json") rel="external" title="Download OTLP JSON">"OTLP"</a>
            </div>
            <dl class="trace-facts">
                <div><dt>"Duration"</dt><dd><b>{format::duration(model.bounds.duration_ns())}</b></dd></div>
                <div><dt>"Started"</dt><dd title=format::full_time(start, &ZONE)>{started}" · "{relative}</dd></div>
                <div><dt>"Spans"</dt><dd>{format::grouped(spans)}</dd></div>
                <div class:error-text=has_errors><dt>"Errors"</dt><dd>{format::grouped(errors)}</dd></div>
                <div class="trace-services"><dt>{format::plural(model.services.len() as u64, "service")}</dt><dd>{services(state, &model)}</dd></div>
            </dl>
        </header>
    }
}

fn services(state: ViewState, model: &Arc<TraceModel>) -> impl IntoView + use<> {
    let more = model.services.len().saturating_sub(SERVICES_SHOWN_MAX);
    let chips: Vec<_> = model
        .services
        .iter()
        .take(SERVICES_SHOWN_MAX)
        .map(|service| {
            let name = service.name.clone();
            let errors = service.errors as u64;
            let mut title = format!("{}: {}", service.name, format::plural(service.spans as u64, "span"));
            if errors > 0 {
                title = format!("{title}, {}", format::plural(errors, "error"));
            }
            view! {
                <button
                    type="button"
                    class="trace-service-chip"
                    title=format!("{title}. Find them")
                    on:click=move |_| state.find_text.set(name.clone())
                >
                    <i class="swatch" style=("--hue", hue(&service.name).to_string())></i>
                    {service.name.clone()}
                    <span class="faint">{format::grouped(service.spans as u64)}</span>
                </button>
            }
        })
        .collect();
    let rest: Vec<_> = model.services.iter().skip(SERVICES_SHOWN_MAX).map(|s| s.name.clone()).collect();
    view! {
        {chips}
        {(more > 0).then(|| view! { <span class="faint" title=rest.join(", ")>{format!("+{more}")}</span> })}
    }
}

/// Copies the page's address, which says what is selected and searched for.
#[component]
fn CopyLink(link: Signal<String>) -> impl IntoView {
    view! {
        <span class="trace-copy-link">
            "Link"
            <CopyButton text=link label="Copy link to this view" />
        </span>
    }
}

/// How many warnings there are; the list opens below.
#[component]
fn Warnings(state: ViewState) -> impl IntoView {
    let model = state.model();
    let count = model.trace.warnings.len() as u64;
    if count == 0 {
        return ().into_any();
    }
    let popover = PopoverState::new();
    let label = format::plural(count, "warning");
    let text = label.clone();
    let button = move || {
        view! {
            <Glyph icon=Icon::Warning />
            {text.clone()}
        }
    };
    view! {
        <Popover
            state=popover
            label=Signal::stored(label)
            button=button
            button_class="button quiet small trace-warn"
            panel_class="align-end trace-warnings"
        >
            <ul>
                {model
                    .trace
                    .warnings
                    .iter()
                    // The list is for reading; a broken trace can have one per span.
                    .take(200)
                    .map(|warning| {
                        let message = warning.message.clone();
                        let span = warning.span.map(|span| span as usize).filter(|&span| span < model.trace.spans.len());
                        match span {
                            Some(span) => {
                                let name = format!("{} {}", model.service(span), model.span(span).name);
                                view! {
                                    <li>
                                        <button type="button" class="menu-item" on:click=move |_| {
                                            popover.close();
                                            state.go_to(span);
                                            state.detail_open.set(true);
                                        }>
                                            <Glyph icon=Icon::Warning />
                                            <span><b class="clip">{name}</b><span>{message}</span></span>
                                        </button>
                                    </li>
                                }.into_any()
                            }
                            None => view! { <li class="menu-item"><Glyph icon=Icon::Warning /><span>{message}</span></li> }.into_any(),
                        }
                    })
                    .collect_view()}
            </ul>
        </Popover>
    }
    .into_any()
}
