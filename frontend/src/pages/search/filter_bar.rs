//! The form above the results. What is typed becomes the search on Enter; what is chosen, at once.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use spanloom_model::api::{OperationsResponse, ServicesResponse};

use super::filter::{Filter, complete_tag, duration_error, pasted_trace};
use super::filter_parts::{DurationInput, SpanDuration, call_chip, kind_chip, time_chip};
use super::tag_field::TagField;
use crate::api;
use crate::components::combobox::{Choice, Combobox, fitting};
use crate::components::icon::{Glyph, Icon};
use crate::format;
use crate::state::load::{Loaded, load};
use crate::state::query::Query;
use crate::state::range::{use_change_query, use_range};

/// What is typed but perhaps not searched for yet.
#[derive(Clone, Copy)]
pub struct Draft {
    /// `service.name`.
    pub service: RwSignal<String>,
    /// The operation.
    pub operation: RwSignal<String>,
    /// The tag that is being typed.
    pub tag: RwSignal<String>,
    /// Minimum duration.
    pub min: RwSignal<String>,
    /// Maximum duration.
    pub max: RwSignal<String>,
    /// Minimum duration of the span.
    pub span_min: RwSignal<String>,
    /// Maximum duration of the span.
    pub span_max: RwSignal<String>,
}

impl Draft {
    /// Follows the URL: another search replaces what was typed.
    fn following(filter: Memo<Filter>) -> Self {
        let text = || RwSignal::new(String::new());
        let draft = Self {
            service: text(),
            operation: text(),
            tag: text(),
            min: text(),
            max: text(),
            span_min: text(),
            span_max: text(),
        };
        Effect::new(move |_| {
            let filter = filter.get();
            draft.service.set(filter.service);
            draft.operation.set(filter.operation);
            draft.min.set(filter.min);
            draft.max.set(filter.max);
            draft.span_min.set(filter.span_min);
            draft.span_max.set(filter.span_max);
        });
        draft
    }

    /// The current search with what is typed.
    fn over(self, mut filter: Filter) -> Filter {
        self.service.with(|text| text.trim().clone_into(&mut filter.service));
        self.operation.with(|text| text.trim().clone_into(&mut filter.operation));
        self.min.with(|text| text.trim().clone_into(&mut filter.min));
        self.max.with(|text| text.trim().clone_into(&mut filter.max));
        self.span_min.with(|text| text.trim().clone_into(&mut filter.span_min));
        self.span_max.with(|text| text.trim().clone_into(&mut filter.span_max));
        filter
    }
}

/// Runs a search: changes the filter that stands in the form, then the URL.
pub type Apply = Callback<Change>;

/// A change of the filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// As typed.
    Run,
    /// Another service; its operation is another one, too.
    Service(String),
    /// Another operation.
    Operation(String),
    /// One more tag.
    AddTag(String),
    /// One tag less, by its place.
    RemoveTag(usize),
    /// No call any more.
    AnyCall,
    /// A span of any duration.
    AnySpanDuration,
    /// Spans of any kind.
    AnyKind,
    /// The time range is that of the trace.
    TimeOfTrace,
    /// Another status.
    Status(String),
    /// Nothing but the time range.
    Clear,
}

fn changed(mut filter: Filter, change: Change) -> Filter {
    match change {
        Change::Run => {}
        Change::Service(service) => {
            if service != filter.service {
                filter.operation.clear();
            }
            filter.service = service;
        }
        Change::Operation(operation) => filter.operation = operation,
        Change::AddTag(tag) => {
            if !filter.tags.contains(&tag) {
                filter.tags.push(tag);
            }
        }
        Change::RemoveTag(at) => {
            if at < filter.tags.len() {
                filter.tags.remove(at);
            }
        }
        Change::AnyCall => {
            filter.caller.clear();
            filter.callee.clear();
        }
        Change::AnySpanDuration => {
            filter.span_min.clear();
            filter.span_max.clear();
        }
        Change::AnyKind => filter.kinds.clear(),
        Change::TimeOfTrace => filter.of_span = false,
        Change::Status(status) => filter.status = status,
        Change::Clear => {
            filter =
                Filter { longest_first: filter.longest_first, limit: filter.limit, ..Filter::default() };
        }
    }
    filter
}

/// The form.
#[component]
pub fn FilterBar(
    /// What the URL says.
    filter: Memo<Filter>,
) -> impl IntoView {
    let range = use_range();
    let draft = Draft::following(filter);
    let wrong_of = |min: RwSignal<String>, max: RwSignal<String>| {
        Memo::new(move |_| min.with(|min| max.with(|max| duration_error(min, max))))
    };
    let (wrong_trace, wrong_span) =
        (wrong_of(draft.min, draft.max), wrong_of(draft.span_min, draft.span_max));
    let wrong = Memo::new(move |_| wrong_trace.get().or_else(|| wrong_span.get()));
    // Rarely wanted: there is no room for it in everybody's way.
    let adds_span = RwSignal::new(false);
    let has_span = Memo::new(move |_| {
        let is_set = filter.with(|filter| !filter.span_min.is_empty() || !filter.span_max.is_empty());
        is_set || adds_span.get()
    });
    let pending = Memo::new(move |_| {
        let typed_tag = draft.tag.with(|tag| complete_tag(tag).is_some());
        typed_tag || draft.over(filter.get()) != filter.get()
    });

    let change_url = use_change_query();
    let apply_now = StoredValue::new_local(move |change: Change| {
        if wrong.get_untracked().is_some() && !matches!(change, Change::Clear | Change::AnySpanDuration) {
            return;
        }
        let current = filter.get_untracked();
        let mut next = untrack(|| draft.over(current.clone()));
        if let Some(tag) =
            draft.tag.with_untracked(|tag| complete_tag(tag)).filter(|_| change == Change::Run)
        {
            next = changed(next, Change::AddTag(tag));
        }
        if matches!(change, Change::Run | Change::AddTag(_) | Change::Clear) {
            draft.tag.set(String::new());
        }
        if matches!(change, Change::AnySpanDuration | Change::Clear) {
            adds_span.set(false);
            draft.span_min.set(String::new());
            draft.span_max.set(String::new());
        }
        let next = changed(next, change);
        if next == current {
            range.refresh();
        } else {
            change_url(&|query: &mut Query| next.write(query));
        }
    });
    let apply: Apply = Callback::new(move |change| apply_now.with_value(|apply| apply(change)));

    let navigate = StoredValue::new_local(use_navigate());
    let open_trace: Callback<String, bool> = Callback::new(move |text: String| {
        let Some(id) = pasted_trace(&text) else { return false };
        let href = untrack(|| range.href(&format!("/traces/{id}")));
        navigate.with_value(|navigate| navigate(&href, NavigateOptions::default()));
        true
    });

    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        apply.run(Change::Run);
    };
    let enter_runs = Callback::new(move |()| apply.run(Change::Run));
    let status = move || filter.with(|filter| filter.status.clone());
    view! {
        <form class="filter-bar" role="search" aria-label="Traces" on:submit=submit>
            <NameFields draft=draft apply=apply enter_runs=enter_runs />
            <div class="filter-field tags">
                <span class="label" aria-hidden="true">"Tags"</span>
                <TagField filter=filter draft=draft apply=apply open_trace=open_trace />
            </div>
            <div class="filter-field duration">
                <span class="label">
                    <span aria-hidden="true">"Duration"</span>
                    <button
                        type="button"
                        class="link-button"
                        hidden=move || has_span.get()
                        title="Bound the duration of the span that satisfies the other conditions, too"
                        on:click=move |_| adds_span.set(true)
                    >
                        "+ of the span"
                    </button>
                </span>
                <div class="duration-pair">
                    <DurationInput label="Minimum duration" placeholder="min" text=draft.min wrong=wrong_trace />
                    <span class="faint" aria-hidden="true">"–"</span>
                    <DurationInput label="Maximum duration" placeholder="max" text=draft.max wrong=wrong_trace />
                </div>
            </div>
            <Show when=move || has_span.get()>
                <SpanDuration draft=draft apply=apply wrong=wrong_span focus=adds_span />
            </Show>
            <div class="filter-field status">
                <label class="label" for="filter-status">"Status"</label>
                <select
                    id="filter-status"
                    class="select"
                    prop:value=status
                    on:change=move |event| apply.run(Change::Status(event_target_value(&event)))
                >
                    <option value="">"Any"</option>
                    <option value="error">"Error"</option>
                    <option value="ok">"Ok"</option>
                    <option value="unset">"Unset"</option>
                </select>
            </div>
            {move || kind_chip(filter, apply)}
            {move || time_chip(filter, apply)}
            {move || call_chip(filter, apply)}
            <div class="filter-actions">
                <button type="submit" class="button" class:primary=move || pending.get() disabled=move || wrong.get().is_some()>
                    "Run"
                    <span aria-hidden="true">"⏎"</span>
                </button>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Clear all filters"
                    title="Clear all filters"
                    hidden=move || filter.with(Filter::is_empty)
                    on:click=move |_| apply.run(Change::Clear)
                >
                    <Glyph icon=Icon::Close />
                </button>
            </div>
            <p class="hint wrong" role="alert" hidden=move || wrong.get().is_none()>{move || wrong.get()}</p>
        </form>
    }
}

#[component]
fn NameFields(draft: Draft, apply: Apply, enter_runs: Callback<()>) -> impl IntoView {
    let range = use_range();
    let services: Loaded<ServicesResponse> = load(
        move || Some(range.window.get()),
        |window, signal| async move { api::services(window, signal).await },
    );
    let service_choices = Memo::new(move |_| {
        let choices: Vec<Choice> = services.value.with(|it| {
            let services = it.iter().flat_map(|it| it.services.iter());
            services
                .map(|it| Choice { value: it.name.clone(), detail: format::rate(it.red.rate_per_second) })
                .collect()
        });
        draft.service.with(|text| fitting(&choices, text))
    });
    let operations: Loaded<OperationsResponse> = load(
        move || {
            // Only for a service that exists: not for every letter that is typed.
            let service = draft.service.get();
            let exists = services.value.with(|it| {
                it.as_ref().is_some_and(|it| it.services.iter().any(|known| known.name == service))
            });
            exists.then(|| (service, range.window.get()))
        },
        |(service, window), signal| async move { api::operations(&service, window, signal).await },
    );
    let operation_choices = Memo::new(move |_| {
        let mut choices: Vec<Choice> = operations.value.with(|it| {
            let operations = it.iter().flat_map(|it| it.operations.iter());
            operations
                .map(|it| Choice { value: it.name.clone(), detail: format::rate(it.red.rate_per_second) })
                .collect()
        });
        // The same name may occur with several kinds; the search does not tell them apart.
        choices.dedup_by(|a, b| a.value == b.value);
        draft.operation.with(|text| fitting(&choices, text))
    });
    // Enter completes half a name; a whole one is searched for as it is.
    let completes = |text: RwSignal<String>, choices: Memo<Vec<Choice>>| {
        Signal::derive(move || {
            text.with(|text| {
                !text.is_empty()
                    && choices.with(|choices| choices.iter().all(|choice| choice.value != *text))
            })
        })
    };
    view! {
        <div class="filter-field service">
            <span class="label" aria-hidden="true">"Service"</span>
            <Combobox
                id="filter-service"
                label="Service"
                placeholder="Any service"
                text=draft.service
                choices=service_choices
                takes_first=completes(draft.service, service_choices)
                pick=Callback::new(move |name| apply.run(Change::Service(name)))
                enter=enter_runs
            />
        </div>
        <div class="filter-field operation">
            <span class="label" aria-hidden="true">"Operation"</span>
            <Combobox
                id="filter-operation"
                label="Operation"
                placeholder="Any operation"
                text=draft.operation
                choices=operation_choices
                takes_first=completes(draft.operation, operation_choices)
                pick=Callback::new(move |name| apply.run(Change::Operation(name)))
                enter=enter_runs
            />
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a search for the old service's operation at the new service, which finds nothing.
    #[test]
    fn another_service_has_other_operations() {
        let filter = Filter { service: "cart".into(), operation: "GetCart".into(), ..Filter::default() };
        let same = changed(filter.clone(), Change::Service("cart".into()));
        assert_eq!(same, filter);
        assert_eq!(changed(filter, Change::Service("payment".into())).operation, "");
    }

    #[test]
    fn clearing_keeps_what_is_no_filter() {
        let filter = Filter { service: "a".into(), longest_first: true, limit: 50, ..Filter::default() };
        let cleared = changed(filter, Change::Clear);
        assert!(cleared.is_empty() && cleared.longest_first && cleared.limit == 50);
        let twice = changed(changed(cleared, Change::AddTag("a=b".into())), Change::AddTag("a=b".into()));
        assert_eq!(twice.tags, ["a=b"]);
        assert!(changed(twice, Change::RemoveTag(0)).tags.is_empty());
    }
}
