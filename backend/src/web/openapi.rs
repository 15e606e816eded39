//! The OpenAPI document and its browsable page.

use std::sync::{LazyLock, OnceLock};

use actix_web::App;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::routes;
use crate::roles::Roles;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Spanloom",
        description = "Distributed tracing on PostgreSQL.\n\n\
            Times are RFC 3339 or integers whose unit ends the field's name. Errors are RFC 9457 problem \
            details with a stable `code`; ingest endpoints of other protocols answer in those protocols' \
            manner. Every operation names the role it needs in `x-required-role`; each role includes the \
            ones before it: viewer, editor, admin. A key with the scope `read` is a viewer, one with the \
            scope `ingest` sends spans.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "ingest", description = "Sending spans and log records"),
        (name = "traces", description = "Searching and reading traces"),
        (name = "services", description = "Services and their operations"),
        (name = "metrics", description = "Rate, errors and durations over time"),
        (name = "dependencies", description = "Who calls whom"),
        (name = "errors", description = "Errors by group, and their states"),
        (name = "logs", description = "Searching log records; links to external log systems"),
        (name = "tags", description = "Completion of attribute keys and values"),
        (name = "storage", description = "What is stored, and how long it is kept"),
        (name = "sampling", description = "Which traces are kept"),
        (name = "auth", description = "Logging in and out"),
        (name = "users", description = "People"),
        (name = "keys", description = "API keys"),
        (name = "operate", description = "Health and metrics of Spanloom itself"),
    ),
    components(schemas(spanloom_model::api::Problem)),
    modifiers(&Security)
)]
struct ApiDoc;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let bearer = |description: &str| {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.description = Some(description.to_owned());
            SecurityScheme::Http(scheme)
        };
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "spanloom_access",
                "A person's session, opened by `POST /api/v1/auth/login`. Requests that change something \
                 need the header `X-CSRF-Token` too.",
            ))),
        );
        components.add_security_scheme("read_key", bearer("An API key with the scope `read`"));
        components.add_security_scheme("ingest_key", bearer("An API key with the scope `ingest`"));
    }
}

/// The document as it is served and checked in. Made once: every HTTP worker asks for it.
pub fn document() -> &'static Document {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
        let app = App::new()
            .into_utoipa_app()
            .openapi(ApiDoc::openapi())
            .configure(|config| routes::documented(config, Roles::ALL));
        app.split_for_parts().1
    });
    &DOCUMENT
}

/// The same as the text in `openapi/openapi.json`.
///
/// # Errors
/// Never in practice: the document serializes.
pub fn document_text() -> anyhow::Result<String> {
    Ok(document().to_pretty_json()? + "\n")
}

/// The methods of the operation at this path; none if there is no such operation.
pub fn methods_of(path: &str) -> Vec<String> {
    static PATHS: OnceLock<Vec<(String, Vec<String>)>> = OnceLock::new();
    let paths = PATHS.get_or_init(|| {
        let document = serde_json::to_value(document()).unwrap_or_default();
        let paths = document["paths"].as_object().cloned().unwrap_or_default();
        let methods = |item: &serde_json::Value| {
            item.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase()).collect()
        };
        paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
    });
    let matches = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template.split('/').zip(path.split('/')).all(|(t, p)| t.starts_with('{') || t == p)
    };
    paths
        .iter()
        .filter(|(template, _)| matches(template))
        .flat_map(|(_, methods)| methods.clone())
        .collect()
}

/// The browsable page at `/api/docs/` and the document at `/api/openapi.json`, all from this binary.
pub fn page() -> SwaggerUi {
    SwaggerUi::new("/api/docs/{_:.*}")
        .url("/api/openapi.json", document().clone())
        .config(Config::default().validator_url("none").display_request_duration(true))
}
