//! The instrumentation libraries that would have recorded the spans: the instrumentation scopes.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;

use super::model::{Broker, Language, Service};

/// What a span is recorded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Library {
    HttpServer,
    HttpClient,
    Grpc,
    Sql,
    Cache,
    Kafka,
    RabbitMq,
    /// The service's own code.
    Own,
}

impl From<Broker> for Library {
    fn from(broker: Broker) -> Self {
        match broker {
            Broker::Kafka => Self::Kafka,
            Broker::RabbitMq => Self::RabbitMq,
        }
    }
}

/// The scope that this library has in a service's language.
pub fn scope(service: &Service, library: Library) -> InstrumentationScope {
    let name = match library {
        Library::Own => format!("shop.{}", service.name),
        _ => library_name(service.language, library).to_owned(),
    };
    let version = match (service.language, library) {
        (_, Library::Own) => "",
        (Language::Java, _) => "2.20.1-alpha",
        (Language::Python, _) => "0.59b0",
        (Language::Node, _) => "0.206.0",
        (Language::Go, _) => "0.63.0",
        (Language::Rust, _) => "0.32.0",
    };
    InstrumentationScope { name, version: version.to_owned(), ..InstrumentationScope::default() }
}

const fn library_name(language: Language, library: Library) -> &'static str {
    match (language, library) {
        (_, Library::Own) => "",
        (Language::Java, Library::HttpServer) => "io.opentelemetry.tomcat-10.0",
        (Language::Java, Library::HttpClient) => "io.opentelemetry.java-http-client",
        (Language::Java, Library::Grpc) => "io.opentelemetry.grpc-1.6",
        (Language::Java, Library::Sql) => "io.opentelemetry.jdbc",
        (Language::Java, Library::Cache) => "io.opentelemetry.lettuce-5.1",
        (Language::Java, Library::Kafka) => "io.opentelemetry.kafka-clients-0.11",
        (Language::Java, Library::RabbitMq) => "io.opentelemetry.rabbitmq-2.7",
        (Language::Python, Library::HttpServer) => "opentelemetry.instrumentation.fastapi",
        (Language::Python, Library::HttpClient) => "opentelemetry.instrumentation.httpx",
        (Language::Python, Library::Grpc) => "opentelemetry.instrumentation.grpc",
        (Language::Python, Library::Sql) => "opentelemetry.instrumentation.psycopg",
        (Language::Python, Library::Cache) => "opentelemetry.instrumentation.redis",
        (Language::Python, Library::Kafka) => "opentelemetry.instrumentation.confluent_kafka",
        (Language::Python, Library::RabbitMq) => "opentelemetry.instrumentation.pika",
        (Language::Node, Library::HttpServer) => "@opentelemetry/instrumentation-http",
        (Language::Node, Library::HttpClient) => "@opentelemetry/instrumentation-undici",
        (Language::Node, Library::Grpc) => "@opentelemetry/instrumentation-grpc",
        (Language::Node, Library::Sql) => "@opentelemetry/instrumentation-pg",
        (Language::Node, Library::Cache) => "@opentelemetry/instrumentation-ioredis",
        (Language::Node, Library::Kafka) => "@opentelemetry/instrumentation-kafkajs",
        (Language::Node, Library::RabbitMq) => "@opentelemetry/instrumentation-amqplib",
        (Language::Go, Library::HttpServer | Library::HttpClient) => {
            "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
        }
        (Language::Go, Library::Grpc) => {
            "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
        }
        (Language::Go, Library::Sql) => "github.com/exaring/otelpgx",
        (Language::Go, Library::Cache) => "github.com/redis/go-redis/extra/redisotel/v9",
        (Language::Go, Library::Kafka) => "github.com/dnwe/otelsarama",
        (Language::Go, Library::RabbitMq) => "github.com/wagslane/go-rabbitmq",
        (Language::Rust, Library::HttpServer) => "opentelemetry-instrumentation-actix-web",
        (Language::Rust, Library::HttpClient) => "reqwest-tracing",
        (Language::Rust, Library::Grpc) => "tonic-tracing-opentelemetry",
        (Language::Rust, Library::Sql) => "sqlx-tracing",
        (Language::Rust, Library::Cache) => "redis-tracing",
        (Language::Rust, Library::Kafka) => "rdkafka-tracing",
        (Language::Rust, Library::RabbitMq) => "lapin-tracing",
    }
}
