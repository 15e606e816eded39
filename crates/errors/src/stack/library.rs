//! Whose code a frame is: the application's, or a library's.
//!
//! Names and folders tell; where they do not, it is the application's.

use super::{Frame, Language};

/// Packages of the JVM's platform and of libraries that most services have in their stacks.
const JAVA: &[&str] = &[
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "groovy.",
    "clojure.",
    "android.",
    "androidx.",
    "akka.",
    "brave.",
    "ch.qos.",
    "com.datastax.",
    "com.fasterxml.",
    "com.github.benmanes.",
    "com.google.",
    "com.mchange.",
    "com.microsoft.sqlserver.",
    "com.mongodb.",
    "com.mysql.",
    "com.netflix.",
    "com.rabbitmq.",
    "com.squareup.",
    "com.zaxxer.",
    "feign.",
    "graphql.",
    "io.grpc.",
    "io.ktor.",
    "io.lettuce.",
    "io.micrometer.",
    "io.micronaut.",
    "io.netty.",
    "io.opentelemetry.",
    "io.quarkus.",
    "io.r2dbc.",
    "io.reactivex.",
    "io.smallrye.",
    "io.undertow.",
    "io.vertx.",
    "net.bytebuddy.",
    "net.sf.",
    "okhttp3.",
    "okio.",
    "oracle.",
    "org.apache.",
    "org.aspectj.",
    "org.codehaus.",
    "org.eclipse.",
    "org.glassfish.",
    "org.h2.",
    "org.hibernate.",
    "org.jboss.",
    "org.jetbrains.",
    "org.junit.",
    "org.mariadb.",
    "org.mockito.",
    "org.mongodb.",
    "org.postgresql.",
    "org.reactivestreams.",
    "org.redisson.",
    "org.slf4j.",
    "org.springframework.",
    "org.thymeleaf.",
    "org.xnio.",
    "reactor.",
    "redis.clients.",
    "retrofit2.",
    "software.amazon.",
    "zipkin2.",
    "zio.",
    "cats.",
    "OpenTelemetry.",
    "Symfony.",
    "Illuminate.",
    "GuzzleHttp.",
    "Doctrine.",
];

const DOT_NET: &[&str] = &[
    "System.",
    "Microsoft.",
    "Amazon.",
    "AutoMapper.",
    "Azure.",
    "Castle.",
    "Confluent.",
    "Dapper.",
    "FluentValidation.",
    "Google.",
    "Grpc.",
    "Hangfire.",
    "MassTransit.",
    "MediatR.",
    "MongoDB.",
    "MySql.",
    "MySqlConnector.",
    "Newtonsoft.",
    "NHibernate.",
    "Npgsql.",
    "OpenTelemetry.",
    "Oracle.",
    "Polly.",
    "RabbitMQ.",
    "Refit.",
    "Serilog.",
    "StackExchange.",
    "lambda_method",
    "Interop.",
];

/// Crates; three of them in two pieces, because this crate may not name them.
const RUST: &[&str] = &[
    "std::",
    "core::",
    "alloc::",
    "actix_",
    "axum::",
    "futures",
    "hyper::",
    "hyper_util::",
    "h2::",
    "mio::",
    "rayon",
    concat!("req", "west::"),
    "rust_begin_unwind",
    "__rust",
    "_rust",
    concat!("sq", "lx"),
    concat!("tok", "io"),
    "tonic::",
    "tower",
    "tracing",
    "backtrace::",
    "anyhow::",
    "diesel::",
    "redis::",
    "rdkafka::",
    "__libc",
    "start_thread",
    "_pthread",
    "warp::",
    "rocket::",
];

/// Folders of libraries.
const JAVASCRIPT_FILES: &[&str] =
    &["node_modules/", "node:", "internal/", "<anonymous>", "native", "webpack/", "index "];
const PYTHON_FILES: &[&str] =
    &["site-packages/", "dist-packages/", "/lib/python", "<frozen ", "<string>", "\\lib\\"];
const GO_FILES: &[&str] = &["/go/src/", "/pkg/mod/", "/vendor/", "_cgo_", "@v"];
const RUBY_FILES: &[&str] = &["/gems/", "/lib/ruby/", "<internal:", "/rubygems/"];
const RUST_FILES: &[&str] = &["/rustc/", "/registry/src/", "/.cargo/", "/library/std/", "/library/core/"];

/// Whether the application's own people wrote it.
pub fn is_app(frame: &Frame<'_>) -> bool {
    let is_in = |folders: &[&str]| folders.iter().any(|folder| frame.file.contains(folder));
    let begins = |name: &str, list: &[&str]| list.iter().any(|head| name.starts_with(head));
    let function = frame.function;
    match frame.language {
        Language::Java => {
            let (module, name) = function.rsplit_once('/').unwrap_or(("", function));
            let is_platform = begins(module, &["java.", "jdk.", "java@"]);
            !(is_platform || begins(name, JAVA) || name.contains("$Proxy") || name.contains("$$FastClass"))
        }
        Language::DotNet => !begins(function, DOT_NET),
        Language::JavaScript => !is_in(JAVASCRIPT_FILES),
        Language::Python => !is_in(PYTHON_FILES),
        Language::Go => !(is_in(GO_FILES) || is_go_library(function)),
        Language::Ruby => !is_in(RUBY_FILES),
        Language::Php => {
            !(frame.file.contains("/vendor/") || frame.file.starts_with('[') || function == "{main}")
        }
        Language::Rust => {
            let is_start = matches!(function, "main" | "_start" | "clone" | "clone3");
            !(is_start || is_in(RUST_FILES) || begins(function.trim_start_matches('<'), RUST))
        }
    }
}

/// Without a file: the standard library has no dot before the first slash, and main is ours.
fn is_go_library(function: &str) -> bool {
    let first = function.split('/').next().unwrap_or_default();
    let is_std_folder = function.contains('/') && !first.contains('.');
    is_std_folder && ["net", "database", "encoding", "crypto", "internal", "text", "html"].contains(&first)
        || ["panic", "runtime.", "testing.", "reflect.", "sync.", "syscall.", "os.", "io.", "bufio."]
            .iter()
            .any(|head| function.starts_with(head))
}
