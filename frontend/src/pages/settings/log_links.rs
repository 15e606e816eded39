//! Links to external log systems: what the buttons beside spans and log records lead to.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{LogLink, LogLinkRequest, Role};
use spanloom_model::log_link::{LinkValues, PLACEHOLDERS, check, fill_in};
use spanloom_model::{SpanId, TraceId};

use crate::api::{self, ApiError};
use crate::components::confirm::Confirm;
use crate::components::dialog::Dialog;
use crate::components::field::TextField;
use crate::components::icon::{Glyph, Icon};
use crate::components::states::{EmptyState, ErrorBar, ErrorState, SkeletonRows};
use crate::state::load::{Loaded, load};
use crate::state::range::now_ms;
use crate::state::session::use_session;
use crate::state::toasts::use_toasts;

/// The section.
#[component]
pub fn LogLinksSection() -> impl IntoView {
    let toasts = use_toasts();
    let session = use_session();
    let is_admin = Memo::new(move |_| session.has_role(Role::Admin));
    let links: Loaded<Vec<LogLink>> =
        load(|| Some(()), |(), signal| async move { api::log_links(signal).await });
    let retry = Callback::new(move |()| links.reload());
    let editing = RwSignal::new(false);
    let edited = RwSignal::new(None::<LogLink>);
    let asking = RwSignal::new(false);
    let doomed = RwSignal::new(None::<LogLink>);
    let edit = Callback::new(move |link: Option<LogLink>| {
        edited.set(link);
        editing.set(true);
    });
    let ask = Callback::new(move |link: LogLink| {
        doomed.set(Some(link));
        asking.set(true);
    });
    let remove = move |()| {
        let Some(link) = doomed.get_untracked() else { return };
        spawn_local(async move {
            match api::delete_log_link(link.id.to_string()).await {
                Ok(()) => toasts.done(format!("Link “{}” removed", link.name)),
                Err(error) => toasts.failed(error.line()),
            }
            links.reload();
        });
    };
    let content = move || {
        let error = links.error.get();
        match links.value.get() {
            None if error.is_none() => view! { <SkeletonRows rows=3 /> }.into_any(),
            None => error.map(|error| view! { <ErrorState error=error retry=retry /> }).into_any(),
            Some(all) => view! {
                {error.map(|error| view! { <ErrorBar error=error retry=retry /> })}
                <LinkTable links=all.as_ref().clone() is_admin=is_admin.get() edit=edit ask=ask />
            }
            .into_any(),
        }
    };
    let title = Signal::derive(move || {
        if edited.with(Option::is_some) { "Change link" } else { "New link" }.to_owned()
    });
    view! {
        <section class="settings-section wide">
            <header>
                <div>
                    <h2>"Log links"</h2>
                    <p class="hint">"Buttons beside spans and log records that lead to another log system, at the same trace and time."</p>
                </div>
                <Show when=move || is_admin.get()>
                    <button type="button" class="button primary" on:click=move |_| edit.run(None)>
                        <Glyph icon=Icon::Plus />
                        "New link"
                    </button>
                </Show>
            </header>
            {content}
        </section>
        <Dialog open=editing title=title>
            <LinkForm open=editing link=edited.get_untracked() saved=Callback::new(move |()| links.reload()) />
        </Dialog>
        <Confirm
            open=asking
            title=Signal::derive(move || doomed.with(|link| link.as_ref().map(|link| format!("Remove “{}”?", link.name)).unwrap_or_default()))
            detail="Its button disappears for everybody."
            action="Remove link"
            confirm=Callback::new(remove)
        />
    }
}

#[component]
fn LinkTable(
    links: Vec<LogLink>,
    is_admin: bool,
    edit: Callback<Option<LogLink>>,
    ask: Callback<LogLink>,
) -> impl IntoView {
    if links.is_empty() {
        return view! {
            <EmptyState title="No links">
                <p>"Where logs are kept in Kibana, Loki, Graylog or the like, a link takes people from a span to its logs there. An administrator can add one."</p>
            </EmptyState>
        }
        .into_any();
    }
    let row = move |link: LogLink| {
        let actions = is_admin.then(|| {
            let (changed, removed) = (link.clone(), link.clone());
            view! {
                <button type="button" class="button small" aria-label=format!("Change {}", link.name) on:click=move |_| edit.run(Some(changed.clone()))>"Change"</button>
                " "
                <button type="button" class="button small" aria-label=format!("Remove {}", link.name) on:click=move |_| ask.run(removed.clone())>"Remove"</button>
            }
        });
        view! {
            <tr>
                <th scope="row" class="clip">{link.name.clone()}</th>
                <td>{link.service.clone().unwrap_or_else(|| "every service".to_owned())}</td>
                <td><code class="log-template">{link.url_template.clone()}</code></td>
                <td>{link.author.clone()}</td>
                <td class="num">{actions}</td>
            </tr>
        }
    };
    view! {
        <table class="table">
            <thead>
                <tr>
                    <th scope="col">"Name"</th>
                    <th scope="col">"Service"</th>
                    <th scope="col">"Address"</th>
                    <th scope="col">"Saved by"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody>{links.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
    .into_any()
}

/// The address with some values, so that mistakes are seen before others meet them.
fn example(template: &str) -> Result<String, String> {
    check(template)?;
    let end_ns = now_ms().saturating_mul(1_000_000);
    let values = LinkValues {
        trace_id: TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).ok(),
        span_id: SpanId::new(0x00f0_67aa_0ba9_02b7).ok(),
        service: "checkout".to_owned(),
        start_ns: end_ns.saturating_sub(120_000_000_000),
        end_ns,
    };
    fill_in(template, &values).ok_or_else(String::new)
}

#[component]
fn LinkForm(open: RwSignal<bool>, link: Option<LogLink>, saved: Callback<()>) -> impl IntoView {
    let id = StoredValue::new(link.as_ref().map(|link| link.id.to_string()));
    let name = RwSignal::new(link.as_ref().map(|link| link.name.clone()).unwrap_or_default());
    let service = RwSignal::new(link.as_ref().and_then(|link| link.service.clone()).unwrap_or_default());
    let template = RwSignal::new(link.map(|link| link.url_template).unwrap_or_default());
    let busy = RwSignal::new(false);
    let error = RwSignal::new(None::<ApiError>);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        error.set(None);
        let service = Some(service.get_untracked()).filter(|name| !name.trim().is_empty());
        let request =
            LogLinkRequest { name: name.get_untracked(), service, url_template: template.get_untracked() };
        spawn_local(async move {
            match api::save_log_link(id.get_value(), request).await {
                Ok(_) => {
                    saved.run(());
                    open.try_set(false);
                }
                Err(failed) => {
                    error.try_set(Some(failed));
                }
            }
            busy.try_set(false);
        });
    };
    let field_error = move |field: &'static str| {
        Signal::derive(move || error.with(|error| error.as_ref()?.field(field).map(str::to_owned)))
    };
    let template_error = Signal::derive(move || {
        let of_server = error.with(|error| error.as_ref()?.field("urlTemplate").map(str::to_owned));
        of_server
            .or_else(|| template.with(|text| if text.is_empty() { None } else { check(text.trim()).err() }))
    });
    let general = move || error.get().filter(|error| error.fields.is_empty()).map(|error| error.line());
    view! {
        <form class="dialog-body" on:submit=submit>
            <TextField id="link-name" label="Name of the button" value=name error=field_error("name") />
            <div class="field">
                <label for="link-service">"Service (empty: every service)"</label>
                <input
                    id="link-service"
                    class="input"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    prop:value=move || service.get()
                    on:input=move |event| service.set(event_target_value(&event))
                />
                <span class="field-error">{move || field_error("service").get()}</span>
            </div>
            <TextField id="link-template" label="Address" value=template error=template_error />
            <p class="hint">
                "Filled in: "
                {PLACEHOLDERS.into_iter().map(|name| view! { <code>{format!("{{{name}}}")}</code>" " }).collect_view()}
            </p>
            {move || template.with(|text| example(text.trim())).ok().map(|address| view! {
                <p class="hint log-example">"For example "<code>{address}</code></p>
            })}
            <div role="alert">
                {move || general().map(|text| view! { <p class="form-error"><Glyph icon=Icon::Error /><span>{text}</span></p> })}
            </div>
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Cancel"</button>
                <button type="submit" class="button primary" disabled=move || busy.get()>"Save"</button>
            </div>
        </form>
    }
}
