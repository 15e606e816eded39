//! The fields of a rule by its kind; rules within rules are the same again, indented.

use leptos::prelude::*;

use super::draft::{KINDS, Kind, MemberDraft, Place, RuleDraft, STATUSES};
use super::summary;
use crate::components::icon::{Glyph, Icon};
use crate::components::inputs::{Check, Faults, Line, Lines, fault};

/// Members that the server takes.
const MEMBERS_MAX: usize = 16;

/// The kind and the fields that it has. A function because it calls itself.
pub fn rule_fields(rule: RuleDraft, place: Place, path: String, faults: Faults) -> AnyView {
    let options =
        KINDS.into_iter().filter(|(kind, ..)| place.allows(*kind)).map(|(kind, name, meaning)| {
            view! { <option value=name selected=move || rule.kind.get() == kind>{meaning}</option> }
        });
    let choose = move |event: web_sys::Event| {
        let name = event_target_value(&event);
        if let Some((kind, ..)) = KINDS.into_iter().find(|(_, known, _)| *known == name) {
            // A rule of rules starts with one.
            let needs_member = matches!(kind, Kind::And | Kind::Not | Kind::Drop | Kind::Composite);
            if needs_member && rule.members.with_untracked(Vec::is_empty) {
                rule.members.set(vec![MemberDraft::new()]);
            }
            rule.kind.set(kind);
        }
    };
    let id = format!("rule-{}-kind", rule.id);
    let own_path = path.clone();
    let own_fault = move || fault(faults, &own_path, false);
    let kind = Memo::new(move |_| rule.kind.get());
    let fields = move || fields(rule, kind.get(), place, &path, faults);
    view! {
        <div class="rule">
            <div class="field">
                <label for=id.clone()>"Type"</label>
                <select id=id class="select" on:change=choose>{options.collect_view()}</select>
                <span class="field-error">{own_fault}</span>
            </div>
            {fields}
        </div>
    }
    .into_any()
}

fn fields(rule: RuleDraft, kind: Kind, place: Place, path: &str, faults: Faults) -> AnyView {
    let id = |name: &str| format!("rule-{}-{name}", rule.id);
    let at = |name: &str| format!("{path}.{name}");
    let pair = move |names: [&str; 2], labels: [&'static str; 2], unit: &'static str| {
        view! {
            <div class="field-pair">
                <Line id=id("min") label=labels[0] value=rule.min path=at(names[0]) faults=faults unit=unit number=true />
                <Line id=id("max") label=labels[1] value=rule.max path=at(names[1]) faults=faults unit=unit number=true placeholder="no limit" />
            </div>
        }
    };
    let key = move || view! { <Line id=id("key") label="Key of a span's or resource's attribute" value=rule.key path=at("key") faults=faults /> };
    let invert =
        move || view! { <Check label="Keep traces without such a value instead" value=rule.invert /> };
    match kind {
        Kind::Always => ().into_any(),
        Kind::Latency => {
            pair(["thresholdMs", "upperThresholdMs"], ["At least", "At most"], "ms").into_any()
        }
        Kind::SpanCount => pair(["minSpans", "maxSpans"], ["At least", "At most"], "spans").into_any(),
        Kind::Text => view! {
            {key()}
            <Lines id=id("values") label="Values, one a line; any of them" value=rule.values path=at("values") faults=faults />
            <Check label="Values are regular expressions" value=rule.is_regex />
            {invert()}
        }
        .into_any(),
        Kind::Number => view! {
            {key()}
            {pair(["minValue", "maxValue"], ["At least", "At most"], "")}
            {invert()}
        }
        .into_any(),
        Kind::Boolean => view! {
            {key()}
            <Check label="The value is true" value=rule.truth />
            {invert()}
        }
        .into_any(),
        Kind::Probabilistic => view! {
            <Line id=id("percent") label="Share of the traces" value=rule.percent path=at("samplingPercentage") faults=faults unit="%" number=true />
            <p class="hint">"By the trace id: the same traces wherever the share is the same. Each kept span counts for all that it stands for."</p>
        }
        .into_any(),
        Kind::Status => statuses(rule, at("statusCodes"), faults).into_any(),
        Kind::RateLimit => view! {
            <Line id=id("rate") label="At most" value=rule.rate path=at("spansPerSecond") faults=faults unit="spans a second" number=true />
            <p class="hint">"A random selection of each second's traces, whole. A single trace that is larger is kept alone."</p>
        }
        .into_any(),
        Kind::And | Kind::Drop => members(rule, kind, place, at("rules"), faults),
        Kind::Not => {
            let first = rule.members.with_untracked(|members| members.first().copied());
            let inner = first.map(|member| rule_fields(member.rule, place.below(kind), at("rule"), faults));
            view! { <div class="rule-members">{inner}</div> }.into_any()
        }
        Kind::Composite => view! {
            <Line id=id("rate") label="All parts together at most" value=rule.rate path=at("maxTotalSpansPerSecond") faults=faults unit="spans a second" number=true />
            <p class="hint">"Each trace belongs to the first part whose rule keeps it."</p>
            {members(rule, kind, place, at("parts"), faults)}
        }
        .into_any(),
    }
}

fn statuses(rule: RuleDraft, path: String, faults: Faults) -> impl IntoView {
    let boxes = STATUSES.into_iter().enumerate().map(move |(index, status)| {
        let toggle = move |event: web_sys::Event| {
            let chosen = event_target_checked(&event);
            rule.statuses.update(|statuses| statuses[index] = chosen);
        };
        view! {
            <label class="check">
                <input type="checkbox" prop:checked=move || rule.statuses.get()[index] on:change=toggle />
                <span>{summary::status(status)}</span>
            </label>
        }
    });
    view! {
        <fieldset class="field">
            <legend class="label">"Traces with a span of status"</legend>
            {boxes.collect_view()}
            <span class="field-error">{move || fault(faults, &path, true)}</span>
        </fieldset>
    }
}

fn members(rule: RuleDraft, kind: Kind, place: Place, path: String, faults: Faults) -> AnyView {
    let (list_path, count_path) = (path.clone(), path);
    let is_composite = kind == Kind::Composite;
    let (title, add_label) = match kind {
        Kind::Composite => ("Part", "Add part"),
        _ => ("Rule", "Add rule"),
    };
    let member = move |(index, member): (usize, MemberDraft)| {
        let path = format!("{list_path}[{index}]");
        let rule_path = if is_composite { format!("{path}.rule") } else { path.clone() };
        let remove = move |_| {
            rule.members.update(|members| {
                members.remove(index);
            });
        };
        let number = index + 1;
        let percent = is_composite.then(|| {
            view! {
                <Line
                    id=format!("rule-{}-share", member.rule.id)
                    label="Part of the rate"
                    value=member.percent
                    path=format!("{path}.percent")
                    faults=faults
                    unit="%"
                    number=true
                    placeholder="what is left"
                />
            }
        });
        let is_only = move || rule.members.with(Vec::len) == 1;
        view! {
            <fieldset class="rule-member">
                <legend class="label">{format!("{title} {number}")}</legend>
                <button
                    type="button"
                    class="icon-button"
                    aria-label=format!("Remove {} {number}", title.to_lowercase())
                    hidden=is_only
                    on:click=remove
                >
                    <Glyph icon=Icon::Close />
                </button>
                {percent}
                {rule_fields(member.rule, place.below(kind), rule_path, faults)}
            </fieldset>
        }
    };
    let list = move || rule.members.get().into_iter().enumerate().map(&member).collect_view();
    // Not in the view: its parser takes the sign for the end of the tag.
    let is_full = move || rule.members.with(Vec::len) >= MEMBERS_MAX;
    let add = move |_: web_sys::MouseEvent| rule.members.update(|members| members.push(MemberDraft::new()));
    view! {
        <div class="rule-members">
            {list}
            <span class="field-error">{move || fault(faults, &count_path, false)}</span>
            <button
                type="button"
                class="button small"
                hidden=is_full
                on:click=add
            >
                <Glyph icon=Icon::Plus />
                {add_label}
            </button>
        </div>
    }
    .into_any()
}
