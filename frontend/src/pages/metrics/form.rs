//! The fields of a definition.

use leptos::prelude::*;
use spanloom_model::SpanStatus;
use spanloom_model::api::{OperationsResponse, ServicesResponse, TagKeysResponse};

use super::draft::{AGGREGATIONS, Draft, GROUPS, KINDS, condition, group};
use super::model;
use crate::api;
use crate::components::combobox::{Choice, Combobox, fitting};
use crate::components::icon::{Glyph, Icon};
use crate::components::inputs::{Check, Faults, Line, fault};
use crate::format;
use crate::state::load::{Loaded, load};
use crate::state::range::use_range;

/// Groups at most.
const GROUP_BY_MAX: usize = 3;

fn spans(count: u64) -> String {
    format!("{} spans", format::count(count as f64))
}

/// The fields.
#[component]
pub fn Fields(
    /// What is typed.
    draft: Draft,
    /// What is wrong with it.
    faults: Faults,
) -> impl IntoView {
    let range = use_range();
    let services: Loaded<ServicesResponse> = load(
        move || Some(range.window.get()),
        |window, signal| async move { api::services(window, signal).await },
    );
    let service_choices = Memo::new(move |_| {
        let choices: Vec<Choice> = services.value.with(|it| {
            let services = it.iter().flat_map(|it| it.services.iter());
            services.map(|it| Choice { value: it.name.clone(), detail: String::new() }).collect()
        });
        fitting(&choices, &draft.service.get())
    });
    let operations: Loaded<OperationsResponse> = load(
        move || {
            let service = draft.service.get().trim().to_owned();
            Some((service, range.window.get())).filter(|(service, _)| !service.is_empty())
        },
        |(service, window), signal| async move { api::operations(&service, window, signal).await },
    );
    let operation_choices = Memo::new(move |_| {
        let mut choices: Vec<Choice> = operations.value.with(|it| {
            let operations = it.iter().flat_map(|it| it.operations.iter());
            operations.map(|it| Choice { value: it.name.clone(), detail: String::new() }).collect()
        });
        choices.dedup_by(|a, b| a.value == b.value);
        fitting(&choices, &draft.operation.get())
    });
    let keys: Loaded<TagKeysResponse> = load(
        move || Some((draft.service.get().trim().to_owned(), range.window.get())),
        |(service, window), signal| async move { api::tag_keys(&service, window, signal).await },
    );
    let key_choices = Memo::new(move |_| -> Vec<Choice> {
        keys.value.with(|it| {
            let keys = it.iter().flat_map(|it| it.keys.iter());
            keys.map(|it| Choice { value: it.key.clone(), detail: spans(it.spans) }).collect()
        })
    });
    view! {
        <fieldset class="form-part">
            <legend>"Which spans count"</legend>
            <div class="field-pair">
                <Completed id="metric-service" label="Service" placeholder="any" text=draft.service
                    choices=service_choices path="filter.service" faults=faults />
                <Completed id="metric-operation" label="Operation" placeholder="any" text=draft.operation
                    choices=operation_choices path="filter.operation" faults=faults />
            </div>
            <Kinds draft=draft />
            <Conditions draft=draft keys=key_choices faults=faults />
            <div class="field-pair">
                <Line id="metric-at-least" label="Lasted at least" value=draft.at_least path="filter.durationMinNs"
                    faults=faults unit="ms" number=true placeholder="no limit" />
                <Line id="metric-at-most" label="Lasted at most" value=draft.at_most path="filter.durationMaxNs"
                    faults=faults unit="ms" number=true placeholder="no limit" />
            </div>
        </fieldset>
        <fieldset class="form-part">
            <legend>"What is computed"</legend>
            <Value draft=draft keys=key_choices faults=faults />
            <Groups draft=draft keys=key_choices faults=faults />
        </fieldset>
        <fieldset class="form-part">
            <legend>"Name"</legend>
            <div class="field-pair">
                <Line id="metric-name" label="Name" value=draft.name path="name" faults=faults placeholder="cart_total" />
                <Line id="metric-unit" label="Unit of the attribute" value=draft.unit path="unit" faults=faults placeholder="EUR" />
            </div>
            <Line id="metric-description" label="Description" value=draft.description path="description" faults=faults />
        </fieldset>
    }
}

/// A line of text that completes.
#[component]
fn Completed(
    id: &'static str,
    label: &'static str,
    placeholder: &'static str,
    text: RwSignal<String>,
    choices: Memo<Vec<Choice>>,
    path: &'static str,
    faults: Faults,
) -> impl IntoView {
    let wrong = Memo::new(move |_| fault(faults, path, false));
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <Combobox
                id=id
                label=label
                placeholder=placeholder
                text=text
                choices=choices
                takes_first=Signal::stored(false)
                pick=Callback::new(move |value: String| text.set(value))
                enter=Callback::new(|()| {})
                invalid=Signal::derive(move || wrong.with(Option::is_some))
            />
            <span class="field-error">{move || wrong.get()}</span>
        </div>
    }
}

#[component]
fn Kinds(draft: Draft) -> impl IntoView {
    let checks = KINDS.into_iter().map(|kind| {
        let value = RwSignal::new(draft.kinds.with_untracked(|kinds| kinds.contains(&kind)));
        Effect::new(move |previous: Option<bool>| {
            let wanted = value.get();
            if previous.is_some_and(|previous| previous != wanted) {
                draft.kinds.update(|kinds| {
                    kinds.retain(|other| *other != kind);
                    kinds.extend(wanted.then_some(kind));
                });
            }
            wanted
        });
        view! { <Check label=model::kind_name(kind) value=value /> }
    });
    let statuses = [
        ("", None),
        ("error", Some(SpanStatus::Error)),
        ("ok", Some(SpanStatus::Ok)),
        ("unset", Some(SpanStatus::Unset)),
    ];
    let options = statuses.into_iter().map(|(name, status)| {
        let label = if name.is_empty() { "any" } else { name };
        view! { <option value=name selected=move || draft.status.get() == status>{label}</option> }
    });
    let choose = move |event: web_sys::Event| {
        let name = event_target_value(&event);
        let found = statuses.into_iter().find(|(known, _)| *known == name);
        draft.status.set(found.and_then(|(_, status)| status));
    };
    view! {
        <div class="field-pair">
            <div class="field" role="group" aria-label="Kinds">
                <span class="label">"Kinds; none means all"</span>
                <div class="checks">{checks.collect_view()}</div>
            </div>
            <div class="field">
                <label for="metric-status">"Status"</label>
                <select id="metric-status" class="select" on:change=choose>{options.collect_view()}</select>
            </div>
        </div>
    }
}

/// Chips of what was added, with a field for more.
#[component]
fn Chips(
    id: &'static str,
    label: &'static str,
    placeholder: &'static str,
    #[prop(into)] items: Signal<Vec<String>>,
    text: RwSignal<String>,
    #[prop(into)] choices: Signal<Vec<Choice>>,
    #[prop(into)] add: Callback<String>,
    #[prop(into)] remove: Callback<usize>,
    path: &'static str,
    faults: Faults,
) -> impl IntoView {
    let wrong = Memo::new(move |_| fault(faults, path, true));
    let enter = move || {
        let typed = text.get_untracked();
        if !typed.trim().is_empty() {
            add.run(typed);
        }
    };
    let chips = move || {
        items
            .get()
            .into_iter()
            .enumerate()
            .map(|(at, item)| {
                view! {
                    <span class="chip" title=item.clone()>
                        <span class="clip">{item.clone()}</span>
                        <button type="button" aria-label=format!("Remove {item}") on:click=move |_| remove.run(at)>
                            <Glyph icon=Icon::Close />
                        </button>
                    </span>
                }
            })
            .collect_view()
    };
    view! {
        // What is typed and not added yet is meant too.
        <div class="field" on:focusout=move |_| enter()>
            <label for=id>{label}</label>
            <div class="tag-box">
                {chips}
                <Combobox
                    id=id
                    label=label
                    placeholder=placeholder
                    text=text
                    choices=choices
                    takes_first=Signal::stored(false)
                    pick=add
                    enter=Callback::new(move |()| enter())
                    backspace=Callback::new(move |()| {
                        if let Some(last) = items.with_untracked(|items| items.len().checked_sub(1)) {
                            remove.run(last);
                        }
                    })
                    invalid=Signal::derive(move || wrong.with(Option::is_some))
                />
            </div>
            <span class="field-error">{move || wrong.get()}</span>
        </div>
    }
}

#[component]
fn Conditions(draft: Draft, keys: Memo<Vec<Choice>>, faults: Faults) -> impl IntoView {
    let range = use_range();
    let text = RwSignal::new(String::new());
    let values = load(
        move || {
            let key = text.with(|text| text.split_once('=').map(|(key, _)| key.trim().to_owned()))?;
            Some((key, draft.service.get().trim().to_owned(), range.window.get()))
                .filter(|(key, ..)| !key.is_empty())
        },
        |(key, service, window), signal| async move { api::tag_values(&key, &service, window, signal).await },
    );
    let choices = Memo::new(move |_| {
        let typed = text.get();
        let choices: Vec<Choice> = match typed.split_once('=') {
            None => keys.with(|keys| {
                let choice =
                    |key: &Choice| Choice { value: format!("{}=", key.value), detail: key.detail.clone() };
                keys.iter().map(choice).collect()
            }),
            Some((key, _)) => values.value.with(|it| {
                let values = it.iter().flat_map(|it| it.values.iter());
                let key = key.trim();
                values
                    .map(|it| Choice { value: format!("{key}={}", it.value), detail: spans(it.spans) })
                    .collect()
            }),
        };
        fitting(&choices, &typed)
    });
    let add = Callback::new(move |typed: String| {
        // A key from the list: its values come next.
        if typed.ends_with('=') && typed != text.get_untracked() {
            text.set(typed);
            return;
        }
        if let Some(condition) = condition(&typed) {
            draft.conditions.update(|conditions| conditions.push(condition));
        }
        text.set(String::new());
    });
    let items = Memo::new(move |_| {
        draft.conditions.with(|conditions| {
            let told = |it: &spanloom_model::api::CustomMetricCondition| match &it.value {
                Some(value) => format!("{} = {value}", it.key),
                None => format!("has {}", it.key),
            };
            conditions.iter().map(told).collect::<Vec<_>>()
        })
    });
    let remove = Callback::new(move |at: usize| {
        draft.conditions.update(|conditions| {
            conditions.remove(at);
        });
    });
    view! {
        <Chips id="metric-conditions" label="Attributes, of the span or its process"
            placeholder="key=value, or a key that must be there" items=items text=text choices=choices add=add
            remove=remove path="filter.attributes" faults=faults />
    }
}

#[component]
fn Value(draft: Draft, keys: Memo<Vec<Choice>>, faults: Faults) -> impl IntoView {
    let values = [("span", "The span itself"), ("duration", "Its duration"), ("attribute", "An attribute")];
    let value_options = values.into_iter().map(|(name, label)| {
        view! { <option value=name selected=move || draft.value.with(|value| value == name)>{label}</option> }
    });
    // Of a span there is only the number; of a duration anything but distinct ones.
    let fits = move |name: &str| {
        draft.value.with(|value| match value.as_str() {
            "span" => name == "count",
            "duration" => name != "distinct",
            _ => true,
        })
    };
    let options = move || {
        let fitting = AGGREGATIONS.into_iter().filter(|(name, _)| fits(name));
        let option = |(name, label): (&'static str, &'static str)| {
            view! { <option value=name selected=move || draft.aggregation.with(|it| it == name)>{label}</option> }
        };
        fitting.map(option).collect_view()
    };
    let choose_value = move |event: web_sys::Event| {
        draft.value.set(event_target_value(&event));
        if !untrack(|| draft.aggregation.with(|name| fits(name))) {
            draft.aggregation.set("count".to_owned());
        }
    };
    let key_choices = Memo::new(move |_| keys.with(|keys| fitting(keys, &draft.key.get())));
    let wrong = Memo::new(move |_| fault(faults, "value", false));
    view! {
        <div class="field-pair">
            <div class="field">
                <label for="metric-value">"Value"</label>
                <select id="metric-value" class="select" on:change=choose_value>{value_options.collect_view()}</select>
                <span class="field-error">{move || wrong.get()}</span>
            </div>
            <div class="field">
                <label for="metric-aggregation">"Computed"</label>
                <select id="metric-aggregation" class="select"
                    on:change=move |event| draft.aggregation.set(event_target_value(&event))>{options}</select>
            </div>
        </div>
        <Show when=move || draft.value.with(|value| value == "attribute")>
            <Completed id="metric-key" label="Attribute, a number unless distinct values are counted" placeholder="cart.total"
                text=draft.key choices=key_choices path="value.key" faults=faults />
        </Show>
        <Show when=move || draft.aggregation.with(|it| it == "quantile")>
            <Line id="metric-quantile" label="Quantile" value=draft.quantile path="aggregation.q" faults=faults unit="%" number=true />
        </Show>
    }
}

#[component]
fn Groups(draft: Draft, keys: Memo<Vec<Choice>>, faults: Faults) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let choices = Memo::new(move |_| {
        let own = GROUPS
            .into_iter()
            .map(|name| Choice { value: name.to_owned(), detail: "of every span".to_owned() });
        let choices: Vec<Choice> = own.chain(keys.get()).collect();
        fitting(&choices, &text.get())
    });
    let add = Callback::new(move |name: String| {
        let is_full = draft.groups.with_untracked(|groups| groups.len() >= GROUP_BY_MAX);
        if let Some(group) = group(&name).filter(|_| !is_full) {
            draft.groups.update(|groups| {
                if !groups.contains(&group) {
                    groups.push(group);
                }
            });
        }
        text.set(String::new());
    });
    let remove = Callback::new(move |at: usize| {
        draft.groups.update(|groups| {
            groups.remove(at);
        });
    });
    let items = Memo::new(move |_| {
        draft.groups.with(|groups| groups.iter().map(|group| group.label().to_owned()).collect::<Vec<_>>())
    });
    view! {
        <div class="field-pair">
            <Chips id="metric-groups" label="A series for each, up to three" placeholder="service, an attribute …" items=items
                text=text choices=choices add=add remove=remove path="groupBy" faults=faults />
            <Line id="metric-groups-max" label="Groups at most; others are one" value=draft.groups_max path="groupsMax"
                faults=faults number=true />
        </div>
    }
}
