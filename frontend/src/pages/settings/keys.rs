//! API keys: for programs that send spans or read them.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{ApiKey, KeyScope};

use super::new_key::NewKeyDialog;
use crate::api;
use crate::components::confirm::Confirm;
use crate::components::icon::{Glyph, Icon};
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::components::time_cell::TimeCell;
use crate::state::load::{Loaded, load};
use crate::state::toasts::use_toasts;

/// The word for a scope.
pub fn scope_name(scope: KeyScope) -> &'static str {
    match scope {
        KeyScope::Ingest => "Ingest",
        KeyScope::Read => "Read",
    }
}

/// The section.
#[component]
pub fn KeysSection() -> impl IntoView {
    let toasts = use_toasts();
    let keys: Loaded<Vec<ApiKey>> = load(|| Some(()), |(), signal| async move { api::keys(signal).await });
    let retry = Callback::new(move |()| keys.reload());
    let creating = RwSignal::new(false);
    let asking = RwSignal::new(false);
    let doomed = RwSignal::new(None::<ApiKey>);
    let show_revoked = RwSignal::new(false);
    let ask = Callback::new(move |key: ApiKey| {
        doomed.set(Some(key));
        asking.set(true);
    });
    let revoke = move |()| {
        let Some(key) = doomed.get_untracked() else { return };
        spawn_local(async move {
            match api::revoke_key(key.id.to_string()).await {
                Ok(()) => toasts.done(format!("Key “{}” revoked", key.name)),
                Err(error) => toasts.failed(error.line()),
            }
            keys.reload();
        });
    };
    let revoked_count = move || {
        keys.value
            .with(|it| it.iter().flat_map(|it| it.iter()).filter(|key| key.revoked_at.is_some()).count())
    };
    let content = move || {
        let error = keys.error.get();
        match keys.value.get() {
            None if error.is_none() => view! { <SkeletonRows rows=4 /> }.into_any(),
            None => error.map(|error| view! { <ErrorState error=error retry=retry /> }).into_any(),
            Some(all) => {
                let shown: Vec<ApiKey> = all
                    .iter()
                    .filter(|key| show_revoked.get() || key.revoked_at.is_none())
                    .cloned()
                    .collect();
                view! {
                    {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
                    <KeyTable keys=shown ask=ask />
                }
                .into_any()
            }
        }
    };
    view! {
        <section class="settings-section wide">
            <header>
                <div>
                    <h2>"API keys"</h2>
                    <p class="hint">"Programs send a key as "<code>"Authorization: Bearer <key>"</code>". Programs on the server's own machine may send spans without one."</p>
                </div>
                <button type="button" class="button primary" on:click=move |_| creating.set(true)>
                    <Glyph icon=Icon::Plus />
                    "New key"
                </button>
            </header>
            {content}
            <label class="check" hidden=move || revoked_count() == 0>
                <input type="checkbox" prop:checked=move || show_revoked.get() on:change=move |event| show_revoked.set(event_target_checked(&event)) />
                {move || format!("Show revoked keys ({})", revoked_count())}
            </label>
        </section>
        <NewKeyDialog open=creating created=Callback::new(move |()| keys.reload()) />
        <Confirm
            open=asking
            title=Signal::derive(move || doomed.with(|key| key.as_ref().map(|key| format!("Revoke “{}”?", key.name)).unwrap_or_default()))
            detail="Programs that use this key are refused from then on. A revoked key cannot be brought back."
            action="Revoke key"
            confirm=Callback::new(revoke)
        />
    }
}

#[component]
fn KeyTable(keys: Vec<ApiKey>, ask: Callback<ApiKey>) -> impl IntoView {
    if keys.is_empty() {
        return view! {
            <EmptyState title="No keys">
                <p>"Make one for each program that sends spans from another machine, so that each can be revoked alone."</p>
            </EmptyState>
        }
        .into_any();
    }
    let row = move |key: ApiKey| {
        let revoked = key.revoked_at.is_some();
        let scopes = key
            .scopes
            .iter()
            .map(|scope| view! { <span class="badge">{scope_name(*scope)}</span>" " })
            .collect_view();
        let action = {
            let key = key.clone();
            (!revoked).then(move || {
                let label = format!("Revoke {}", key.name);
                view! {
                    <button type="button" class="button small" aria-label=label on:click=move |_| ask.run(key.clone())>
                        "Revoke"
                    </button>
                }
            })
        };
        view! {
            <tr class:off=revoked>
                <th scope="row" class="clip">{key.name}</th>
                <td><code>{key.prefix}"…"</code></td>
                <td>{scopes}</td>
                <td>{key.created_by.unwrap_or_else(|| "command line".to_owned())}</td>
                <td><TimeCell time=Some(key.created_at) none="" /></td>
                <td>
                    {match key.revoked_at {
                        Some(at) => view! { "revoked "<TimeCell time=Some(at) none="" /> }.into_any(),
                        None => view! { <TimeCell time=key.last_used_at none="never" /> }.into_any(),
                    }}
                </td>
                <td class="num">{action}</td>
            </tr>
        }
    };
    view! {
        <table class="table">
            <thead>
                <tr>
                    <th scope="col">"Name"</th>
                    <th scope="col">"Begins with"</th>
                    <th scope="col">"Scopes"</th>
                    <th scope="col">"Made by"</th>
                    <th scope="col">"Made"</th>
                    <th scope="col">"Last used"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody>{keys.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
    .into_any()
}
