//! The browser application: Leptos, rendered in the browser, state in the URL.
//!
//! `app` wires routes and contexts; `pages` holds a folder per feature; `components` and `charts`
//! are shared; `state` is what more than one page knows; `api` talks to the server. Modules that
//! call themselves pure run natively too and have their tests beside them.

#![expect(clippy::needless_pass_by_value, reason = "the properties of components are owned")]

mod api;
mod app;
mod charts;
mod components;
mod format;
mod pages;
mod state;

fn main() {
    leptos::mount::mount_to_body(app::App);
}
