//! Attributes by kind of call, named by the OpenTelemetry semantic conventions.

use rand::RngExt;

use super::attributes::Attributes;
use super::customer::Customer;
use super::model::{Broker, Command, DemoRng, Detail, External, Fault, Operation, Query, Queue, Service};
use super::resource::Process;

const PUBLIC_HOST: &str = "shop.example.com";
const HTTP_PORT: i64 = 8_080;
const GRPC_PORT: i64 = 50_051;
pub const CACHE_HOST: &str = "redis-main.cache.internal";

/// The name under which a service is reached in the cluster.
pub fn address(service: &Service) -> String {
    format!("{}.shop.svc.cluster.local", service.name)
}

/// A request to its server, with what the response said.
pub fn http_server(
    rng: &mut DemoRng,
    customer: &Customer,
    (method, route): (&str, &str),
    host: &Process,
    is_public: bool,
    fault: Option<Fault>,
) -> Attributes {
    let status = fault.map_or(if method == "POST" { 201 } else { 200 }, Fault::http_status);
    let (scheme, server, port) = if is_public {
        ("https", PUBLIC_HOST.to_owned(), 443)
    } else {
        ("http", address(host.service), HTTP_PORT)
    };
    let mut attributes = Attributes::new()
        .text("http.request.method", method)
        .text("http.route", route)
        .text("url.scheme", scheme)
        .text("url.path", customer.fill(route))
        .int("http.response.status_code", status)
        .text("server.address", server)
        .int("server.port", port)
        .text("network.protocol.version", if is_public { "2" } else { "1.1" });
    if route.ends_with("/search") {
        attributes = attributes.text("url.query", format!("q={}", customer.search_term.replace(' ', "+")));
    }
    if is_public {
        attributes = attributes
            .text("client.address", customer.address.as_str())
            .text("user_agent.original", customer.user_agent);
        // Somebody once turned the recording of this header on: what redaction is for.
        if rng.random_bool(0.01) {
            let token = format!(
                "Bearer eyJhbGciOiJIUzI1NiJ9.{:032x}.{:016x}",
                rng.random::<u128>(),
                rng.random::<u64>()
            );
            attributes = attributes.texts("http.request.header.authorization", &[&token]);
        }
    }
    attributes.and(http_error(fault.filter(|fault| fault.is_server_error())))
}

/// A request as its sender sees it.
pub fn http_client(
    method: &str,
    url: String,
    (host, port): (String, i64),
    attempt: u8,
    fault: Option<Fault>,
) -> Attributes {
    let mut attributes = Attributes::new()
        .text("http.request.method", method)
        .text("url.full", url)
        .text("server.address", host)
        .int("server.port", port)
        .text("network.protocol.version", "1.1");
    // Whoever runs into a timeout or an unreachable host never sees a status.
    if !matches!(fault, Some(Fault::Timeout | Fault::Refused)) {
        let success = if method == "POST" { 201 } else { 200 };
        attributes = attributes.int("http.response.status_code", fault.map_or(success, Fault::http_status));
    }
    if attempt > 0 {
        attributes = attributes.int("http.request.resend_count", attempt);
    }
    attributes.and(http_error(fault))
}

/// A call of another service over HTTP.
pub fn http_client_of(
    customer: &Customer,
    to: &Operation,
    (method, route): (&str, &str),
    attempt: u8,
    fault: Option<Fault>,
) -> Attributes {
    let host = address(to.service);
    let url = format!("http://{host}:{HTTP_PORT}{}", customer.fill(route));
    http_client(method, url, (host, HTTP_PORT), attempt, fault)
}

/// A request to a foreign service.
pub fn external(customer: &Customer, to: &External, attempt: u8, fault: Option<Fault>) -> Attributes {
    let host = to.provider.host();
    let url = format!("https://{host}{}", customer.fill(to.path));
    http_client(to.method, url, (host.to_owned(), 443), attempt, fault)
}

fn http_error(fault: Option<Fault>) -> Attributes {
    match fault {
        None => Attributes::default(),
        Some(Fault::Timeout) => Attributes::default().text("error.type", "timeout"),
        Some(Fault::Refused) => Attributes::default().text("error.type", "connection_refused"),
        Some(fault) => Attributes::default().text("error.type", fault.http_status().to_string()),
    }
}

/// A gRPC call, from either side.
pub fn grpc(service: &str, method: &str, server: &Service, fault: Option<Fault>) -> Attributes {
    Attributes::new()
        .text("rpc.system", "grpc")
        .text("rpc.service", service)
        .text("rpc.method", method)
        .int("rpc.grpc.status_code", fault.map_or(0, Fault::grpc_code))
        .text("server.address", address(server))
        .int("server.port", GRPC_PORT)
}

/// A statement.
pub fn sql(rng: &mut DemoRng, query: &Query, customer: &Customer, fault: Option<Fault>) -> Attributes {
    // A careless developer wrote the value into the statement: what redaction is for.
    let text = if query.text.contains("email = $1") && rng.random_bool(0.05) {
        query.text.replace("$1", &format!("'{}'", customer.email))
    } else {
        query.text.to_owned()
    };
    let attributes = Attributes::new()
        .text("db.system.name", "postgresql")
        .text("db.namespace", query.database.namespace)
        .text("db.collection.name", query.table)
        .text("db.operation.name", query.operation)
        .text("db.query.summary", format!("{} {}", query.operation, query.table))
        .text("db.query.text", text)
        .text("server.address", query.database.host)
        .int("server.port", 5_432_i64);
    match fault {
        None if query.rows_max > 0 => {
            attributes.int("db.response.returned_rows", rng.random_range(0..=query.rows_max))
        }
        None => attributes,
        Some(fault) => {
            let state = if fault == Fault::Deadlock { "40P01" } else { "57014" };
            attributes.text("db.response.status_code", state).text("error.type", state)
        }
    }
}

/// A cache command.
pub fn cache(command: &Command, customer: &Customer, fault: Option<Fault>) -> Attributes {
    let value = if matches!(command.operation, "SET" | "SETEX" | "HSET") { " ?" } else { "" };
    let attributes = Attributes::new()
        .text("db.system.name", "redis")
        .text("db.namespace", "0")
        .text("db.operation.name", command.operation)
        .text("db.query.text", format!("{} {}{value}", command.operation, customer.fill(command.key)))
        .text("server.address", CACHE_HOST)
        .int("server.port", 6_379_i64);
    if fault.is_some() { attributes.text("error.type", "connection_refused") } else { attributes }
}

/// Sending or handling a message; `consumer` is the handling service.
pub fn messaging(
    rng: &mut DemoRng,
    queue: &Queue,
    message_id: u64,
    consumer: Option<&Service>,
) -> Attributes {
    let (kind, system) = match queue.broker {
        Broker::Kafka => ("kafka", 9_092_i64),
        Broker::RabbitMq => ("rabbitmq", 5_672_i64),
    };
    let operation = if consumer.is_some() { "process" } else { "send" };
    let mut attributes = Attributes::new()
        .text("messaging.system", kind)
        .text("messaging.destination.name", queue.name)
        .text("messaging.operation.type", operation)
        .text("messaging.operation.name", operation)
        .text("messaging.message.id", format!("{message_id:016x}"))
        .int("messaging.message.body.size", rng.random_range(180..2_400_i64))
        .text("server.address", queue.host)
        .int("server.port", system);
    attributes = match queue.broker {
        Broker::Kafka => attributes
            .text("messaging.destination.partition.id", (message_id % 12).to_string())
            .int("messaging.kafka.offset", 48_000_000 + (message_id % 9_000_000) as i64),
        Broker::RabbitMq => attributes.text("messaging.rabbitmq.destination.routing_key", queue.name),
    };
    match consumer {
        Some(service) => attributes.text("messaging.consumer.group.name", service.name),
        None => attributes,
    }
}

/// What the shop's own code notes on its spans.
pub fn details(customer: &Customer, details: &[Detail]) -> Attributes {
    details.iter().fold(Attributes::default(), |attributes, detail| match detail {
        Detail::CardMasked => attributes
            .text("payment.card.number_masked", format!("**** **** **** {}", customer.card_last_digits))
            .text(
                "payment.card.brand",
                if customer.card_last_digits.is_multiple_of(3) { "mastercard" } else { "visa" },
            ),
        Detail::Cart => {
            let total = Attributes::default().double("amount", customer.cart_total).text("currency", "EUR");
            attributes.int("app.cart.items", customer.cart_items).map("app.cart.total", total)
        }
        Detail::Email => attributes.text("user.email", customer.email.as_str()),
        Detail::Experiment => attributes.flag("app.experiment.new_layout", customer.is_new_layout).texts(
            "app.experiments",
            if customer.is_new_layout { &["new_layout", "lazy_images"] } else { &["control"] },
        ),
        Detail::FraudScore => attributes.double("app.fraud.score", customer.fraud_score),
        Detail::Order => attributes.text("app.order.id", customer.order_id.as_str()),
        Detail::Product => attributes.text("app.product.id", customer.product_id.as_str()),
        Detail::Recipient => attributes
            .text("app.mail.template", "order_confirmation_v3")
            .bytes("app.mail.digest", customer.order_id.bytes().rev().collect()),
        Detail::SearchTerm => attributes.text("app.search.term", customer.search_term),
        Detail::User => attributes.text("user.id", customer.user_id.as_str()),
    })
}
