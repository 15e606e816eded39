//! Everything known about the selected span.

use leptos::prelude::*;
use spanloom_model::api::LogLink;
use spanloom_model::{SpanKind, SpanStatus};

use super::attributes::{dropped, entries, plain_section, section};
use super::events::{events, links};
use super::groups::groups;
use super::logs::{external, of_span};
use super::model::TraceModel;
use super::state::ViewState;
use crate::components::copy_button::CopyButton;
use crate::components::icon::{Glyph, Icon};
use crate::components::service_chip::ServiceName;
use crate::format;
use crate::state::load::Loaded;
use crate::state::range::{ZONE, use_range};

/// Ancestors that the path shows; the ones in the middle are left out.
const PATH_MAX: usize = 6;

/// The panel; made anew for every span.
#[component]
pub fn Detail(
    /// The page's state.
    state: ViewState,
    /// The span.
    span: usize,
    /// Links to external log systems.
    log_links: Loaded<Vec<LogLink>>,
) -> impl IntoView {
    let model = state.model();
    let data = model.span(span);
    let operation = data.name.clone();
    let groups: Vec<_> = groups(&data.attributes)
        .into_iter()
        .map(|(title, group)| section(title, Some(group.len()), true, entries(group.into_iter(), true)))
        .collect();
    let warnings: Vec<_> = model
        .warnings(span)
        .map(|warning| view! { <p class="trace-message warn"><Glyph icon=Icon::Warning />{warning.message.clone()}</p> })
        .collect();
    let failed = model.is_error(span).then(|| {
        let message = model.error_text(span).unwrap_or("The span failed without saying why").to_owned();
        view! { <p class="trace-message error"><Glyph icon=Icon::Error /><span>{message}</span></p> }
    });
    let events = (!data.events.is_empty() || data.dropped_events_count > 0).then(|| {
        let content = view! { {events(&model, span)} {dropped(data.dropped_events_count, "event")} };
        section("Events", Some(data.events.len()), true, content)
    });
    let span_links = (!data.links.is_empty() || data.dropped_links_count > 0).then(|| {
        let content = view! { {links(state, &model, span)} {dropped(data.dropped_links_count, "link")} };
        section("Links", Some(data.links.len()), true, content)
    });
    let resource = model.trace.resources.get(data.resource as usize).and_then(|resource| {
        plain_section("Resource", &resource.attributes, resource.dropped_attributes_count, false)
    });
    view! {
        <div class="trace-detail-head">
            <div class="trace-detail-title">
                <ServiceName name=model.service(span) />
                <h3>{operation}</h3>
            </div>
            <button type="button" class="icon-button" aria-label="Close details" title="Close (Esc)" on:click=move |_| state.detail_open.set(false)>
                <Glyph icon=Icon::Close />
            </button>
        </div>
        {path(state, &model, span)}
        {failed}
        {group_links(&model, span)}
        {warnings}
        {figures(&model, span)}
        {external(log_links, &model, span)}
        {groups}
        {dropped(data.dropped_attributes_count, "attribute")}
        {events}
        {of_span(state, span)}
        {span_links}
        {resource}
        {scope(&model, span)}
        {identifiers(state, &model, span)}
        {raw(state, span)}
    }
}

/// The groups that the span's errors belong to: the fingerprint is the same here and on the server.
fn group_links(model: &TraceModel, span: usize) -> Option<AnyView> {
    let (service, data) = (model.service(span), model.span(span));
    let events = data.events.iter().map(|event| (event.name.as_str(), &event.attributes));
    let mut ids: Vec<String> = Vec::new();
    for failure in spanloom_errors::failures(data.status, &data.status_message, &data.attributes, events) {
        let id = spanloom_errors::group_id(service, &failure).to_string();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let range = use_range();
    let count = ids.len();
    let link = |(at, id): (usize, String)| {
        let path = format!("/errors/{id}");
        let text = if count > 1 {
            format!("All like error {}", at + 1)
        } else {
            "All errors like this".to_owned()
        };
        view! { <a class="button small" href=move || range.href(&path)>{text}</a> }
    };
    let links = ids.into_iter().enumerate().map(link).collect_view();
    (count > 0).then(|| view! { <p class="trace-error-links">{links}</p> }.into_any())
}

/// The way down from the root, as buttons.
fn path(state: ViewState, model: &TraceModel, span: usize) -> Option<AnyView> {
    let mut ancestors: Vec<usize> = model.tree.ancestors(span).collect();
    if ancestors.is_empty() {
        return None;
    }
    ancestors.reverse();
    let skipped = ancestors.len().saturating_sub(PATH_MAX);
    let shown = |&ancestor: &usize| {
        let name = format!("{} {}", model.service(ancestor), model.span(ancestor).name);
        view! { <li><button type="button" class="trace-link clip" title=name.clone() on:click=move |_| state.go_to(ancestor)>{name.clone()}</button></li> }
    };
    let first: Vec<_> = ancestors.iter().take(1).map(shown).collect();
    let last: Vec<_> = ancestors.iter().skip(1 + skipped).map(shown).collect();
    Some(
        view! {
            <ol class="trace-path" aria-label="Ancestors">
                {first}
                {(skipped > 0).then(|| view! { <li class="faint">{format!("{skipped} more")}</li> })}
                {last}
            </ol>
        }
        .into_any(),
    )
}

fn figures(model: &TraceModel, span: usize) -> impl IntoView + use<> {
    let data = model.span(span);
    let time = model.times[span];
    let duration_ns = time.duration_ns();
    let self_ns = model.child_time.self_time_ns(span);
    let critical_ns = model.critical_ns(span);
    let share = |ns: i64, of_ns: i64| {
        if of_ns > 0 { format::percent(ns as f64 / of_ns as f64) } else { "0%".to_owned() }
    };
    let started = model.trace.start_time + chrono::Duration::nanoseconds(time.start_ns);
    let kind = match data.kind {
        SpanKind::Unspecified => None,
        SpanKind::Internal => Some("internal"),
        SpanKind::Server => Some("server"),
        SpanKind::Client => Some("client"),
        SpanKind::Producer => Some("producer"),
        SpanKind::Consumer => Some("consumer"),
    };
    let status = match data.status {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    };
    let below = model.tree.subtree(span).len() - 1;
    let skew = (data.skew_ns != 0).then(|| {
        let moved = format::duration(data.skew_ns.saturating_abs());
        let direction = if data.skew_ns > 0 { "later" } else { "earlier" };
        view! { <div><dt>"Clock skew"</dt><dd>{format!("moved {moved} {direction}")}</dd></div> }
    });
    view! {
        <dl class="trace-figures">
            <div><dt>"Duration"</dt><dd><b>{format::duration(duration_ns)}</b><span class="faint" title="of the trace">" "{share(duration_ns, model.bounds.duration_ns())}</span></dd></div>
            <div><dt>"Self time"</dt><dd>{format::duration(self_ns)}<span class="faint">" "{share(self_ns, duration_ns)}</span></dd></div>
            <div><dt>"Start"</dt><dd title=format::full_time(started, &ZONE)>{format!("+{}", format::duration(time.start_ns - model.bounds.start_ns))}</dd></div>
            <div><dt>"Critical path"</dt><dd>{if critical_ns > 0 { format::duration(critical_ns) } else { "not on it".to_owned() }}</dd></div>
            <div><dt>"Status"</dt><dd class:error-text=model.is_error(span)>{status}</dd></div>
            {kind.map(|kind| view! { <div><dt>"Kind"</dt><dd>{kind}</dd></div> })}
            {(below > 0).then(|| view! { <div><dt>"Below"</dt><dd>{format::plural(below as u64, "span")}</dd></div> })}
            {skew}
        </dl>
    }
}

fn scope(model: &TraceModel, span: usize) -> Option<AnyView> {
    let scope = model.trace.scopes.get(model.span(span).scope as usize)?;
    if scope.name.is_empty() && scope.attributes.is_empty() {
        return None;
    }
    let name = format!("{} {}", scope.name, scope.version);
    let content = view! {
        <p class="trace-note mono">{name.trim().to_owned()}</p>
        {entries(scope.attributes.iter(), false)}
        {dropped(scope.dropped_attributes_count, "attribute")}
    };
    Some(section("Library", None, false, content).into_any())
}

fn identifiers(state: ViewState, model: &TraceModel, span: usize) -> impl IntoView + use<> {
    let data = model.span(span);
    let id = |label: &'static str, value: String, go: Option<usize>| {
        let text = match go {
            Some(target) => view! { <button type="button" class="trace-link mono" on:click=move |_| state.go_to(target)>{value.clone()}</button> }.into_any(),
            None => view! { <span>{value.clone()}</span> }.into_any(),
        };
        view! {
            <div class="trace-attribute">
                <dt>{label}</dt>
                <dd class="trace-value mono">{text}</dd>
                <dd class="trace-actions"><CopyButton text=Signal::stored(value) label=format!("Copy {label}") /></dd>
            </div>
        }
    };
    let content = view! {
        <dl class="trace-attributes">
            {id("span id", data.span_id.to_string(), None)}
            {data.parent_span_id.map(|parent| id("parent span id", parent.to_string(), model.tree.parent(span)))}
            {id("trace id", model.trace.trace_id.to_string(), None)}
            {(!data.trace_state.is_empty()).then(|| id("trace state", data.trace_state.clone(), None))}
            {(data.flags != 0).then(|| id("flags", format!("{:#x}", data.flags), None))}
        </dl>
    };
    section("Identifiers", None, false, content)
}

/// The span as the API sends it, made when it is opened.
fn raw(state: ViewState, span: usize) -> impl IntoView {
    let open = RwSignal::new(false);
    let text = Memo::new(move |_| {
        // Serialising cannot fail: the span came from JSON.
        if open.get() {
            serde_json::to_string_pretty(state.model().span(span)).unwrap_or_default()
        } else {
            String::new()
        }
    });
    view! {
        <details class="trace-section" on:toggle=move |_| open.update(|open| *open = !*open)>
            <summary>"JSON"</summary>
            <div class="trace-stack">
                <CopyButton text=text label="Copy JSON" />
                <pre tabindex="0">{move || text.get()}</pre>
            </div>
        </details>
    }
}
