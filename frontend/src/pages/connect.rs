//! How to send spans here, for whoever has none yet.

use leptos::prelude::*;

use crate::components::copy_button::CopyButton;

/// The settings of a stock SDK, with this server's name filled in.
#[component]
pub fn ConnectGuide() -> impl IntoView {
    let host = location().hostname().unwrap_or_default();
    let host = if host.is_empty() { "localhost".to_owned() } else { host };
    let settings = format!(
        "export OTEL_SERVICE_NAME=my-service\nexport OTEL_EXPORTER_OTLP_ENDPOINT=http://{host}:4317\nexport OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
    );
    view! {
        <div class="code-block">
            <pre><code>{settings.clone()}</code></pre>
            <CopyButton text=settings label="Copy settings" />
        </div>
        <p>
            "Port 4317 takes OTLP over gRPC, port 4318 and this address take OTLP over HTTP. From this machine no key is needed; from elsewhere send an API key of scope ingest as "
            <code>"Authorization: Bearer <key>"</code>
            " (Settings, API keys)."
        </p>
        <p>
            <a href="https://opentelemetry.io/docs/languages/" target="_blank" rel="noreferrer">"OpenTelemetry SDKs"</a>
            " · "
            <a href="/api/docs/" rel="external">"This server's API"</a>
        </p>
    }
}
