//! Defines a metric, or changes one.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map};
use spanloom_model::api::{CustomMetric, FieldError, Role};

use super::NoSuchMetric;
use super::draft::Draft;
use super::form::Fields;
use super::preview::Preview;
use crate::api;
use crate::components::inputs::Faults;
use crate::components::states::{EmptyState, ErrorState, SkeletonRows};
use crate::state::load::{Loaded, load};
use crate::state::page::{Crumb, use_page};
use crate::state::range::use_range;
use crate::state::session::use_session;
use crate::state::toasts::use_toasts;

/// A new one.
#[component]
pub fn NewMetricPage() -> impl IntoView {
    use_page().set(vec![Crumb::link("Metrics", "/custom-metrics"), Crumb::here("New metric")], &[]);
    view! { <Editor metric=None /> }
}

/// One that is there.
#[component]
pub fn EditMetricPage() -> impl IntoView {
    let page = use_page();
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let metric: Loaded<CustomMetric> =
        load(move || Some(id.get()), |id, signal| async move { api::custom_metric(&id, signal).await });
    Effect::new(move |_| {
        let name =
            metric.value.with(|it| it.as_ref().map(|it| it.definition.name.clone())).unwrap_or_default();
        let here = Crumb::link(name, format!("/custom-metrics/{}", id.get()));
        page.set(vec![Crumb::link("Metrics", "/custom-metrics"), here, Crumb::here("Edit")], &[]);
    });
    move || match (metric.value.get(), metric.error.get()) {
        (Some(metric), _) => view! { <Editor metric=Some(CustomMetric::clone(&metric)) /> }.into_any(),
        (None, Some(error)) if error.status == 404 => view! { <NoSuchMetric /> }.into_any(),
        (None, Some(error)) => {
            view! { <ErrorState error=error retry=Callback::new(move |()| metric.reload()) /> }.into_any()
        }
        (None, None) => view! { <SkeletonRows rows=8 /> }.into_any(),
    }
}

#[component]
fn Editor(metric: Option<CustomMetric>) -> impl IntoView {
    let (range, session, toasts) = (use_range(), use_session(), use_toasts());
    let navigate = StoredValue::new_local(use_navigate());
    // Whoever changes a metric twice goes on with the change that is on its way.
    let newest = metric.as_ref().map(|it| it.next.as_ref().map_or(&it.definition, |next| &next.definition));
    let draft = Draft::new(newest);
    let faults: Faults = RwSignal::new(Vec::new());
    let busy = RwSignal::new(false);
    let failed = RwSignal::new(None::<String>);
    let base = metric.map(|metric| (metric.id.to_string(), metric.version));
    let back =
        base.as_ref().map_or("/custom-metrics".to_owned(), |(id, _)| format!("/custom-metrics/{id}"));
    let is_new = base.is_none();
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failed.set(None);
        faults.set(Vec::new());
        let (definition, base) = (untrack(|| draft.read()), base.clone());
        spawn_local(async move {
            let saved = match base {
                None => api::create_metric(&definition).await,
                Some((id, version)) => api::save_metric(&id, version, definition).await,
            };
            busy.try_set(false);
            match saved {
                Ok(metric) => {
                    toasts.done(format!("{} is saved", metric.definition.name));
                    let path = untrack(|| range.href(&format!("/custom-metrics/{}", metric.id)));
                    navigate.try_with_value(|navigate| navigate(&path, NavigateOptions::default()));
                }
                Err(error) => {
                    let inside = |fault: &FieldError| FieldError {
                        field: fault.field.strip_prefix("definition.").unwrap_or(&fault.field).to_owned(),
                        message: fault.message.clone(),
                    };
                    faults.try_set(error.fields.iter().map(inside).collect());
                    failed.try_set(Some(error.line()));
                }
            }
        });
    };
    view! {
        <Show
            when=move || session.has_role(Role::Editor)
            fallback=|| view! {
                <EmptyState title="For editors">
                    <p>"Your role reads metrics. Somebody with the role Admin can change your role under Settings, People."</p>
                </EmptyState>
            }
        >
            <form class="metric-editor page-scroll" on:submit=submit.clone()>
                <div class="metric-fields">
                    <Fields draft=draft faults=faults />
                    <div class="form-end">
                        <span class="field-error grow" role="alert">{move || failed.get()}</span>
                        <a class="button" href={let back = back.clone(); move || range.href(&back)}>"Cancel"</a>
                        <button type="submit" class="button primary" disabled=move || busy.get()>
                            {if is_new { "Define metric" } else { "Save" }}
                        </button>
                    </div>
                </div>
                <Preview draft=draft />
            </form>
        </Show>
    }
}
