//! Stack traces as SDKs send them: what is read, whose code it is, and which are the same.

use spanloom_errors::stack::{Frame, Language, parse};
use spanloom_errors::{Failure, group_id};

const JAVA: &str = "org.springframework.dao.DataAccessException: timeout for order 17\n\
\tat org.springframework.jdbc.core.JdbcTemplate.execute(JdbcTemplate.java:658)\n\
\tat com.shop.order.OrderStore$$SpringCGLIB$$0.find(<generated>)\n\
\tat com.shop.order.OrderService.lambda$load$3(OrderService.java:61)\n\
\tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)\n\
\tat app//com.shop.order.OrderController.get(OrderController.java:44)\n\
\tat java.base/java.lang.Thread.run(Unknown Source)\n\
Caused by: java.net.SocketTimeoutException: Read timed out\n\
\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)\n\
\t... 23 more";

const PYTHON: &str = r#"Traceback (most recent call last):
  File "/usr/lib/python3.13/site-packages/fastapi/routing.py", line 302, in app
    raw_response = await run_endpoint_function(
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/shop/api.py", line 41, in quote
    return service.quote(payload)
KeyError: 'EUR'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/shop/service.py", line 7, in quote
    raise QuoteError("no rate") from None
shop.QuoteError: no rate for order 12"#;

const NODE: &str = r"TypeError: Cannot read properties of undefined (reading 'id')
    at placeOrder (/app/dist/handlers/order-4f2a91bc.js:31:19)
    at async /app/dist/routes/order.js:12:26
    at new Cart (file:///app/dist/cart.mjs:3:9)
    at Object.total [as sum] (/app/dist/cart.mjs:9:2)
    at Layer.handle (/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)
    at Array.map (<anonymous>)";

const GO: &str = "goroutine 1842 [running]:\n\
runtime/debug.Stack()\n\
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x5e\n\
github.com/jackc/pgx/v5.(*Conn).Query(0xc0004a2018, {0x1, 0x2})\n\
\t/go/pkg/mod/github.com/jackc/pgx/v5@v5.7.6/conn.go:727 +0x1d4\n\
shop.example/cart/internal/server.(*Server).Add.func1.2(0xc000412000, ...)\n\
\t/src/cart/internal/server/server.go:52 +0x2f8\n\
created by main.main in goroutine 1\n\
\t/src/cart/main.go:30 +0x29";

const DOT_NET: &str = r"System.InvalidOperationException: Sequence contains no elements
 ---> System.TimeoutException: slow
   at Npgsql.NpgsqlConnector.ReadMessage(Boolean async)
   --- End of inner exception stack trace ---
   at System.Linq.ThrowHelper.ThrowNoElementsException()
   at Shop.Cart.<>c__DisplayClass5_0.<Total>b__0(Item item) in /src/Shop/Cart.cs:line 42
   at Shop.Api.CartController.Get(Guid id) in C:\src\Shop\Api.cs:line 17";

const RUBY: &str = "app/models/cart.rb:10:in 'Cart#total': undefined method 'price' for nil (NoMethodError)\n\
\tfrom app/controllers/carts_controller.rb:7:in 'block in CartsController#show'\n\
\tfrom /usr/local/bundle/gems/rack-3.1/lib/rack/builder.rb:89:in `call'";

const PHP: &str = "#0 /app/src/Cart.php(12): App\\Cart->total(Object(App\\Item))\n\
#1 [internal function]: App\\Cart->App\\{closure}(1)\n\
#2 /app/vendor/slim/slim/Slim/App.php(199): Slim\\App->handle()\n\
#3 {main}";

const RUST: &str = "   0: rust_begin_unwind\n             at /rustc/90b35a6/library/std/src/panicking.rs:697:5\n\
   1: core::option::unwrap_failed\n             at /rustc/90b35a6/library/core/src/option.rs:2072:5\n\
   2: shop_cart::handlers::add::{{closure}}::h0123456789abcdef\n             at ./src/handlers.rs:30:12\n\
   3: tokio::runtime::task::raw::poll\n             at /root/.cargo/registry/src/tokio/src/raw.rs:325";

const FIREFOX: &str = "total@https://shop.example/assets/main-4f3a2b1c.js:1:2041\n@https://shop.example/assets/main-4f3a2b1c.js:1:90";

/// Frames as `function file line`, those of libraries in brackets.
fn frames(text: &str) -> Vec<String> {
    let show = |frame: &Frame| {
        let text = format!("{} {} {}", frame.function, frame.file, frame.line);
        if frame.is_app { text } else { format!("[{text}]") }
    };
    parse(text).iter().flat_map(|section| &section.frames).map(show).collect()
}

#[test]
fn java() {
    assert_eq!(
        frames(JAVA),
        [
            "[org.springframework.jdbc.core.JdbcTemplate.execute JdbcTemplate.java 658]",
            "com.shop.order.OrderStore$$SpringCGLIB$$0.find <generated> 0",
            "com.shop.order.OrderService.lambda$load$3 OrderService.java 61",
            "[java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke DirectMethodHandleAccessor.java 103]",
            "app//com.shop.order.OrderController.get OrderController.java 44",
            "[java.base/java.lang.Thread.run  0]",
            "[java.base/sun.nio.ch.NioSocketImpl.timedRead NioSocketImpl.java 278]",
        ]
    );
    let sections = parse(JAVA);
    assert_eq!(sections.len(), 2);
    assert_eq!(sections[1].title, ["Caused by: java.net.SocketTimeoutException: Read timed out"]);
    assert_eq!(sections[1].omitted, 23);
}

#[test]
fn python() {
    assert_eq!(
        frames(PYTHON),
        [
            "[app /usr/lib/python3.13/site-packages/fastapi/routing.py 302]",
            "quote /app/shop/api.py 41",
            "quote /app/shop/service.py 7",
        ]
    );
    let sections = parse(PYTHON);
    let titles: Vec<String> = sections.iter().map(|section| section.title.join("|")).collect();
    assert_eq!(
        titles,
        [
            "Traceback (most recent call last):|KeyError: 'EUR'",
            "During handling of the above exception, another exception occurred:|Traceback (most recent call last):|shop.QuoteError: no rate for order 12",
        ]
    );
    assert_eq!(sections[0].frames[1].code, "return service.quote(payload)");
}

#[test]
fn node_and_firefox() {
    assert_eq!(
        frames(NODE),
        [
            "placeOrder /app/dist/handlers/order-4f2a91bc.js 31",
            " /app/dist/routes/order.js 12",
            "new Cart file:///app/dist/cart.mjs 3",
            "Object.total [as sum] /app/dist/cart.mjs 9",
            "[Layer.handle /app/node_modules/express/lib/router/layer.js 95]",
            "[process.processTicksAndRejections node:internal/process/task_queues 105]",
            "[Array.map <anonymous> 0]",
        ]
    );
    assert_eq!(
        frames(FIREFOX),
        [
            "total https://shop.example/assets/main-4f3a2b1c.js 1",
            " https://shop.example/assets/main-4f3a2b1c.js 1",
        ]
    );
    assert_eq!(parse(NODE)[0].frames[0].column, 19);
}

#[test]
fn go() {
    assert_eq!(
        frames(GO),
        [
            "[runtime/debug.Stack /usr/local/go/src/runtime/debug/stack.go 24]",
            "[github.com/jackc/pgx/v5.(*Conn).Query /go/pkg/mod/github.com/jackc/pgx/v5@v5.7.6/conn.go 727]",
            "shop.example/cart/internal/server.(*Server).Add.func1.2 /src/cart/internal/server/server.go 52",
            "main.main /src/cart/main.go 30",
        ]
    );
}

#[test]
fn dot_net() {
    assert_eq!(
        frames(DOT_NET),
        [
            "[Npgsql.NpgsqlConnector.ReadMessage(Boolean async)  0]",
            "[System.Linq.ThrowHelper.ThrowNoElementsException()  0]",
            "Shop.Cart.<>c__DisplayClass5_0.<Total>b__0(Item item) /src/Shop/Cart.cs 42",
            "Shop.Api.CartController.Get(Guid id) C:\\src\\Shop\\Api.cs 17",
        ]
    );
}

#[test]
fn ruby_php_and_rust() {
    assert_eq!(
        frames(RUBY),
        [
            "Cart#total app/models/cart.rb 10",
            "block in CartsController#show app/controllers/carts_controller.rb 7",
            "[call /usr/local/bundle/gems/rack-3.1/lib/rack/builder.rb 89]",
        ]
    );
    assert_eq!(
        frames(PHP),
        [
            "App\\Cart->total /app/src/Cart.php 12",
            "[App\\Cart->App\\{closure} [internal function] 0]",
            "[Slim\\App->handle /app/vendor/slim/slim/Slim/App.php 199]",
            "[{main}  0]",
        ]
    );
    assert_eq!(
        frames(RUST),
        [
            "[rust_begin_unwind /rustc/90b35a6/library/std/src/panicking.rs 697]",
            "[core::option::unwrap_failed /rustc/90b35a6/library/core/src/option.rs 2072]",
            "shop_cart::handlers::add::{{closure}}::h0123456789abcdef ./src/handlers.rs 30",
            "[tokio::runtime::task::raw::poll /root/.cargo/registry/src/tokio/src/raw.rs 325]",
        ]
    );
}

fn id(kind: &str, message: &str, stacktrace: &str) -> uuid::Uuid {
    group_id("shop", &Failure { kind, message, stacktrace })
}

/// Catches groups that fall apart with each build, host, process or message.
#[test]
fn what_varies_makes_no_other_group() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            JAVA,
            &[
                ("order 17", "order 18"),
                ("OrderService.java:61", "OrderService.java:77"),
                ("lambda$load$3", "lambda$load$12"),
                ("$$SpringCGLIB$$0", "$$SpringCGLIB$$1"),
                ("app//", ""),
                ("JdbcTemplate.execute(", "JdbcTemplate.query("),
                ("... 23 more", "... 9 more"),
            ],
        ),
        (
            PYTHON,
            &[("/app/shop", "/srv/releases/20261123/shop"), ("line 41", "line 43"), ("'EUR'", "'CHF'")],
        ),
        (
            NODE,
            &[
                ("order-4f2a91bc.js", "order-99aa01ff.js"),
                ("/app/dist", "/home/x/dist"),
                (":31:19", ":3:1"),
            ],
        ),
        (
            GO,
            &[
                ("goroutine 1842", "goroutine 7"),
                ("0xc000412000", "0xc00099"),
                ("func1.2", "func2.1"),
                (":52", ":55"),
            ],
        ),
        (
            DOT_NET,
            &[
                ("DisplayClass5_0", "DisplayClass7_1"),
                ("/src/Shop/", "/build/Shop/"),
                ("line 42", "line 45"),
            ],
        ),
        (RUBY, &[("cart.rb:10", "cart.rb:11"), ("app/models", "/srv/app/models")]),
        (PHP, &[("/app/src", "/var/www/src"), ("(12)", "(13)"), ("Object(App\\Item)", "NULL")]),
        (RUST, &[("h0123456789abcdef", "hfedcba9876543210"), ("./src", "/build/src"), (":30:12", ":31:9")]),
    ];
    for (trace, changes) in cases {
        let first = id("Failure", "a", trace);
        for (from, to) in *changes {
            let changed = trace.replace(from, to);
            assert_ne!(&changed, trace, "{from}");
            assert_eq!(id("Failure", "b", &changed), first, "{from} -> {to}");
        }
    }
}

/// Catches errors that are thrown together although they are different ones.
#[test]
fn what_matters_makes_another_group() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (JAVA, &[("OrderService.lambda$load", "OrderService.lambda$save"), ("SocketTimeout", "Connect")]),
        (PYTHON, &[("in quote\n    return", "in price\n    return"), ("service.py", "other.py")]),
        (NODE, &[("placeOrder", "cancelOrder"), ("routes/order.js", "routes/user.js")]),
        (GO, &[("Add.func", "Remove.func")]),
        (DOT_NET, &[("<Total>", "<Count>")]),
        (RUBY, &[("Cart#total", "Cart#count")]),
        (PHP, &[("Cart->total", "Cart->count")]),
        (RUST, &[("handlers::add", "handlers::remove")]),
    ];
    for (trace, changes) in cases {
        let first = id("Failure", "a", trace);
        assert_ne!(id("Other", "a", trace), first);
        assert_ne!(group_id("cart", &Failure { kind: "Failure", message: "a", stacktrace: trace }), first);
        for (from, to) in *changes {
            assert_ne!(id("Failure", "a", &trace.replace(from, to)), first, "{from} -> {to}");
        }
    }
}

/// Catches errors without frames that are told apart by their values, or not by their text.
#[test]
fn without_frames_the_message_decides() {
    assert_eq!(id("E", "user 1 is gone", ""), id("E", "user 2 is gone", ""));
    assert_eq!(id("E", "user 1 is gone", "E: user 1 is gone"), id("E", "user 2 is gone", ""));
    assert_ne!(id("E", "user 1 is gone", ""), id("E", "order 1 is gone", ""));
    assert_eq!(id("com.sun.proxy.$Proxy12", "", ""), id("com.sun.proxy.$Proxy7", "", ""));
}

/// Catches a change of the rules without a change of the version: stored groups would not be found again.
#[test]
fn the_fingerprint_of_this_version_stays() {
    assert_eq!(spanloom_errors::VERSION, 1);
    let ids =
        [JAVA, PYTHON, NODE, GO, DOT_NET, RUBY, PHP, RUST].map(|trace| id("E", "", trace).to_string());
    let message = id("E", "user 1 is gone", "").to_string();
    assert_eq!((ids.join(" "), message.as_str()), (EXPECTED.join(" "), EXPECTED_MESSAGE));
}

const EXPECTED: [&str; 8] = [
    "52fbf86a-ffbb-88c2-b4eb-a7e214012164",
    "e938568a-3500-8a3a-99ef-c5d6a5969ed3",
    "47a4ad7f-4c18-89e5-849a-ba61633049ca",
    "59e6a7b6-b37a-8349-9fd6-3007161b2702",
    "2f10c92e-0938-8329-93eb-aaad59ebf90c",
    "88223c5c-90f9-80d9-a3d3-a57be399c28a",
    "cfa4a22e-0e60-880c-b553-0106da9de72b",
    "227ee1ef-1439-88f3-a83e-7165f0362880",
];
const EXPECTED_MESSAGE: &str = "6e0588e3-2dc8-85b1-a148-126d4b144493";

#[test]
fn the_language_of_a_frame() {
    let languages: Vec<Language> = [JAVA, PYTHON, NODE, GO, DOT_NET, RUBY, PHP, RUST]
        .iter()
        .map(|trace| parse(trace).iter().find_map(|section| section.frames.first()).unwrap().language)
        .collect();
    assert_eq!(
        languages,
        [
            Language::Java,
            Language::Python,
            Language::JavaScript,
            Language::Go,
            Language::DotNet,
            Language::Ruby,
            Language::Php,
            Language::Rust,
        ]
    );
}
