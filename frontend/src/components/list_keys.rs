//! j, k, arrows, Home, End and Enter for the list of a page.

use leptos::ev;
use leptos::prelude::*;

use crate::state::page::is_typing;

/// Where a key leads in a list of `count` rows; none if it is no such key. Pure.
pub fn step(key: &str, selected: Option<usize>, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some(match (key, selected) {
        ("j" | "ArrowDown" | "k" | "ArrowUp", None) | ("Home", _) => 0,
        ("j" | "ArrowDown", Some(at)) => (at + 1).min(last),
        ("k" | "ArrowUp", Some(at)) => at.saturating_sub(1).min(last),
        ("End", _) => last,
        _ => return None,
    })
}

/// Listens while the component lives: moves `selected`, calls `moved` with it, and `open` on Enter.
pub fn list_keys(
    count: Signal<usize>,
    selected: RwSignal<Option<usize>>,
    moved: impl Fn(usize) + 'static,
    open: impl Fn(usize) + 'static,
) {
    let listener = window_event_listener(ev::keydown, move |event| {
        if is_typing(&event) {
            return;
        }
        let (at, count) = (selected.get_untracked(), count.get_untracked());
        if event.key() == "Enter" {
            // Enter on a link or button means that link or button.
            let on_control = document()
                .active_element()
                .is_some_and(|element| matches!(element.tag_name().as_str(), "A" | "BUTTON"));
            if let Some(at) = at.filter(|at| *at < count && !on_control) {
                event.prevent_default();
                open(at);
            }
        } else if let Some(next) = step(&event.key(), at, count) {
            event.prevent_default();
            selected.set(Some(next));
            moved(next);
        }
    });
    on_cleanup(move || listener.remove());
}

#[cfg(test)]
mod tests {
    use super::step;

    // Catches a selection that leaves the list, also when the list has become shorter.
    #[test]
    fn steps_stay_in_the_list() {
        assert_eq!(step("j", None, 3), Some(0));
        assert_eq!(step("j", Some(2), 3), Some(2));
        assert_eq!(step("k", Some(0), 3), Some(0));
        assert_eq!(step("k", Some(9), 3), Some(2));
        assert_eq!(step("End", Some(0), 3), Some(2));
        assert_eq!(step("Home", Some(2), 3), Some(0));
        assert_eq!(step("j", None, 0), None);
        assert_eq!(step("x", Some(1), 3), None);
    }
}
