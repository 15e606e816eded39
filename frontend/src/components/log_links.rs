//! Buttons that lead to external log systems.

use leptos::prelude::*;
use spanloom_model::api::LogLink;
use spanloom_model::log_link::{LinkValues, fill_in};

use super::icon::{Glyph, Icon};
use crate::api;
use crate::state::load::{Loaded, load};

/// Before and after what a link is about, so that the other system shows what led to it.
const MARGIN_NS: i64 = 60_000_000_000;

/// The time range around something, nanoseconds since the epoch. Pure.
pub fn around(start_ns: i64, end_ns: i64) -> (i64, i64) {
    (start_ns.saturating_sub(MARGIN_NS), end_ns.saturating_add(MARGIN_NS))
}

/// Names and addresses of the links that are about this service. Pure.
pub fn links_for(links: &[LogLink], values: &LinkValues) -> Vec<(String, String)> {
    let fits = |link: &&LogLink| link.service.as_ref().is_none_or(|service| *service == values.service);
    let address = |link: &LogLink| Some((link.name.clone(), fill_in(&link.url_template, values)?));
    links.iter().filter(fits).filter_map(address).collect()
}

/// All links, loaded once for a page.
pub fn use_log_links() -> Loaded<Vec<LogLink>> {
    load(|| Some(()), |(), signal| async move { api::log_links(signal).await })
}

/// The buttons; nothing if there are no links.
#[component]
pub fn LogLinkButtons(
    /// All links.
    links: Loaded<Vec<LogLink>>,
    /// What to fill in.
    values: LinkValues,
) -> impl IntoView {
    move || {
        let found = links.value.with(|links| links.as_ref().map(|links| links_for(links, &values)));
        let found = found.filter(|found| !found.is_empty())?;
        let button = |(name, address): (String, String)| {
            view! {
                <a class="button small" href=address target="_blank" rel="noopener noreferrer">
                    <Glyph icon=Icon::External />
                    {name}
                </a>
            }
        };
        Some(
            view! { <div class="log-links" role="group" aria-label="External logs">{found.into_iter().map(button).collect_view()}</div> },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::TraceId;

    // Catches another service's link, and a broken template that becomes an address.
    #[test]
    fn links_are_of_the_service_or_of_all() {
        let link = |name: &str, service: Option<&str>, url_template: &str| -> LogLink {
            serde_json::from_value(serde_json::json!({
                "id": "0190163d-8694-739b-aea5-966c26f8ad91", "name": name, "service": service,
                "urlTemplate": url_template, "author": "a", "createdAt": "2026-11-25T09:00:00Z"
            }))
            .unwrap()
        };
        let links = [
            link("all", None, "https://logs.example/{traceId}"),
            link("cart", Some("cart"), "https://logs.example/{service}"),
            link("other", Some("payment"), "https://logs.example/"),
            link("bad", None, "javascript:alert(1)"),
        ];
        let values = LinkValues {
            trace_id: TraceId::new(1).ok(),
            span_id: None,
            service: "cart".into(),
            start_ns: 0,
            end_ns: 1,
        };
        let names: Vec<String> = links_for(&links, &values).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["all", "cart"]);
        assert_eq!(around(0, 5), (-60_000_000_000, 60_000_000_005));
    }
}
