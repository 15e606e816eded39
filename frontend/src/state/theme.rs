//! Dark and light. The system's preference counts until the person chooses.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;

const STORAGE_KEY: &str = "spanloom.theme";

/// How bright the page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Light text on dark.
    Dark,
    /// Dark text on light.
    Light,
}

impl Theme {
    fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Dark, Self::Light].into_iter().find(|theme| theme.name() == name)
    }

    fn other(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Dark,
        }
    }
}

/// The theme, in a context.
#[derive(Clone, Copy)]
pub struct ThemeState {
    /// What is shown now; canvases draw again when it changes.
    pub theme: RwSignal<Theme>,
}

impl ThemeState {
    /// Puts the theme into the context and on the root element, and follows the system.
    pub fn provide() -> Self {
        let state = Self { theme: RwSignal::new(chosen().unwrap_or_else(preferred)) };
        provide_context(state);
        Effect::new(move |_| {
            if let Some(root) = document().document_element() {
                let _ = root.set_attribute("data-theme", state.theme.get().name());
            }
        });
        if let Some(media) = dark_media() {
            let follow = Closure::<dyn Fn()>::new(move || {
                if chosen().is_none() {
                    state.theme.set(preferred());
                }
            });
            // The app lives as long as the page, and so does this listener.
            let _ = media.add_event_listener_with_callback("change", follow.as_ref().unchecked_ref());
            follow.forget();
        }
        state
    }

    /// The other theme, remembered for the next visit. Choosing what the system prefers goes back
    /// to following it.
    pub fn toggle(self) {
        let theme = self.theme.get_untracked().other();
        self.theme.set(theme);
        if let Some(storage) = storage() {
            // Without storage the choice lasts as long as the page.
            let _ = if theme == preferred() {
                storage.remove_item(STORAGE_KEY)
            } else {
                storage.set_item(STORAGE_KEY, theme.name())
            };
        }
    }
}

/// The theme's state.
#[expect(clippy::expect_used, reason = "the app provides it around everything")]
pub fn use_theme() -> ThemeState {
    use_context().expect("the app provides the theme")
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

fn chosen() -> Option<Theme> {
    Theme::from_name(&storage()?.get_item(STORAGE_KEY).ok()??)
}

fn dark_media() -> Option<web_sys::MediaQueryList> {
    window().match_media("(prefers-color-scheme: dark)").ok().flatten()
}

fn preferred() -> Theme {
    if dark_media().is_none_or(|media| media.matches()) { Theme::Dark } else { Theme::Light }
}
