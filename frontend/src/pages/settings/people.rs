//! People: who may log in and what they may do.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{Role, User, UserChange};

use super::new_person::NewPersonDialog;
use crate::api;
use crate::components::confirm::Confirm;
use crate::components::icon::{Glyph, Icon};
use crate::components::states::{ErrorBar, ErrorState, SkeletonRows};
use crate::components::time_cell::TimeCell;
use crate::state::load::{Loaded, load};
use crate::state::session::{role_name, use_session};
use crate::state::toasts::use_toasts;

/// All roles with what they allow.
pub const ROLES: [(Role, &str, &str); 3] = [
    (Role::Viewer, "viewer", "reads traces and services"),
    (Role::Editor, "editor", "also changes what is shared"),
    (Role::Admin, "admin", "also manages people and keys"),
];

/// The role of a form's value.
pub fn role_of(value: &str) -> Option<Role> {
    ROLES.into_iter().find(|(_, name, _)| *name == value).map(|(role, ..)| role)
}

/// The value of a role in a form.
pub fn role_value(role: Role) -> &'static str {
    ROLES.into_iter().find(|(known, ..)| *known == role).map_or("", |(_, name, _)| name)
}

/// The section.
#[component]
pub fn PeopleSection() -> impl IntoView {
    let toasts = use_toasts();
    let people: Loaded<Vec<User>> = load(|| Some(()), |(), signal| async move { api::users(signal).await });
    let retry = Callback::new(move |()| people.reload());
    let adding = RwSignal::new(false);
    let asking = RwSignal::new(false);
    let doomed = RwSignal::new(None::<User>);
    let change = Callback::new(move |(user, change, done): (User, UserChange, String)| {
        spawn_local(async move {
            match api::change_user(user.id.to_string(), change).await {
                Ok(_) => toasts.done(done),
                Err(error) => toasts.failed(error.line()),
            }
            // Also after a failure: the form must show what is, not what was wanted.
            people.reload();
        });
    });
    let disable = Callback::new(move |user: User| {
        doomed.set(Some(user));
        asking.set(true);
    });
    let confirmed = move |()| {
        if let Some(user) = doomed.get_untracked() {
            let done = format!("{} can no longer log in", user.username);
            change.run((user, UserChange { disabled: Some(true), ..UserChange::default() }, done));
        }
    };
    let content = move || {
        let error = people.error.get();
        match people.value.get() {
            None if error.is_none() => view! { <SkeletonRows rows=4 /> }.into_any(),
            None => error.map(|error| view! { <ErrorState error=error retry=retry /> }).into_any(),
            Some(all) => view! {
                {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
                <PeopleTable people=all.to_vec() change=change disable=disable />
            }
            .into_any(),
        }
    };
    view! {
        <section class="settings-section wide">
            <header>
                <div>
                    <h2>"People"</h2>
                    <p class="hint">"Each role includes the ones before it: a viewer reads, an editor also changes what is shared, an admin also manages people and keys."</p>
                </div>
                <button type="button" class="button primary" on:click=move |_| adding.set(true)>
                    <Glyph icon=Icon::Plus />
                    "Add person"
                </button>
            </header>
            {content}
        </section>
        <NewPersonDialog open=adding added=Callback::new(move |()| people.reload()) />
        <Confirm
            open=asking
            title=Signal::derive(move || doomed.with(|user| user.as_ref().map(|user| format!("Disable {}?", user.username)).unwrap_or_default()))
            detail="The person's sessions end now, and nobody can log in with this name until you enable it again."
            action="Disable"
            confirm=Callback::new(confirmed)
        />
    }
}

/// A person, what to change, and what to say when it is done.
type Changing = Callback<(User, UserChange, String)>;

#[component]
fn PeopleTable(people: Vec<User>, change: Changing, disable: Callback<User>) -> impl IntoView {
    let session = use_session();
    let me = untrack(|| session.user()).map(|user| user.id);
    let rows = people.into_iter().map(|user| {
        let is_me = Some(user.id) == me;
        person(user, is_me, change, disable)
    });
    view! {
        <table class="table">
            <thead>
                <tr>
                    <th scope="col">"Name"</th>
                    <th scope="col">"Role"</th>
                    <th scope="col">"Added"</th>
                    <th scope="col">"State"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}

fn person(user: User, is_me: bool, change: Changing, disable: Callback<User>) -> impl IntoView {
    let name = user.username.clone();
    let role = if is_me {
        // Whoever could take away their own role could lock everybody out by a slip.
        view! { <span>{role_name(user.role)}</span> }.into_any()
    } else {
        let target = user.clone();
        let choose = move |event: web_sys::Event| {
            if let Some(role) = role_of(&event_target_value(&event)) {
                let done = format!("{} is {} now", target.username, role_name(role));
                change.run((
                    target.clone(),
                    UserChange { role: Some(role), ..UserChange::default() },
                    done,
                ));
            }
        };
        let options = ROLES.map(|(role, value, _)| {
            view! { <option value=value selected=role == user.role>{role_name(role)}</option> }
        });
        view! {
            <select class="select small" aria-label=format!("Role of {name}") prop:value=role_value(user.role) on:change=choose>
                {options}
            </select>
        }
        .into_any()
    };
    let target = user.clone();
    let disabled = user.disabled;
    let action = (!is_me).then(|| {
        let act = move |_| {
            if disabled {
                let done = format!("{} can log in again", target.username);
                let enable = UserChange { disabled: Some(false), ..UserChange::default() };
                change.run((target.clone(), enable, done));
            } else {
                disable.run(target.clone());
            }
        };
        let verb = if disabled { "Enable" } else { "Disable" };
        view! { <button type="button" class="button small" aria-label=format!("{verb} {name}") on:click=act>{verb}</button> }
    });
    view! {
        <tr class:off=disabled>
            <th scope="row">
                {user.username.clone()}
                {is_me.then(|| view! { " "<span class="badge">"you"</span> })}
            </th>
            <td>{role}</td>
            <td><TimeCell time=Some(user.created_at) none="" /></td>
            <td>{if disabled { view! { <span class="badge off">"Disabled"</span> }.into_any() } else { view! { <span class="faint">"Active"</span> }.into_any() }}</td>
            <td class="num">{action}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a role that the form shows but cannot choose.
    #[test]
    fn every_role_has_a_value_and_comes_back() {
        for role in [Role::Viewer, Role::Editor, Role::Admin] {
            assert_eq!(role_of(role_value(role)), Some(role));
        }
        assert_eq!(role_of("root"), None);
    }
}
