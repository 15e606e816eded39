//! Asks before something is done that cannot be undone.

use leptos::prelude::*;

use super::dialog::Dialog;

/// A question with two answers.
#[component]
pub fn Confirm(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The question.
    #[prop(into)]
    title: Signal<String>,
    /// What happens then.
    #[prop(into)]
    detail: Signal<String>,
    /// The verb on the button.
    action: &'static str,
    /// Yes.
    #[prop(into)]
    confirm: Callback<()>,
) -> impl IntoView {
    view! {
        <Dialog open=open title=title>
            <div class="dialog-body">
                <p>{move || detail.get()}</p>
                <div class="dialog-actions">
                    <button type="button" class="button" autofocus on:click=move |_| open.set(false)>"Cancel"</button>
                    <button
                        type="button"
                        class="button danger"
                        on:click=move |_| {
                            open.set(false);
                            confirm.run(());
                        }
                    >
                        {action}
                    </button>
                </div>
            </div>
        </Dialog>
    }
}
