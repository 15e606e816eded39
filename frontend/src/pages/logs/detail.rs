//! Everything known about a log record.

use leptos::prelude::*;
use spanloom_model::LogLevel;
use spanloom_model::api::LogLink;
use spanloom_model::log_link::LinkValues;

use super::item::LogItem;
use crate::components::copy_button::CopyButton;
use crate::components::icon::{Glyph, Icon};
use crate::components::level_mark::LevelMark;
use crate::components::log_links::{LogLinkButtons, around};
use crate::components::service_chip::ServiceName;
use crate::format;
use crate::pages::trace::attributes::{SearchIn, dropped, searchable_entries, section};
use crate::state::load::Loaded;
use crate::state::query::Query;
use crate::state::range::{ZONE, use_range};

/// Of an exception, told in a block of its own.
const STACK_TRACE: &str = "exception.stacktrace";

/// The panel; made anew for every record.
#[component]
pub fn LogDetail(
    /// The record.
    item: LogItem,
    /// Links to external systems.
    links: Loaded<Vec<LogLink>>,
    /// Whether to lead to the record's trace.
    #[prop(default = true)]
    leads_to_trace: bool,
    /// Closes the panel.
    close: Callback<()>,
) -> impl IntoView {
    let range = use_range();
    let entry = item.entry.clone();
    let title =
        if entry.event_name.is_empty() { "Log record".to_owned() } else { entry.event_name.clone() };
    let body = pretty(&entry.body);
    let stack = entry.attributes.get_str(STACK_TRACE).filter(|text| !text.is_empty()).map(str::to_owned);
    let shown: Vec<_> = entry.attributes.iter().filter(|(key, _)| *key != STACK_TRACE).collect();
    let count = shown.len();
    let attributes = (count > 0 || entry.dropped_attributes_count > 0).then(|| {
        let content = view! {
            {searchable_entries(shown.into_iter(), Some(SearchIn::Logs))}
            {dropped(entry.dropped_attributes_count, "attribute")}
        };
        section("Attributes", Some(count), true, content)
    });
    let resource = (!item.resource.attributes.is_empty()).then(|| {
        let content = searchable_entries(item.resource.attributes.iter(), Some(SearchIn::Logs));
        section("Resource", Some(item.resource.attributes.len()), false, content)
    });
    let logger = format!("{} {}", item.scope.name, item.scope.version).trim().to_owned();
    let to_trace = entry.trace_id.filter(|_| leads_to_trace).map(|trace_id| {
        let (path, span) = (format!("/traces/{trace_id}"), entry.span_id.map(|id| id.to_string()));
        let href =
            move || range.href_with(&path, Query::default().with("span", span.clone().unwrap_or_default()));
        let of_trace =
            move || range.href_with("/logs", Query::default().with("trace", trace_id.to_string()));
        view! {
            <a class="button small primary" href=href><Glyph icon=Icon::Traces />"Open trace"</a>
            <a class="button small" href=of_trace><Glyph icon=Icon::Logs />"Logs of this trace"</a>
        }
    });
    let (start_ns, end_ns) = around(item.time_ns(), item.time_ns());
    let values = LinkValues {
        trace_id: entry.trace_id,
        span_id: entry.span_id,
        service: item.service().to_owned(),
        start_ns,
        end_ns,
    };
    let severity = match (entry.severity_text.as_str(), entry.severity_number) {
        ("", 0) => None,
        ("", number) => Some(number.to_string()),
        (text, 0) => Some(text.to_owned()),
        (text, number) => Some(format!("{text} ({number})")),
    };
    let is_bad = matches!(entry.level, LogLevel::Error | LogLevel::Fatal);
    let collected = format::full_time(entry.observed_time, &ZONE);
    view! {
        <div class="trace-detail-head">
            <div class="trace-detail-title">
                <ServiceName name=item.service().to_owned() />
                <h3>{title}</h3>
            </div>
            <button type="button" class="icon-button" aria-label="Close details" title="Close (Esc)" on:click=move |_| close.run(())>
                <Glyph icon=Icon::Close />
            </button>
        </div>
        <div class="log-detail-line">
            <LevelMark level=entry.level />
            <time datetime=entry.time.to_rfc3339() title=format!("collected {collected}")>{format::full_time(entry.time, &ZONE)}</time>
        </div>
        <div class="log-actions">
            {to_trace}
            <LogLinkButtons links=links values=values />
        </div>
        <div class="log-body" class:bad=is_bad>
            <CopyButton text=Signal::stored(entry.body.clone()) label="Copy message" />
            <pre tabindex="0">{body}</pre>
        </div>
        {stack.map(|stack| section("Stack trace", None, true, view! {
            <div class="trace-stack">
                <CopyButton text=Signal::stored(stack.clone()) label="Copy stack trace" />
                <pre tabindex="0">{stack}</pre>
            </div>
        }))}
        {attributes}
        {resource}
        {section("Identifiers", None, true, view! {
            <dl class="trace-attributes">
                {severity.map(|text| identifier("severity", text))}
                {entry.trace_id.map(|id| identifier("trace", id.to_string()))}
                {entry.span_id.map(|id| identifier("span", id.to_string()))}
                {(!logger.is_empty()).then(|| identifier("logger", logger))}
            </dl>
        })}
    }
}

fn identifier(label: &'static str, value: String) -> impl IntoView {
    view! {
        <div class="trace-attribute">
            <dt>{label}</dt>
            <dd class="trace-value mono">{value.clone()}</dd>
            <dd class="trace-actions"><CopyButton text=Signal::stored(value) label=format!("Copy {label}") /></dd>
        </div>
    }
}

/// JSON objects and lists over several lines, everything else as it is. Pure.
pub fn pretty(body: &str) -> String {
    if !body.trim_start().starts_with(['{', '[']) {
        return body.to_owned();
    }
    serde_json::from_str::<serde_json::Value>(body)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn only_json_is_laid_out() {
        assert_eq!(pretty("plain [text]"), "plain [text]");
        assert_eq!(pretty("{broken"), "{broken");
        assert_eq!(pretty(r#"{"b":1,"a":[2]}"#).lines().count(), 6);
    }
}
