//! What the draft would have kept of the last hour.

use leptos::prelude::*;
use spanloom_model::api::{KeptCount, PolicyDryRun, SamplingDryRun, ServiceDryRun};

use crate::components::service_chip::ServiceName;
use crate::format;

/// The answer.
#[component]
pub fn DryRunResult(
    /// The answer.
    run: SamplingDryRun,
) -> impl IntoView {
    if run.examined.spans == 0 {
        return view! { <p class="hint">"No trace of the last hour is stored: there is nothing to try the policies on."</p> }.into_any();
    }
    let per_day = format::bytes((run.saved_bytes * 24.0) as u64);
    let saved = if run.saved_bytes > 0.0 {
        format!("{} an hour, about {per_day} a day", format::bytes(run.saved_bytes as u64))
    } else {
        "nothing".to_owned()
    };
    let scope = scope(&run);
    let services = run.services.into_iter().map(|service| view! { <ServiceRow service=service /> });
    let policies = run.policies.into_iter().map(|policy| view! { <PolicyRow policy=policy /> });
    let policies: Vec<_> = policies.collect();
    let has_policies = !policies.is_empty();
    view! {
        <dl class="tiles">
            <div>
                <dt>"Spans kept"</dt>
                <dd>{share_text(run.examined.spans, run.kept.spans)}</dd>
            </div>
            <div>
                <dt>"Traces kept"</dt>
                <dd>{share_text(run.examined.traces, run.kept.traces)}</dd>
            </div>
            <div>
                <dt>"Storage saved"</dt>
                <dd>{saved}</dd>
            </div>
        </dl>
        <p class="hint">{scope}</p>
        <table class="table">
            <thead>
                <tr>
                    <th scope="col">"Service"</th>
                    <th scope="col">"Kept share"</th>
                    <th scope="col" class="num">"Spans kept"</th>
                    <th scope="col" class="num">"Spans dropped"</th>
                    <th scope="col" class="num">"Traces kept"</th>
                    <th scope="col" class="num">"Traces dropped"</th>
                </tr>
            </thead>
            <tbody>{services.collect_view()}</tbody>
        </table>
        {has_policies.then(|| view! {
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Policy"</th>
                        <th scope="col" class="num">"Traces kept by it"</th>
                        <th scope="col" class="num">"Spans"</th>
                        <th scope="col" class="num">"Traces dropped by it"</th>
                    </tr>
                </thead>
                <tbody>{policies}</tbody>
            </table>
        })}
    }
    .into_any()
}

/// What was looked at, in a sentence.
fn scope(run: &SamplingDryRun) -> String {
    let examined = format!(
        "{} in {}",
        format::plural(run.examined.spans, "span"),
        format::plural(run.examined.traces, "trace")
    );
    let bytes = format::bytes(run.bytes_per_span as u64);
    let looked = match (run.every_nth_second, run.complete) {
        (1, true) => format!("All {examined} that are stored of the last hour were looked at."),
        (1, false) => format!("The first {examined} of the last hour were looked at, not all of it."),
        (nth, complete) => {
            let of = format::plural(run.stored.spans, "span");
            let rest = if complete { "" } else { ", and not all of those" };
            format!("{examined} were looked at, of {of} stored: one second in {nth}{rest}.")
        }
    };
    format!("{looked} A stored span takes {bytes} on average.")
}

fn share_text(of: u64, kept: u64) -> String {
    let share = kept as f64 / of.max(1) as f64;
    format!("{} of {} ({})", format::count(kept as f64), format::count(of as f64), format::percent(share))
}

#[component]
fn ServiceRow(service: ServiceDryRun) -> impl IntoView {
    let ServiceDryRun { name, examined, kept } = service;
    let share = kept.spans as f64 / examined.spans.max(1) as f64;
    view! {
        <tr>
            <th scope="row"><ServiceName name=name /></th>
            <td>
                <span class="share">
                    <span class="share-bar" aria-hidden="true"><i style:width=format!("{:.1}%", share * 100.0)></i></span>
                    <span class="share-text">{format::percent(share)}</span>
                </span>
            </td>
            <td class="num">{format::grouped(kept.spans)}</td>
            <td class="num">{format::grouped(examined.spans - kept.spans)}</td>
            <td class="num">{format::grouped(kept.traces)}</td>
            <td class="num">{format::grouped(examined.traces - kept.traces)}</td>
        </tr>
    }
}

#[component]
fn PolicyRow(policy: PolicyDryRun) -> impl IntoView {
    let PolicyDryRun { name, kept: KeptCount { traces, spans }, dropped } = policy;
    view! {
        <tr>
            <th scope="row" class="clip">{name}</th>
            <td class="num">{format::grouped(traces)}</td>
            <td class="num">{format::grouped(spans)}</td>
            <td class="num">{format::grouped(dropped.traces)}</td>
        </tr>
    }
}
