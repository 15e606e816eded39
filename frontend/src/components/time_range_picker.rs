//! The one time range of all pages: presets, typing, history by the back button.

use leptos::html;
use leptos::prelude::*;

use super::icon::{Glyph, Icon};
use super::menu::{Popover, PopoverState};
use crate::state::range::{ZONE, now_ms, use_range, use_set_range};
use crate::state::time_range::{TimeRange, spoken_duration};
use crate::state::time_text::parse_range;

const PRESETS_S: [i64; 10] =
    [300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 3 * 86_400, 7 * 86_400];

/// The button with the range and its panel.
#[component]
pub fn TimeRangePicker() -> impl IntoView {
    let state = PopoverState::new();
    let range = use_range();
    let set_range = use_set_range();
    let set_range = StoredValue::new_local(move |chosen: TimeRange| {
        set_range(chosen);
        if chosen == range.range.get_untracked() {
            range.refresh();
        }
        state.close();
    });
    let label = Memo::new(move |_| range.range.get().label(&ZONE));
    view! {
        <Popover
            state=state
            label=Signal::derive(move || format!("Time range: {}", label.get()))
            button_class="button quiet range-button"
            panel_class="range-panel align-end"
            button=move || {
                view! {
                    <Glyph icon=Icon::Clock />
                    <span class="range-label">{move || label.get()}</span>
                    <Glyph icon=Icon::ChevronDown />
                }
                .into_any()
            }
        >
            <RangeField choose=Callback::new(move |chosen| set_range.with_value(|set| set(chosen))) />
            <div class="range-presets" role="group" aria-label="Presets">
                {PRESETS_S
                    .into_iter()
                    .map(|seconds| {
                        let preset = TimeRange::last(seconds);
                        view! {
                            <button
                                type="button"
                                class="menu-item"
                                aria-pressed=move || (range.range.get() == preset).to_string()
                                on:click=move |_| set_range.with_value(|set| set(preset))
                            >
                                {format!("Last {}", spoken_duration(seconds))}
                            </button>
                        }
                    })
                    .collect_view()}
            </div>
        </Popover>
    }
}

/// Reads what is typed and shows at once what it would mean.
#[component]
fn RangeField(choose: Callback<TimeRange>) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let input: NodeRef<html::Input> = NodeRef::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            // Without focus one can still click into it.
            let _ = input.focus();
        }
    });
    let read = Memo::new(move |_| text.with(|text| parse_range(text, now_ms(), &ZONE)));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if let Ok(range) = read.get_untracked() {
            choose.run(range);
        }
    };
    let meaning = move || match (text.with(String::is_empty), read.get()) {
        (true, _) => crate::state::time_text::EXAMPLES.to_owned(),
        (false, Ok(range)) => {
            let window = range.resolve(now_ms());
            let exact = TimeRange::between_ms(window.from_ms, window.to_ms).label(&ZONE);
            format!("↵ {exact}")
        }
        (false, Err(message)) => message,
    };
    let wrong = move || !text.with(String::is_empty) && read.with(Result::is_err);
    view! {
        <form class="range-field" on:submit=submit>
            <label class="visually-hidden" for="range-text">"Time range"</label>
            <input
                id="range-text"
                node_ref=input
                class="input"
                type="text"
                autocomplete="off"
                spellcheck="false"
                placeholder="2h, yesterday 14:00 to 15:00, …"
                aria-describedby="range-meaning"
                aria-invalid=move || wrong().to_string()
                prop:value=move || text.get()
                on:input=move |event| text.set(event_target_value(&event))
            />
            <p id="range-meaning" class="hint" class:wrong=wrong aria-live="polite">{meaning}</p>
        </form>
    }
}
