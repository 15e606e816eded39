//! Short messages that go away by themselves.

use std::time::Duration;

use leptos::prelude::*;

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToastKind {
    /// Something worked.
    Done,
    /// Something failed; stays longer.
    Failed,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// Tells messages apart.
    pub id: u32,
    /// What kind it is.
    pub kind: ToastKind,
    /// What it says.
    pub text: String,
}

/// The messages on the screen, in a context.
#[derive(Clone, Copy)]
pub struct Toasts {
    /// The oldest first.
    pub list: RwSignal<Vec<Toast>>,
    next_id: StoredValue<u32>,
}

/// More would cover the page.
const SHOWN_MAX: usize = 4;

impl Toasts {
    /// Puts the messages into the context.
    pub fn provide() -> Self {
        let toasts = Self { list: RwSignal::new(Vec::new()), next_id: StoredValue::new(0) };
        provide_context(toasts);
        toasts
    }

    /// Says that something worked.
    pub fn done(self, text: impl Into<String>) {
        self.show(ToastKind::Done, text.into(), Duration::from_secs(4));
    }

    /// Says that something failed.
    pub fn failed(self, text: impl Into<String>) {
        self.show(ToastKind::Failed, text.into(), Duration::from_secs(10));
    }

    /// Takes a message away.
    pub fn dismiss(self, id: u32) {
        self.list.update(|list| list.retain(|toast| toast.id != id));
    }

    fn show(self, kind: ToastKind, text: String, shown_for: Duration) {
        let id = self.next_id.get_value();
        self.next_id.set_value(id.wrapping_add(1));
        self.list.update(|list| {
            if list.len() >= SHOWN_MAX {
                list.remove(0);
            }
            list.push(Toast { id, kind, text });
        });
        set_timeout(move || self.dismiss(id), shown_for);
    }
}

/// The messages.
#[expect(clippy::expect_used, reason = "the app provides it around everything")]
pub fn use_toasts() -> Toasts {
    use_context().expect("the app provides the toasts")
}
