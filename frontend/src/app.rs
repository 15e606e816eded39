//! Contexts and routes.

use leptos::prelude::*;
use leptos_router::components::{ParentRoute, Redirect, Route, Router, Routes};
use leptos_router::path;

use crate::components::shell::Shell;
use crate::components::toast_list::ToastList;
use crate::pages::error::ErrorPage;
use crate::pages::errors::ErrorsPage;
use crate::pages::login::LoginPage;
use crate::pages::logs::LogsPage;
use crate::pages::map::MapPage;
use crate::pages::map::memory::MapMemory;
use crate::pages::metrics::MetricsPage;
use crate::pages::metrics::edit::{EditMetricPage, NewMetricPage};
use crate::pages::metrics::metric::MetricPage;
use crate::pages::not_found::NotFoundPage;
use crate::pages::search::SearchPage;
use crate::pages::search::memory::SearchMemory;
use crate::pages::service::ServicePage;
use crate::pages::services::ServicesPage;
use crate::pages::settings::SettingsPage;
use crate::pages::trace::TracePage;
use crate::state::page::Page;
use crate::state::range::RangeState;
use crate::state::session::SessionState;
use crate::state::theme::ThemeState;
use crate::state::toasts::Toasts;

/// The application.
#[component]
pub fn App() -> impl IntoView {
    ThemeState::provide();
    Toasts::provide();
    Page::provide();
    SessionState::provide();
    view! {
        <Router>
            <Pages />
        </Router>
        <ToastList />
    }
}

/// What needs the router around it.
#[component]
fn Pages() -> impl IntoView {
    RangeState::provide();
    SearchMemory::provide();
    MapMemory::provide();
    view! {
        <Routes fallback=|| view! { <NotFoundPage /> }.into_any()>
            <Route path=path!("/login") view=|| view! { <LoginPage /> }.into_any() />
            <ParentRoute path=path!("") view=|| view! { <Shell /> }.into_any()>
                <Route path=path!("/") view=|| view! { <ServicesPage /> }.into_any() />
                <Route path=path!("/services") view=|| view! { <Redirect path="/" /> }.into_any() />
                <Route path=path!("/services/:service") view=|| view! { <ServicePage /> }.into_any() />
                <Route path=path!("/traces") view=|| view! { <SearchPage /> }.into_any() />
                <Route path=path!("/traces/:trace_id") view=|| view! { <TracePage /> }.into_any() />
                <Route path=path!("/custom-metrics") view=|| view! { <MetricsPage /> }.into_any() />
                <Route path=path!("/custom-metrics/new") view=|| view! { <NewMetricPage /> }.into_any() />
                <Route path=path!("/custom-metrics/:id") view=|| view! { <MetricPage /> }.into_any() />
                <Route path=path!("/custom-metrics/:id/edit") view=|| view! { <EditMetricPage /> }.into_any() />
                <Route path=path!("/map") view=|| view! { <MapPage /> }.into_any() />
                <Route path=path!("/errors") view=|| view! { <ErrorsPage /> }.into_any() />
                <Route path=path!("/errors/:id") view=|| view! { <ErrorPage /> }.into_any() />
                <Route path=path!("/logs") view=|| view! { <LogsPage /> }.into_any() />
                <Route path=path!("/settings/:section?") view=|| view! { <SettingsPage /> }.into_any() />
                <Route path=path!("/*any") view=|| view! { <NotFoundPage /> }.into_any() />
            </ParentRoute>
        </Routes>
    }
}
