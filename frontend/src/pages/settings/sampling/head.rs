//! What clients with a remote sampler are told when a trace starts.

use leptos::prelude::*;
use spanloom_model::api::HeadService;

use super::head_form::HeadDialog;
use super::state::Editing;
use super::summary;
use crate::components::icon::{Glyph, Icon};
use crate::components::inputs::fault;
use crate::components::service_chip::ServiceName;

/// The part.
#[component]
pub fn Head(
    /// The draft.
    editing: Editing,
) -> impl IntoView {
    let (open, at) = (RwSignal::new(false), RwSignal::new(None::<String>));
    let edit = Callback::new(move |service: Option<String>| {
        at.set(service);
        open.set(true);
    });
    let share =
        move || editing.settings.with(|settings| summary::percent_text(settings.head.default_probability));
    let change_share = move |event: web_sys::Event| {
        if let Ok(percent) = event_target_value(&event).trim().parse::<f64>() {
            editing.change(|settings| settings.head.default_probability = percent / 100.0);
        }
    };
    let share_fault = move || fault(editing.faults, "settings.head.defaultProbability", false);
    let services = Memo::new(move |_| editing.settings.with(|settings| settings.head.clone()));
    let rows = move || {
        let head = services.get();
        let default = head.default_probability;
        let row = |(name, service): (String, HeadService)| view! { <ServiceRow editing=editing name=name service=service default=default edit=edit /> };
        head.services.into_iter().map(row).collect_view()
    };
    view! {
        <header class="settings-part">
            <div>
                <h3>"At the client"</h3>
                <p class="hint">"What SDKs with a Jaeger remote sampler are told to start. They ask "<code>"/sampling"</code>" on port 5778. What a client does not send is missing from the metrics too; its weight tells how many it stands for where the SDK says so."</p>
            </div>
            <button type="button" class="button" hidden=move || !editing.may_edit.get() on:click=move |_| edit.run(None)>
                <Glyph icon=Icon::Plus />
                "Add service"
            </button>
        </header>
        <div class="field short">
            <label for="head-default">"Services that are not listed"</label>
            <span class="with-unit">
                <input id="head-default" class="input" type="text" inputmode="decimal" prop:value=share
                    disabled=move || !editing.may_edit.get()
                    aria-describedby="head-default-error" on:change=change_share />
                <span class="faint">"% of the traces"</span>
            </span>
            <span class="field-error" id="head-default-error">{share_fault}</span>
        </div>
        <Show when=move || services.with(|head| !head.services.is_empty())>
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Service"</th>
                        <th scope="col">"Starts"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </Show>
        <HeadDialog open=open editing=editing at=at />
    }
}

#[component]
fn ServiceRow(
    editing: Editing,
    name: String,
    service: HeadService,
    default: f64,
    edit: Callback<Option<String>>,
) -> impl IntoView {
    let path = format!("settings.head.services[{name}]");
    let (to_edit, to_delete) = (name.clone(), name.clone());
    view! {
        <tr>
            <th scope="row"><ServiceName name=name.clone() /></th>
            <td class="wrap">
                {summary::head(&service, default)}
                <span class="field-error block">{move || fault(editing.faults, &path, true)}</span>
            </td>
            <td class="num row-actions">
                <span hidden=move || !editing.may_edit.get()>
                    <button type="button" class="button small" aria-label=format!("Change {name}")
                        on:click=move |_| edit.run(Some(to_edit.clone()))>"Change"</button>
                    <button type="button" class="icon-button" aria-label=format!("Delete {name}")
                        on:click=move |_| editing.change(|settings| { settings.head.services.remove(&to_delete); })>
                        <Glyph icon=Icon::Close />
                    </button>
                </span>
            </td>
        </tr>
    }
}
