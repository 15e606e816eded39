//! A stack trace: the application's frames in front, those of libraries folded away.

use leptos::prelude::*;
use spanloom_errors::stack::{self, Frame};

use super::copy_button::CopyButton;
use crate::format;

/// Frames that follow each other and are of the same kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Of the application rather than of libraries.
    pub is_app: bool,
    /// In their order.
    pub frames: Vec<Frame<'a>>,
}

/// Frames of a section by whose they are. Pure.
pub fn runs<'a>(frames: &[Frame<'a>]) -> Vec<Run<'a>> {
    let mut runs: Vec<Run> = Vec::new();
    for frame in frames {
        match runs.last_mut() {
            Some(run) if run.is_app == frame.is_app => run.frames.push(*frame),
            _ => runs.push(Run { is_app: frame.is_app, frames: vec![*frame] }),
        }
    }
    runs
}

/// The trace, as frames or as it was sent.
#[component]
pub fn StackTrace(
    /// As the language prints it.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    let raw = RwSignal::new(false);
    let copied = Signal::stored(text.clone());
    let has_frames = stack::parse(&text).iter().any(|section| !section.frames.is_empty());
    let text = StoredValue::new(text);
    let content = move || {
        text.with_value(|text| {
            if raw.get() || !has_frames {
                return view! { <pre class="stack-raw" tabindex="0">{text.clone()}</pre> }.into_any();
            }
            let sections = stack::parse(text);
            let no_app = !sections.iter().flat_map(|section| &section.frames).any(|frame| frame.is_app);
            sections.iter().map(|section| one_section(section, no_app)).collect_view().into_any()
        })
    };
    view! {
        <div class="stack">
            <div class="stack-tools">
                {has_frames.then(|| view! {
                    <div class="segments" role="group" aria-label="Stack trace as">
                        <button type="button" class="segment" aria-pressed=move || (!raw.get()).to_string() on:click=move |_| raw.set(false)>"Frames"</button>
                        <button type="button" class="segment" aria-pressed=move || raw.get().to_string() on:click=move |_| raw.set(true)>"Text"</button>
                    </div>
                })}
                <CopyButton text=copied label="Copy stack trace" />
            </div>
            {content}
        </div>
    }
}

fn one_section(section: &stack::Section<'_>, unfold: bool) -> impl IntoView + use<> {
    let title = section.title.join("\n");
    let last = section.is_innermost_last();
    let runs = runs(&section.frames).iter().map(|run| one_run(run, unfold)).collect_view();
    let omitted = (section.omitted > 0).then(|| {
        let text = format!("{} as above", format::plural(u64::from(section.omitted), "more frame"));
        view! { <p class="stack-note">{text}</p> }
    });
    view! {
        <section class="stack-section">
            <p class="stack-title mono">{title}</p>
            {last.then(|| view! { <p class="stack-note">"Innermost call last"</p> })}
            {runs}
            {omitted}
        </section>
    }
}

fn one_run(run: &Run<'_>, unfold: bool) -> AnyView {
    let frames = run.frames.iter().map(one_frame).collect_view();
    if run.is_app {
        return view! { <ol class="frames">{frames}</ol> }.into_any();
    }
    let text = format!("{} of libraries", format::plural(run.frames.len() as u64, "frame"));
    view! {
        <details class="frames-folded" open=unfold>
            <summary>{text}</summary>
            <ol class="frames library">{frames}</ol>
        </details>
    }
    .into_any()
}

fn one_frame(frame: &Frame<'_>) -> impl IntoView + use<> {
    let place = match (frame.file, frame.line) {
        ("", _) => String::new(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    };
    let function = if frame.function.is_empty() { "(anonymous)" } else { frame.function };
    let code =
        (!frame.code.is_empty()).then(|| view! { <code class="frame-code">{frame.code.to_owned()}</code> });
    view! {
        <li class="frame">
            <span class="frame-function">{function.to_owned()}</span>
            <span class="frame-place">{place}</span>
            {code}
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches frames that change their order when libraries are folded.
    #[test]
    fn frames_stay_in_their_order() {
        let text = "E\n\tat com.a.B.c(B.java:1)\n\tat java.x.Y.z(Y.java:2)\n\tat java.x.Y.w(Y.java:3)\n\tat com.a.D.e(D.java:4)";
        let sections = stack::parse(text);
        let runs = runs(&sections[0].frames);
        let shape: Vec<(bool, usize)> = runs.iter().map(|run| (run.is_app, run.frames.len())).collect();
        assert_eq!(shape, [(true, 1), (false, 2), (true, 1)]);
    }
}
