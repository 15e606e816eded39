//! Events and links of a span.

use leptos::prelude::*;
use spanloom_model::api::{ApiEvent, ApiLink};

use super::attributes::{dropped, entries};
use super::model::TraceModel;
use super::state::ViewState;
use crate::components::copy_button::CopyButton;
use crate::format;
use crate::state::query::Query;
use crate::state::range::use_range;

/// More would take longer to build than to read.
const SHOWN_MAX: usize = 200;

/// The events in order of time.
pub fn events(model: &TraceModel, span: usize) -> impl IntoView + use<> {
    let start_ns = model.times[span].start_ns;
    let all = &model.span(span).events;
    let shown: Vec<_> = all.iter().take(SHOWN_MAX).map(|event| one_event(event, start_ns)).collect();
    view! { <ol class="trace-events">{shown}</ol> {more(all.len())} }
}

fn more(count: usize) -> Option<impl IntoView + use<>> {
    let rest = count.saturating_sub(SHOWN_MAX);
    (rest > 0).then(|| {
        let text = format!("{} more; download the JSON to read them", format::grouped(rest as u64));
        view! { <p class="trace-note">{text}</p> }
    })
}

fn one_event(event: &ApiEvent, span_start_ns: i64) -> AnyView {
    let after = format!("+{}", format::duration(event.offset_ns - span_start_ns));
    let title = format!("{} after the start of the trace", format::duration(event.offset_ns));
    let is_exception = event.name == "exception";
    let text = |key: &str| event.attributes.get_str(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let (kind, message, stack) =
        (text("exception.type"), text("exception.message"), text("exception.stacktrace"));
    let head = match (is_exception, &kind) {
        (true, Some(kind)) => kind.clone(),
        _ => event.name.clone(),
    };
    // What the headline says need not be repeated below it.
    let shown_above = |key: &str| {
        is_exception && matches!(key, "exception.type" | "exception.message" | "exception.stacktrace")
    };
    let rest: Vec<_> = event.attributes.iter().filter(|(key, _)| !shown_above(key)).collect();
    let (message, stack) = if is_exception { (message, stack) } else { (None, None) };
    let empty = rest.is_empty() && stack.is_none() && event.dropped_attributes_count == 0;
    let line = view! {
        <span class="trace-event-name">{head}</span>
        <span class="faint" title=title>{after}</span>
        {message.map(|message| view! { <span class="trace-event-message">{message}</span> })}
    };
    if empty {
        return view! { <li class:exception=is_exception><div class="trace-event">{line}</div></li> }
            .into_any();
    }
    view! {
        <li class:exception=is_exception>
            <details>
                <summary class="trace-event">{line}</summary>
                {stack.map(|stack| {
                    view! {
                        <div class="trace-stack">
                            <CopyButton text=Signal::stored(stack.clone()) label="Copy stack trace" />
                            <pre tabindex="0">{stack}</pre>
                        </div>
                    }
                })}
                {entries(rest.into_iter(), false)}
                {dropped(event.dropped_attributes_count, "attribute")}
            </details>
        </li>
    }
    .into_any()
}

/// Links to other spans, mostly of other traces.
pub fn links(state: ViewState, model: &TraceModel, span: usize) -> impl IntoView + use<> {
    let all = &model.span(span).links;
    let shown: Vec<_> = all.iter().take(SHOWN_MAX).map(|link| one_link(state, model, link)).collect();
    view! { <ol class="trace-events">{shown}</ol> {more(all.len())} }
}

fn one_link(state: ViewState, model: &TraceModel, link: &ApiLink) -> impl IntoView + use<> {
    let range = use_range();
    let (trace_id, span_id) = (link.trace_id.to_string(), link.span_id.to_string());
    let here = (link.trace_id == model.trace.trace_id).then(|| model.find_id(link.span_id)).flatten();
    let target = if let Some(span) = here {
        let name = format!("{} {}", model.service(span), model.span(span).name);
        view! { <button type="button" class="trace-link" on:click=move |_| state.go_to(span)>{name}</button> }.into_any()
    } else {
        let path = format!("/traces/{trace_id}");
        let href = move || range.href_with(&path, Query::default().with("span", span_id.clone()));
        view! { <a class="mono" href=href title="Open the linked trace at this span">{trace_id}" / "{link.span_id.to_string()}</a> }.into_any()
    };
    view! {
        <li>
            <div class="trace-event">{target}</div>
            {(!link.trace_state.is_empty()).then(|| view! { <p class="trace-note mono">{link.trace_state.clone()}</p> })}
            {entries(link.attributes.iter(), false)}
            {dropped(link.dropped_attributes_count, "attribute")}
        </li>
    }
}
