//! A text field that completes.

use leptos::html;
use leptos::prelude::*;

use crate::state::find::score;

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is chosen.
    pub value: String,
    /// What is said about it, at the right.
    pub detail: String,
}

/// More would not be read; typing narrows them.
const SHOWN_MAX: usize = 50;

/// The choices that fit what is typed, the best first; all of them if it is one of them exactly,
/// because then the person wants to change it. Pure.
pub fn fitting(choices: &[Choice], text: &str) -> Vec<Choice> {
    let text = if choices.iter().any(|choice| choice.value == text) { "" } else { text };
    let mut scored: Vec<(i32, &Choice)> =
        choices.iter().filter_map(|choice| Some((score(&choice.value, text)?, choice))).collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().take(SHOWN_MAX).map(|(_, choice)| choice.clone()).collect()
}

/// The field and its list.
#[component]
pub fn Combobox(
    /// For the label and the list.
    id: &'static str,
    /// The field's accessible name.
    #[prop(into)]
    label: String,
    /// What the empty field says.
    #[prop(into)]
    placeholder: String,
    /// What is typed.
    text: RwSignal<String>,
    /// What can be chosen, already filtered.
    #[prop(into)]
    choices: Signal<Vec<Choice>>,
    /// Whether Enter takes the first choice while none is selected by hand.
    #[prop(into)]
    takes_first: Signal<bool>,
    /// A choice was taken.
    #[prop(into)]
    pick: Callback<String>,
    /// Enter without a choice.
    #[prop(into)]
    enter: Callback<()>,
    /// Backspace in the empty field.
    #[prop(optional, into)]
    backspace: Option<Callback<()>>,
    /// Something was pasted; true if that has been dealt with.
    #[prop(optional, into)]
    paste: Option<Callback<String, bool>>,
    /// Whether `/` goes here.
    #[prop(optional)]
    is_search: bool,
    /// Wrong input is marked.
    #[prop(optional, into)]
    invalid: Signal<bool>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let selected = RwSignal::new(None::<usize>);
    let node: NodeRef<html::Input> = NodeRef::new();
    let list_id = format!("{id}-list");
    let current = move || {
        let count = choices.with(Vec::len);
        selected.get().filter(|at| *at < count).or_else(|| (takes_first.get() && count > 0).then_some(0))
    };
    let take = move |value: String| {
        pick.run(value);
        selected.set(None);
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        let count = choices.with_untracked(Vec::len);
        match event.key().as_str() {
            "ArrowDown" | "ArrowUp" if count > 0 => {
                let down = event.key() == "ArrowDown";
                let next = match (open.get_untracked(), untrack(current), down) {
                    (false, ..) => None,
                    (true, None, true) => Some(0),
                    (true, None, false) => Some(count - 1),
                    (true, Some(at), true) => Some((at + 1) % count),
                    (true, Some(at), false) => Some((at + count - 1) % count),
                };
                open.set(true);
                if next.is_some() {
                    selected.set(next);
                }
            }
            "Enter" => {
                let choice = untrack(current).filter(|_| open.get_untracked());
                let choice =
                    choice.and_then(|at| choices.with_untracked(|choices| choices.get(at).cloned()));
                if let Some(choice) = choice {
                    take(choice.value);
                } else {
                    open.set(false);
                    enter.run(());
                }
            }
            "Escape" if open.get_untracked() => open.set(false),
            "Backspace" if text.with_untracked(String::is_empty) => {
                if let Some(backspace) = backspace {
                    backspace.run(());
                }
                return;
            }
            _ => return,
        }
        event.prevent_default();
    };
    let on_paste = move |event: web_sys::ClipboardEvent| {
        let pasted = event.clipboard_data().and_then(|data| data.get_data("text").ok());
        if let (Some(paste), Some(pasted)) = (paste, pasted)
            && paste.run(pasted)
        {
            event.prevent_default();
        }
    };
    let option_id = move |at: usize| format!("{id}-option-{at}");
    let option = move |at: usize, choice: Choice| {
        let Choice { value, detail } = choice;
        let label = value.clone();
        view! {
            <div
                class="combo-option"
                role="option"
                id=option_id(at)
                title=value.clone()
                aria-selected=move || (current() == Some(at)).to_string()
                // Taking the focus away from the field would close the list before the click.
                on:mousedown=move |event| event.prevent_default()
                on:click=move |_| {
                    take(value.clone());
                    if let Some(input) = node.get_untracked() {
                        // Without focus one can still click into it.
                        let _ = input.focus();
                    }
                }
            >
                <span class="clip">{label}</span>
                <span class="faint">{detail}</span>
            </div>
        }
    };
    view! {
        <div class="combo">
            <input
                id=id
                node_ref=node
                class="input"
                type="text"
                role="combobox"
                autocomplete="off"
                spellcheck="false"
                aria-label=label.clone()
                aria-autocomplete="list"
                aria-expanded=move || (open.get() && !choices.with(Vec::is_empty)).to_string()
                aria-controls=list_id.clone()
                aria-activedescendant=move || current().filter(|_| open.get()).map(option_id)
                aria-invalid=move || invalid.get().to_string()
                data-search=is_search.then_some("")
                placeholder=placeholder
                prop:value=move || text.get()
                on:input=move |event| {
                    text.set(event_target_value(&event));
                    selected.set(None);
                    open.set(true);
                }
                on:focus=move |_| open.set(true)
                on:click=move |_| open.set(true)
                on:blur=move |_| open.set(false)
                on:keydown=on_key
                on:paste=on_paste
            />
            <Show when=move || open.get() && !choices.with(Vec::is_empty)>
                <div class="combo-list" role="listbox" id=list_id.clone() aria-label=label.clone()>
                    {move || {
                        choices.get().into_iter().enumerate().map(|(at, choice)| option(at, choice)).collect_view()
                    }}
                </div>
            </Show>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_choice_shows_all_the_others_too() {
        let choices: Vec<Choice> = ["cart", "cart-cache", "checkout"]
            .map(|value| Choice { value: value.to_owned(), detail: String::new() })
            .into();
        let values =
            |text: &str| fitting(&choices, text).into_iter().map(|it| it.value).collect::<Vec<_>>();
        assert_eq!(values("cart"), ["cart", "cart-cache", "checkout"]);
        assert_eq!(values("car"), ["cart", "cart-cache"]);
        assert_eq!(values("cache"), ["cart-cache"]);
        assert!(values("x").is_empty());
    }
}
