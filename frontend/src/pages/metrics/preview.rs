//! What a definition makes of the last hour, while it is typed.

use std::time::Duration;

use leptos::prelude::*;
use spanloom_model::api::{CustomMetricDefinition, CustomMetricPreview};

use super::draft::Draft;
use super::model;
use crate::api;
use crate::charts::line_chart::LineChart;
use crate::components::states::SkeletonRows;
use crate::format;
use crate::state::load::{Loaded, load};

/// So long nothing is typed before the definition is tried.
const PAUSE: Duration = Duration::from_millis(500);

/// The chart, and what was looked at.
#[component]
pub fn Preview(
    /// What is typed.
    draft: Draft,
) -> impl IntoView {
    let wanted = RwSignal::new(None::<CustomMetricDefinition>);
    let timer = StoredValue::new_local(None::<TimeoutHandle>);
    Effect::new(move |_| {
        // A name that is missing or taken does not matter here.
        let definition = CustomMetricDefinition {
            name: "preview".to_owned(),
            description: String::new(),
            ..draft.read()
        };
        let handle = set_timeout_with_handle(
            move || {
                wanted.try_set(Some(definition));
            },
            PAUSE,
        );
        timer.update_value(|timer| {
            if let Some(before) = timer.take() {
                before.clear();
            }
            *timer = handle.ok();
        });
    });
    on_cleanup(move || {
        if let Some(Some(timer)) = timer.try_update_value(Option::take) {
            timer.clear();
        }
    });
    let tried: Loaded<(CustomMetricDefinition, CustomMetricPreview)> = load(
        move || wanted.get(),
        |definition, _| async move { Ok((definition.clone(), api::preview_metric(definition).await?)) },
    );
    let crosshair_ms = RwSignal::new(None::<f64>);
    let unit = Memo::new(move |_| tried.value.with(|it| it.as_ref().map(|it| model::unit_of(&it.0))));
    let data =
        Memo::new(move |_| tried.value.with(|it| it.as_ref().map(|it| model::chart(&it.0, &it.1.result))));
    let chart = move || {
        unit.get().map(
            |unit| view! { <LineChart title="Preview" unit=unit data=data crosshair_ms=crosshair_ms /> },
        )
    };
    let told = move || {
        tried.value.get().map(|tried| {
            let (definition, preview) = tried.as_ref();
            let window = if preview.complete { "of the last hour" } else { "the newest ones" };
            let groups = if definition.group_by.is_empty() {
                String::new()
            } else {
                format!(", {} found", format::plural(preview.result.groups, "group"))
            };
            format!(
                "{} looked at, {window}: {} count{groups}.",
                format::plural(preview.spans_read, "stored span"),
                format::grouped(preview.spans_matched)
            )
        })
    };
    let overflowed = move || tried.value.with(|it| it.as_ref().is_some_and(|it| it.1.result.overflowed));
    view! {
        <section class="metric-preview" aria-label="Preview" aria-busy=move || tried.loading.get().to_string()>
            <span class="progress" class:on=move || tried.loading.get() aria-hidden="true"></span>
            {move || tried.error.get().map(|error| view! { <p class="field-error" role="alert">{error.line()}</p> })}
            <Show when=move || unit.get().is_some() fallback=|| view! { <SkeletonRows rows=4 /> }>{chart}</Show>
            <p class="hint" role="status">{told}</p>
            <Show when=overflowed>
                <p class="notice">"There are more groups than the bound: all others would be together as one."</p>
            </Show>
            <p class="hint">"From spans that are stored. Once it is saved every span counts, also those that sampling drops."</p>
        </section>
    }
}
