//! The settings while they are changed: a draft of the newest version, until it is saved.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{SamplingSettings, SamplingVersion};

use crate::api::{self, ApiError};
use crate::components::inputs::Faults;
use crate::state::toasts::Toasts;

/// The draft, in signals. A handle: copies are the same draft.
#[derive(Clone, Copy)]
pub struct Editing {
    /// What the draft was made of.
    pub base: RwSignal<SamplingVersion>,
    /// The draft.
    pub settings: RwSignal<SamplingSettings>,
    /// What the server said is wrong with it.
    pub faults: Faults,
    /// What somebody else saved meanwhile.
    pub theirs: RwSignal<Option<SamplingVersion>>,
    /// Whether it is being saved.
    pub busy: RwSignal<bool>,
    /// Whether the person may change it.
    pub may_edit: Signal<bool>,
    toasts: Toasts,
}

impl Editing {
    /// A draft without changes.
    pub fn new(base: SamplingVersion, may_edit: Signal<bool>, toasts: Toasts) -> Self {
        Self {
            settings: RwSignal::new(base.settings.clone()),
            base: RwSignal::new(base),
            faults: RwSignal::new(Vec::new()),
            theirs: RwSignal::new(None),
            busy: RwSignal::new(false),
            may_edit,
            toasts,
        }
    }

    /// Changes the draft. What was wrong with it may be at another place now.
    pub fn change(self, change: impl FnOnce(&mut SamplingSettings)) {
        self.settings.update(change);
        self.faults.set(Vec::new());
    }

    /// Whether there is something to save; tracks.
    pub fn is_changed(self) -> bool {
        self.base.with(|base| self.settings.with(|settings| *settings != base.settings))
    }

    /// Gives up the changes.
    pub fn discard(self) {
        self.settings.set(self.base.get_untracked().settings);
        self.faults.set(Vec::new());
    }

    /// Starts again from what somebody else saved: with it, or with the draft upon it.
    pub fn take_theirs(self, keep_draft: bool) {
        let Some(theirs) = self.theirs.get_untracked() else { return };
        self.base.set(theirs);
        self.theirs.set(None);
        if !keep_draft {
            self.discard();
        }
    }

    /// Saves the draft as the next version.
    pub fn save(self) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        let (version, settings) = (self.base.get_untracked().version, self.settings.get_untracked());
        spawn_local(async move {
            match api::save_sampling(version, settings).await {
                Ok(saved) => {
                    self.toasts.done(format!("Version {} is in force within seconds", saved.version));
                    self.settings.try_set(saved.settings.clone());
                    self.faults.try_set(Vec::new());
                    self.base.try_set(saved);
                }
                Err(error) if error.status == 409 => self.look_at_theirs().await,
                Err(error) => self.failed(&error, "Not saved"),
            }
            self.busy.try_set(false);
        });
    }

    async fn look_at_theirs(self) {
        match api::sampling(None).await {
            Ok(theirs) => {
                self.theirs.try_set(Some(theirs));
            }
            Err(error) => self.failed(&error, "Not saved"),
        }
    }

    /// Shows why the draft was refused: at its fields if they are told, else in a message.
    pub fn failed(self, error: &ApiError, what: &str) {
        self.faults.try_set(error.fields.to_vec());
        if error.fields.is_empty() {
            self.toasts.failed(error.line());
        } else {
            let count = error.fields.len();
            let fields = if count == 1 { "a field is" } else { "some fields are" };
            self.toasts.failed(format!("{what}: {fields} not acceptable"));
        }
    }
}
