//! Stack traces in the form that each language prints.

use super::failure::{Failing, Medium};
use super::model::{Language, hash_text};

/// A frame of a library: function, file, line.
type Frame = (&'static str, &'static str, u32);

/// The stack trace of a failure, several lines.
pub fn trace(failing: &Failing<'_>, kind: &str, message: &str) -> String {
    match failing.service.language {
        Language::Go => go(failing),
        Language::Java => java(failing, kind, message),
        Language::Node => node(failing, kind, message),
        Language::Python => python(failing, kind, message),
        Language::Rust => rust(failing),
    }
}

/// A line number that stays the same for the same function.
fn line(function: &str, from: u32) -> u32 {
    from + (hash_text(function) % 180) as u32
}

fn join(head: String, lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().fold(head, |mut text, line| {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
        text
    })
}

fn java(failing: &Failing<'_>, kind: &str, message: &str) -> String {
    let library: &[Frame] = match failing.medium {
        Medium::Sql => &[
            (
                "org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse",
                "QueryExecutorImpl.java",
                2_734,
            ),
            ("org.postgresql.core.v3.QueryExecutorImpl.processResults", "QueryExecutorImpl.java", 2_421),
            ("org.postgresql.jdbc.PgStatement.executeInternal", "PgStatement.java", 518),
            ("org.postgresql.jdbc.PgPreparedStatement.executeQuery", "PgPreparedStatement.java", 137),
            (
                "com.zaxxer.hikari.pool.ProxyPreparedStatement.executeQuery",
                "ProxyPreparedStatement.java",
                52,
            ),
            ("org.springframework.jdbc.core.JdbcTemplate.execute", "JdbcTemplate.java", 658),
        ],
        Medium::Cache => &[
            ("io.lettuce.core.RedisConnectionException.create", "RedisConnectionException.java", 72),
            ("io.lettuce.core.AbstractRedisClient.getConnection", "AbstractRedisClient.java", 350),
            (
                "org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory$SharedConnection.getConnection",
                "LettuceConnectionFactory.java",
                1_608,
            ),
        ],
        Medium::Http => &[
            ("java.net.http/jdk.internal.net.http.HttpClientImpl.send", "HttpClientImpl.java", 975),
            ("java.net.http/jdk.internal.net.http.HttpClientFacade.send", "HttpClientFacade.java", 133),
            ("org.springframework.web.client.RestClient$RetrieveSpec.body", "DefaultRestClient.java", 719),
        ],
        Medium::Grpc => &[
            ("io.grpc.stub.ClientCalls.toStatusRuntimeException", "ClientCalls.java", 368),
            ("io.grpc.stub.ClientCalls.blockingUnaryCall", "ClientCalls.java", 249),
        ],
        Medium::Own => &[],
    };
    let class = pascal(failing.service.name);
    let package = failing.service.name.replace('-', "");
    let method = camel(failing.handler);
    let own = [
        format!("com.shop.{package}.{class}Service.{method}({class}Service.java:{})", line(&method, 60)),
        format!(
            "com.shop.{package}.{class}Controller.{method}({class}Controller.java:{})",
            line(&class, 30)
        ),
    ];
    let frameworks: [Frame; 5] = [
        (
            "java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke",
            "DirectMethodHandleAccessor.java",
            103,
        ),
        (
            "org.springframework.web.servlet.mvc.method.annotation.ServletInvocableHandlerMethod.invokeAndHandle",
            "ServletInvocableHandlerMethod.java",
            118,
        ),
        ("org.springframework.web.servlet.DispatcherServlet.doDispatch", "DispatcherServlet.java", 1_089),
        ("org.apache.catalina.core.ApplicationFilterChain.doFilter", "ApplicationFilterChain.java", 140),
        ("java.base/java.lang.Thread.run", "Thread.java", 1_583),
    ];
    let frame = |&(function, file, line): &Frame| format!("\tat {function}({file}:{line})");
    let lines = library.iter().map(frame);
    let lines =
        lines.chain(own.iter().map(|own| format!("\tat {own}"))).chain(frameworks.iter().map(frame));
    let text = join(format!("{kind}: {message}"), lines);
    match failing.medium {
        Medium::Cache => text + "\nCaused by: java.net.ConnectException: Connection refused\n\t... 14 more",
        Medium::Http => text + "\nCaused by: java.io.IOException: HTTP exchange failed\n\t... 11 more",
        _ => text,
    }
}

fn python(failing: &Failing<'_>, kind: &str, message: &str) -> String {
    let module = failing.service.name.replace('-', "_");
    let packages = "/usr/local/lib/python3.13/site-packages";
    let mut lines = vec![
        format!("  File \"{packages}/starlette/routing.py\", line 73, in app"),
        "    response = await f(request)".to_owned(),
        format!("  File \"{packages}/fastapi/routing.py\", line 302, in app"),
        "    raw_response = await run_endpoint_function(".to_owned(),
        format!("  File \"/app/{module}/api.py\", line {}, in {}", line(&module, 40), failing.handler),
        format!("    return await service.{}(payload)", failing.handler),
        format!(
            "  File \"/app/{module}/service.py\", line {}, in {}",
            line(failing.handler, 70),
            failing.handler
        ),
    ];
    let (code, library): (&str, &[(&str, &str)]) = match failing.medium {
        Medium::Sql => (
            "rows = await connection.execute(statement, parameters)",
            &[("psycopg/connection_async.py\", line 291, in execute", "raise ex.with_traceback(None)")],
        ),
        Medium::Cache => (
            "values = await self.cache.mget(keys)",
            &[(
                "redis/asyncio/connection.py\", line 295, in connect",
                "raise ConnectionError(self._error_message(e))",
            )],
        ),
        Medium::Http | Medium::Grpc => (
            "response = await self.client.send(request)",
            &[
                ("httpx/_client.py\", line 1629, in send", "response = await self._send_handling_auth("),
                (
                    "httpx/_transports/default.py\", line 118, in map_httpcore_exceptions",
                    "raise mapped_exc(message) from exc",
                ),
            ],
        ),
        Medium::Own => ("total += item[\"price\"] * rates[item[\"currency\"]]", &[]),
    };
    lines.push(format!("    {code}"));
    for (place, code) in library {
        lines.push(format!("  File \"{packages}/{place}"));
        lines.push(format!("    {code}"));
    }
    lines.push(format!("{kind}: {message}"));
    join("Traceback (most recent call last):".to_owned(), lines)
}

fn node(failing: &Failing<'_>, kind: &str, message: &str) -> String {
    let function = camel(failing.handler);
    let library: &[&str] = match failing.medium {
        Medium::Cache => &["TCPConnectWrap.afterConnect [as oncomplete] (node:net:1637:16)"],
        Medium::Sql => &["/app/node_modules/pg/lib/client.js:545:17"],
        Medium::Http | Medium::Grpc => &[
            "fetchFinale (node:internal/deps/undici/undici:11372:14)",
            "process.processTicksAndRejections (node:internal/process/task_queues:105:5)",
        ],
        Medium::Own => &["Array.map (<anonymous>)"],
    };
    let own = [
        format!("{function} (/app/dist/handlers/{}.js:{}:19)", failing.handler, line(&function, 20)),
        format!("/app/dist/routes/{}.js:{}:26", failing.handler, line(failing.handler, 10)),
        "Layer.handleRequest (/app/node_modules/router/lib/layer.js:152:17)".to_owned(),
        "next (/app/node_modules/router/lib/route.js:157:13)".to_owned(),
        "Route.dispatch (/app/node_modules/router/lib/route.js:117:3)".to_owned(),
    ];
    let lines = library.iter().map(|frame| (*frame).to_owned()).chain(own);
    join(format!("{kind}: {message}"), lines.map(|frame| format!("    at {frame}")))
}

fn go(failing: &Failing<'_>) -> String {
    let library: &[Frame] = match failing.medium {
        Medium::Sql => &[
            (
                "github.com/jackc/pgx/v5.(*Conn).Query(...)",
                "/go/pkg/mod/github.com/jackc/pgx/v5@v5.7.6/conn.go",
                727,
            ),
            (
                "github.com/jackc/pgx/v5/pgxpool.(*Pool).Query(...)",
                "/go/pkg/mod/github.com/jackc/pgx/v5@v5.7.6/pgxpool/pool.go",
                611,
            ),
        ],
        Medium::Cache => &[(
            "github.com/redis/go-redis/v9.(*baseClient).process(...)",
            "/go/pkg/mod/github.com/redis/go-redis/v9@v9.14.0/redis.go",
            514,
        )],
        Medium::Grpc => &[(
            "google.golang.org/grpc.(*ClientConn).Invoke(...)",
            "/go/pkg/mod/google.golang.org/grpc@v1.75.1/call.go",
            35,
        )],
        Medium::Http => &[("net/http.(*Client).Do(...)", "/usr/local/go/src/net/http/client.go", 591)],
        Medium::Own => &[("panic({0x9c1f20?, 0xc0004a2018?})", "/usr/local/go/src/runtime/panic.go", 783)],
    };
    let name = failing.service.name;
    let function = pascal(failing.handler);
    let own = [
        (
            format!("shop.example/{name}/internal/server.(*Server).{function}(0xc000412000, ...)"),
            "server/server.go",
        ),
        (format!("shop.example/{name}/internal/server._{function}_Handler(...)"), "server/routes.go"),
    ];
    let mut lines = Vec::new();
    for (function, file, number) in library {
        lines.push((*function).to_owned());
        lines.push(format!("\t{file}:{number} +0x1d4"));
    }
    for (function, file) in &own {
        lines.push(function.clone());
        lines.push(format!("\t/src/{name}/internal/{file}:{} +0x2f8", line(function, 40)));
    }
    lines.push("net/http.HandlerFunc.ServeHTTP(...)".to_owned());
    lines.push("\t/usr/local/go/src/net/http/server.go:2322 +0x29".to_owned());
    join(format!("goroutine {} [running]:", 1_000 + hash_text(failing.handler) % 9_000), lines)
}

fn rust(failing: &Failing<'_>) -> String {
    let krate = format!("shop_{}", failing.service.name.replace('-', "_"));
    let library: &[Frame] = match failing.medium {
        Medium::Own => &[
            ("rust_begin_unwind", "/rustc/library/std/src/panicking.rs", 697),
            ("core::panicking::panic_fmt", "/rustc/library/core/src/panicking.rs", 75),
            ("core::option::unwrap_failed", "/rustc/library/core/src/option.rs", 2_072),
        ],
        Medium::Sql => &[(
            "sqlx_postgres::connection::executor::<impl PgConnection>::run::{{closure}}",
            "/usr/local/cargo/registry/src/sqlx-postgres/src/connection/executor.rs",
            412,
        )],
        Medium::Cache => &[(
            "redis::aio::multiplexed_connection::MultiplexedConnection::send_packed_command::{{closure}}",
            "/usr/local/cargo/registry/src/redis/src/aio/multiplexed_connection.rs",
            531,
        )],
        Medium::Http | Medium::Grpc => &[(
            "tonic::client::grpc::Grpc<T>::unary::{{closure}}",
            "/usr/local/cargo/registry/src/tonic/src/client/grpc.rs",
            257,
        )],
    };
    let own = [
        (
            format!("{krate}::handlers::{}::{{{{closure}}}}", failing.handler),
            format!("./src/handlers.rs:{}", line(failing.handler, 30)),
        ),
        (format!("{krate}::serve::{{{{closure}}}}"), format!("./src/lib.rs:{}", line(&krate, 20))),
        (
            "tokio::runtime::task::raw::poll".to_owned(),
            "/usr/local/cargo/registry/src/tokio/src/runtime/task/raw.rs:325".to_owned(),
        ),
    ];
    let frames =
        library.iter().map(|(function, file, line)| ((*function).to_owned(), format!("{file}:{line}")));
    let lines = frames
        .chain(own)
        .enumerate()
        .map(|(number, (function, place))| format!("{number:4}: {function}\n             at {place}"));
    join(String::new(), lines)
}

/// `fraud-check` and `place_order` become `FraudCheck` and `PlaceOrder`.
fn pascal(name: &str) -> String {
    name.split(['-', '_']).map(capitalized).collect()
}

/// `place_order` becomes `placeOrder`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    first + &words.map(capitalized).collect::<String>()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
