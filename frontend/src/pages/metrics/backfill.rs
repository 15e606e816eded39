//! How far the back-fill is.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{BackfillState, CustomMetric, CustomMetricBackfill, Role};

use crate::api;
use crate::format;
use crate::state::range::{ZONE, now_ms};
use crate::state::session::use_session;
use crate::state::toasts::use_toasts;

/// Of a metric: its own back-fill, or that of the definition that is to take over.
pub fn of(metric: &CustomMetric) -> &CustomMetricBackfill {
    metric.next.as_ref().map_or(&metric.backfill, |next| &next.backfill)
}

/// The progress bar; nothing when all is counted.
#[component]
pub fn Backfill(
    /// The metric.
    #[prop(into)]
    metric: Signal<Option<CustomMetric>>,
    /// It was stopped.
    #[prop(into)]
    stopped: Callback<()>,
) -> impl IntoView {
    let (session, toasts) = (use_session(), use_toasts());
    let stop = move |_| {
        let Some(id) = metric.with_untracked(|metric| metric.as_ref().map(|it| it.id.to_string())) else {
            return;
        };
        spawn_local(async move {
            match api::stop_backfill(&id).await {
                Ok(()) => stopped.run(()),
                Err(error) => toasts.failed(format!("Not stopped: {}", error.line())),
            }
        });
    };
    let told = Memo::new(move |_| {
        metric.with(|metric| metric.as_ref().map(|metric| (of(metric).clone(), metric.next.is_some())))
    });
    move || {
        let (backfill, is_next) = told.get()?;
        let since = backfill.done_from.map(|time| {
            let now = chrono::DateTime::from_timestamp_millis(now_ms()).unwrap_or_default();
            format::clock(time, now, &ZONE)
        });
        let view = match backfill.state {
            BackfillState::Done => return None,
            BackfillState::Stopped => view! {
                <p class="notice">
                    {format!("The back-fill was stopped: spans before {} are not counted.", since.unwrap_or_default())}
                </p>
            }
            .into_any(),
            BackfillState::Running => {
                let percent = format!("{:.0}%", backfill.percent.floor());
                let what = if is_next {
                    "The changed definition is being back-filled and takes over then"
                } else {
                    "Stored spans are being counted, from the newest back"
                };
                view! {
                    <div class="backfill">
                        <div
                            class="backfill-bar"
                            role="progressbar"
                            aria-label="Back-fill"
                            aria-valuemin="0"
                            aria-valuemax="100"
                            aria-valuenow=format!("{:.0}", backfill.percent)
                        >
                            <i style:width=percent.clone()></i>
                        </div>
                        <b>{percent}</b>
                        <span class="faint">
                            {what}
                            {since.map(|since| format!(": done from {since}"))}
                            {format!(", {} looked at", format::plural(backfill.spans_read as u64, "span"))}
                        </span>
                        <span class="grow"></span>
                        <Show when=move || session.has_role(Role::Editor)>
                            <button type="button" class="button small" on:click=stop>"Stop"</button>
                        </Show>
                    </div>
                }
                .into_any()
            }
        };
        Some(view)
    }
}
