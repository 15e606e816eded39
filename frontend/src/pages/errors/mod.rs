//! Errors by group: what fails, how often, since when; resolved or ignored together.

pub mod filter;
pub mod table;

use std::collections::HashSet;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use spanloom_model::api::{ErrorGroup, ErrorState, Role};
use uuid::Uuid;

use self::filter::STATES;
use self::table::{ErrorTable, page_of, show_row};
use crate::api;
use crate::components::error_group::change_state;
use crate::components::icon::{Glyph, Icon};
use crate::components::list_keys::list_keys;
use crate::components::states::{EmptyState, ErrorBar, ErrorState as Failed, SkeletonRows};
use crate::format;
use crate::state::load::load;
use crate::state::page::{Crumb, KeyHelp, use_page};
use crate::state::range::{use_change_query, use_range};
use crate::state::session::use_session;
use crate::state::toasts::use_toasts;

const KEYS: &[KeyHelp] =
    &[("j k", "Next, previous error"), ("Enter", "Opens it"), ("x", "Selects it, for a change of several")];

/// The page.
#[component]
pub fn ErrorsPage() -> impl IntoView {
    use_page().set(vec![Crumb::here("Errors")], KEYS);
    let range = use_range();
    let query = range.query_at("/errors");
    let errors = load(
        move || {
            let asked = api::window_query(range.window.get());
            let parameters = query.with(filter::parameters);
            Some(format!("{}&{}", asked.encode(), parameters.encode()))
        },
        |question, signal| async move {
            let query = crate::state::query::Query::parse(&question);
            api::errors(&query, signal).await
        },
    );
    let retry = Callback::new(move |()| errors.reload());
    let rows = Memo::new(move |_| -> Option<Vec<ErrorGroup>> {
        errors.value.with(|it| it.as_ref().map(|it| it.groups.clone()))
    });

    let at = RwSignal::new(None::<usize>);
    let chosen = RwSignal::new(HashSet::<Uuid>::new());
    let navigate = use_navigate();
    let id_at = move |at: usize| {
        rows.with_untracked(|rows| rows.as_ref().and_then(|rows| rows.get(at).map(|row| row.id)))
    };
    let open = StoredValue::new_local(move |at: usize| {
        if let Some(id) = id_at(at) {
            navigate(&untrack(|| page_of(range, id)), NavigateOptions::default());
        }
    });
    list_keys(
        Signal::derive(move || rows.with(|rows| rows.as_ref().map_or(0, Vec::len))),
        at,
        show_row,
        move |at| open.with_value(|open| open(at)),
    );
    let session = use_session();
    let may_change = Memo::new(move |_| session.has_role(Role::Editor));
    select_key(move || {
        let id = at.get_untracked().and_then(id_at);
        if let Some(id) = id.filter(|_| may_change.get_untracked()) {
            table::toggle(chosen, id);
        }
    });
    // What is not in the list any more must not be changed unseen.
    Effect::new(move |_| {
        rows.with(|rows| {
            let shown: HashSet<Uuid> = rows.iter().flatten().map(|row| row.id).collect();
            chosen.update(|chosen| chosen.retain(|id| shown.contains(id)));
        });
    });

    let content = move || {
        let error = errors.error.get();
        let known = errors.value.with(|it| it.as_ref().map(|it| it.groups.is_empty()));
        match (known, error) {
            (None, Some(error)) => view! { <Failed error=error retry=retry /> }.into_any(),
            (None, None) => view! { <SkeletonRows rows=12 /> }.into_any(),
            (Some(true), None) => view! { <NoErrors /> }.into_any(),
            (Some(_), error) => {
                let total = errors.value.with(|it| it.as_ref().map_or(0.0, |it| it.count));
                view! {
                    {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
                    <ErrorTable rows=rows total=total selected=at chosen=chosen may_choose=may_change />
                }
                .into_any()
            }
        }
    };
    let told = move || {
        errors.value.with(|it| {
            it.as_ref().map(|it| {
                let shown = it.groups.len() as u64;
                let groups = if shown < it.group_count {
                    format!("first {shown} of {}", format::plural(it.group_count, "error"))
                } else {
                    format::plural(shown, "error")
                };
                format!("{groups}, {}", format::plural(it.count.round() as u64, "occurrence"))
            })
        })
    };
    view! {
        <div class="toolbar">
            <Filters />
            <span class="faint clip" role="status">{told}</span>
            <span class="progress" class:on=move || errors.loading.get() aria-hidden="true"></span>
        </div>
        <Show when=move || chosen.with(|chosen| !chosen.is_empty())>
            <Chosen chosen=chosen done=retry />
        </Show>
        <div class="page-scroll" aria-busy=move || errors.loading.get().to_string()>{content}</div>
    }
}

/// `x` while the component lives.
fn select_key(select: impl Fn() + 'static) {
    let listener = window_event_listener(leptos::ev::keydown, move |event| {
        if !crate::state::page::is_typing(&event) && event.key() == "x" {
            event.prevent_default();
            select();
        }
    });
    on_cleanup(move || listener.remove());
}

/// Text, states, and what else narrows the list.
#[component]
fn Filters() -> impl IntoView {
    let range = use_range();
    let query = range.query_at("/errors");
    let change = StoredValue::new_local(use_change_query());
    let set = move |name: &'static str, value: String| {
        change.with_value(|change| change(&|query| query.set(name, value.clone())));
    };
    let text = Memo::new(move |_| query.with(|query| query.get("text").unwrap_or_default().to_owned()));
    let state = Memo::new(move |_| query.with(|query| filter::states(query).0));
    let chips = move || {
        let chip = |name: &'static str| {
            let value = query.with(|query| query.get(name).unwrap_or_default().to_owned());
            (!value.is_empty()).then(|| {
                let label = format!("Remove the filter {name} {value}");
                view! {
                    <span class="filter-chip">
                        <span class="clip">{name}": "<b>{value}</b></span>
                        <button type="button" class="icon-button" aria-label=label on:click=move |_| set(name, String::new())>
                            <Glyph icon=Icon::Close />
                        </button>
                    </span>
                }
            })
        };
        ["service", "operation", "version"].map(chip).into_iter().flatten().collect_view()
    };
    view! {
        <input
            class="input filter-input"
            type="search"
            data-search=""
            placeholder="Type or message contains"
            aria-label="Type or message contains"
            prop:value=move || text.get()
            on:change=move |event| set("text", event_target_value(&event))
        />
        <div class="segments" role="group" aria-label="States">
            {STATES
                .iter()
                .map(|&(name, label, _)| {
                    let pressed = move || (state.get() == name).to_string();
                    // The default needs no place in the URL.
                    let value = if name == STATES[0].0 { "" } else { name };
                    view! {
                        <button type="button" class="segment" aria-pressed=pressed on:click=move |_| set("state", value.to_owned())>
                            {label}
                        </button>
                    }
                })
                .collect_view()}
        </div>
        {chips}
    }
}

/// What can be done with the groups that are chosen.
#[component]
fn Chosen(chosen: RwSignal<HashSet<Uuid>>, done: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let change = move |state: ErrorState| {
        let ids: Vec<Uuid> = chosen.get_untracked().into_iter().collect();
        let done = Callback::new(move |()| {
            chosen.set(HashSet::new());
            done.run(());
        });
        change_state(ids, state, false, toasts, done);
    };
    view! {
        <div class="chosen-bar" role="toolbar" aria-label="Selected errors">
            <span role="status">{move || chosen.with(|chosen| format!("{} selected", chosen.len()))}</span>
            <button type="button" class="button small" on:click=move |_| change(ErrorState::Resolved)>
                <Glyph icon=Icon::Check />
                "Resolve"
            </button>
            <button type="button" class="button small" on:click=move |_| change(ErrorState::Ignored)>"Ignore"</button>
            <button type="button" class="button small" on:click=move |_| change(ErrorState::Open)>"Reopen"</button>
            <button type="button" class="button small quiet" on:click=move |_| chosen.set(HashSet::new())>"Clear"</button>
        </div>
    }
}

/// Nothing fits: because of the filters, or because nothing failed.
#[component]
fn NoErrors() -> impl IntoView {
    let range = use_range();
    let query = range.query_at("/errors");
    let narrowed =
        move || query.with(|query| filter::is_narrowed(query) || filter::states(query).0 != "all");
    let all = move || {
        let all = crate::state::query::Query::default().with("state", "all");
        range.href_with("/errors", all)
    };
    view! {
        <EmptyState title="No such errors in this time range">
            <p>"An error is an exception that a span recorded, or a failed span with a message. It shows up some seconds after it arrived."</p>
            <Show when=narrowed>
                <a class="button" href=all>"Show all states, without filters"</a>
            </Show>
        </EmptyState>
    }
}
