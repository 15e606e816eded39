//! What is around every page: rail, breadcrumbs, time range, palette, account.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::{Outlet, Redirect};
use leptos_router::hooks::{use_location, use_navigate};
use wasm_bindgen::JsCast;

use super::icon::{Glyph, Icon};
use super::keys_help::KeysHelp;
use super::palette::Palette;
use super::states::ErrorState;
use super::time_range_picker::TimeRangePicker;
use super::user_menu::UserMenu;
use crate::pages::search::memory::use_search_memory;
use crate::state::page::{is_typing, use_page};
use crate::state::query::Query;
use crate::state::range::use_range;
use crate::state::session::{Phase, use_session};
use crate::state::theme::{Theme, use_theme};

/// Shows the pages to whoever is logged in, and the way to the log-in to everybody else.
#[component]
pub fn Shell() -> impl IntoView {
    let session = use_session();
    let location = use_location();
    // A change of the person's data must not rebuild the page.
    let step = Memo::new(move |_| match session.phase.get() {
        Phase::Checking => Step::Wait,
        Phase::Failed(error) => Step::Failed(error),
        Phase::Out => Step::LogIn,
        Phase::In(_) => Step::Pages,
    });
    move || match step.get() {
        Step::Wait => view! { <div class="boot" role="status" aria-label="Loading"></div> }.into_any(),
        Step::Failed(error) => view! {
            <main class="boot">
                <ErrorState error=error retry=Callback::new(move |()| session.check()) />
            </main>
        }
        .into_any(),
        Step::LogIn => {
            let search = location.search.get_untracked();
            let here = Query::parse(&search).href(&location.pathname.get_untracked());
            let next = if here == "/" { String::new() } else { here };
            view! { <Redirect path=Query::default().with("next", next).href("/login") /> }.into_any()
        }
        Step::Pages => view! { <Frame /> }.into_any(),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Wait,
    Failed(crate::api::ApiError),
    LogIn,
    Pages,
}

#[component]
fn Frame() -> impl IntoView {
    let palette_open = RwSignal::new(false);
    let keys_open = RwSignal::new(false);
    global_keys(palette_open, keys_open);
    view! {
        <div class="shell">
            <a class="skip" href="#main">"Skip to the page"</a>
            <Rail keys_open=keys_open />
            <TopBar palette_open=palette_open />
            <main id="main" class="main" tabindex="-1">
                <Outlet />
            </main>
        </div>
        <Palette open=palette_open keys_open=keys_open />
        <KeysHelp open=keys_open />
    }
}

#[component]
fn Rail(keys_open: RwSignal<bool>) -> impl IntoView {
    let range = use_range();
    let path = use_location().pathname;
    let item = move |target: &'static str, label: &'static str, icon: Icon| {
        let current = move || {
            let path = path.get();
            path == target
                || (target != "/" && path.strip_prefix(target).is_some_and(|rest| rest.starts_with('/')))
        };
        view! {
            <a
                class="rail-item"
                href=move || range.href(target)
                aria-label=label
                aria-current=move || current().then_some("page")
            >
                <Glyph icon=icon />
                <span class="rail-label">{label}</span>
            </a>
        }
    };
    view! {
        <nav class="rail" aria-label="Main">
            <a class="rail-logo" href=move || range.href("/") aria-label="Spanloom, home">
                <Glyph icon=Icon::Logo />
            </a>
            {item("/", "Services", Icon::Services)}
            {item("/traces", "Traces", Icon::Traces)}
            {item("/map", "Map", Icon::Map)}
            {item("/errors", "Errors", Icon::Error)}
            {item("/logs", "Logs", Icon::Logs)}
            {item("/custom-metrics", "Metrics", Icon::Metrics)}
            <span class="grow"></span>
            <button type="button" class="rail-item" aria-label="Keys" on:click=move |_| keys_open.set(true)>
                <Glyph icon=Icon::Help />
                <span class="rail-label">"Keys"</span>
            </button>
            {item("/settings", "Settings", Icon::Settings)}
        </nav>
    }
}

#[component]
fn TopBar(palette_open: RwSignal<bool>) -> impl IntoView {
    let page = use_page();
    let range = use_range();
    let theme = use_theme();
    let path = use_location().pathname;
    // Settings are not about a time.
    let has_range = move || !path.with(|path| path.starts_with("/settings"));
    let memory = use_search_memory();
    let crumbs = move || {
        let crumbs = page.crumbs.get();
        let last = crumbs.len().saturating_sub(1);
        crumbs
            .into_iter()
            .enumerate()
            .map(|(index, crumb)| {
                let label = match crumb.href {
                    Some(path) => {
                        let href = move || match path.as_str() {
                            // Back to the list that one came from, not to an empty search.
                            "/traces" => range.href_with(&path, memory.query.get()),
                            _ => range.href(&path),
                        };
                        view! { <a href=href>{crumb.label}</a> }.into_any()
                    }
                    None if index == last => {
                        view! { <h1 class="clip" aria-current="page">{crumb.label}</h1> }.into_any()
                    }
                    None => view! { <span class="clip">{crumb.label}</span> }.into_any(),
                };
                view! { <li>{label}</li> }
            })
            .collect_view()
    };
    let theme_icon =
        Signal::derive(move || if theme.theme.get() == Theme::Dark { Icon::Sun } else { Icon::Moon });
    view! {
        <header class="topbar">
            <nav class="crumbs" aria-label="Breadcrumbs">
                <ol>{crumbs}</ol>
            </nav>
            <button type="button" class="button quiet palette-button" on:click=move |_| palette_open.set(true)>
                <Glyph icon=Icon::Search />
                <span class="palette-hint">"Go to service or trace"</span>
                <kbd>"Ctrl K"</kbd>
            </button>
            <Show when=move || has_range()>
            <TimeRangePicker />
            <button type="button" class="icon-button" aria-label="Refresh" title="Refresh (r)" on:click=move |_| range.refresh()>
                <Glyph icon=Icon::Refresh />
            </button>
            </Show>
            <button
                type="button"
                class="icon-button"
                aria-label="Dark or light"
                title="Dark or light (t)"
                on:click=move |_| theme.toggle()
            >
                <Glyph icon=theme_icon />
            </button>
            <UserMenu />
        </header>
    }
}

/// The keys that work on every page.
fn global_keys(palette_open: RwSignal<bool>, keys_open: RwSignal<bool>) {
    let range = use_range();
    let theme = use_theme();
    let navigate = use_navigate();
    // After `g` the next key names a page.
    let going = RwSignal::new(false);
    let listener = window_event_listener(ev::keydown, move |event| {
        if (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k") {
            event.prevent_default();
            palette_open.update(|open| *open = !*open);
            return;
        }
        if is_typing(&event) || palette_open.get_untracked() || keys_open.get_untracked() {
            return;
        }
        let go = |path: &str| navigate(&untrack(|| range.href(path)), NavigateOptions::default());
        match (going.get_untracked(), event.key().as_str()) {
            (true, "s") => go("/"),
            (true, "t") => go("/traces"),
            (true, "m") => go("/map"),
            (true, "e") => go("/errors"),
            (true, "l") => go("/logs"),
            (true, "c") => go("/custom-metrics"),
            (false, "g") => {
                going.set(true);
                set_timeout(
                    move || {
                        going.try_set(false);
                    },
                    Duration::from_secs(1),
                );
                return;
            }
            (false, "?") => keys_open.set(true),
            (false, "r") => range.refresh(),
            (false, "t") => theme.toggle(),
            (false, "/") => focus_search(),
            _ => return,
        }
        going.set(false);
        event.prevent_default();
    });
    on_cleanup(move || listener.remove());
}

/// Pages mark the field that `/` goes to.
fn focus_search() {
    let field = document().query_selector("[data-search]").ok().flatten();
    if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
        // A field that cannot take the focus stays as it is.
        let _ = field.focus();
    }
}
