//! What lists and pages of errors have in common.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{ErrorGroup, ErrorState};
use uuid::Uuid;

use super::icon::{Glyph, Icon};
use crate::api;
use crate::format;
use crate::state::toasts::Toasts;

/// The word and the mark for a state; open groups, the common case, have none in lists.
#[component]
pub fn StateBadge(
    /// The state.
    state: ErrorState,
) -> impl IntoView {
    let (class, icon, text) = match state {
        ErrorState::Open => ("badge", None, "open"),
        ErrorState::Regressed => ("badge state-regressed", Some(Icon::Warning), "regressed"),
        ErrorState::Resolved => ("badge state-resolved", Some(Icon::Check), "resolved"),
        ErrorState::Ignored => ("badge off", Some(Icon::Close), "ignored"),
    };
    view! { <span class=class>{icon.map(|icon| view! { <Glyph icon=icon /> })}{text}</span> }
}

/// What a group is called: its type, and the message of an occurrence where there is one.
pub fn title(group: &ErrorGroup) -> (String, String) {
    if group.is_overflow {
        let why = "This service has too many kinds of errors to tell them apart".to_owned();
        return ("Other errors".to_owned(), why);
    }
    match (group.kind.as_str(), group.example.as_str()) {
        ("", "") => ("Error".to_owned(), String::new()),
        ("", message) => (message.to_owned(), String::new()),
        (kind, message) => (kind.to_owned(), message.to_owned()),
    }
}

/// How often, for hovering and for screen readers.
pub fn trend_label(group: &ErrorGroup) -> String {
    format!("{} in this time range", format::plural(group.count.round() as u64, "occurrence"))
}

/// Sets the state of groups, tells how it went, and calls `done` if it went well.
pub fn change_state(
    ids: Vec<Uuid>,
    state: ErrorState,
    in_next_version: bool,
    toasts: Toasts,
    done: Callback<()>,
) {
    spawn_local(async move {
        match api::change_errors(ids, state, in_next_version).await {
            Ok(changed) => {
                let what = match state {
                    ErrorState::Resolved => "resolved",
                    ErrorState::Ignored => "ignored",
                    ErrorState::Open | ErrorState::Regressed => "open again",
                };
                toasts.done(format!("{}: {what}", format::plural(changed, "error")));
                done.run(());
            }
            Err(error) => toasts.failed(error.line()),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn a_group_always_has_a_name() {
        let group = ErrorGroup {
            id: Uuid::nil(),
            service: "shop".to_owned(),
            kind: String::new(),
            message: String::new(),
            example: String::new(),
            is_overflow: false,
            state: ErrorState::Open,
            first_seen: DateTime::UNIX_EPOCH,
            last_seen: DateTime::UNIX_EPOCH,
            total_count: 1.0,
            count: 1.0,
            trend: Vec::new(),
        };
        let named = |kind: &str, message: &str| {
            title(&ErrorGroup { kind: kind.to_owned(), example: message.to_owned(), ..group.clone() }).0
        };
        assert_eq!([named("", ""), named("", "no stock"), named("E", "x")], ["Error", "no stock", "E"]);
        assert_eq!(title(&ErrorGroup { is_overflow: true, ..group.clone() }).0, "Other errors");
    }
}
