//! Messages of real libraries and what is left of them.

use spanloom_errors::normalize;

#[test]
fn real_messages() {
    let cases = [
        // Java and its libraries
        ("Index 5 out of bounds for length 3", "Index <num> out of bounds for length <num>"),
        (
            "Cannot invoke \"com.shop.Cart.items()\" because \"<local4>\" is null",
            "Cannot invoke <str> because <str> is null",
        ),
        (
            "class java.lang.Integer cannot be cast to class java.lang.String (java.lang.Integer and java.lang.String are in module java.base of loader 'bootstrap')",
            "class java.lang.Integer cannot be cast to class java.lang.String (java.lang.Integer and java.lang.String are in module java.base of loader <str>)",
        ),
        (
            "HikariPool-1 - Connection is not available, request timed out after 30001ms (total=10, active=10, idle=0, waiting=23)",
            "HikariPool-<num> - Connection is not available, request timed out after <duration> (total=<num>, active=<num>, idle=<num>, waiting=<num>)",
        ),
        (
            "Task java.util.concurrent.FutureTask@4f9a2c08 rejected",
            "Task java.util.concurrent.FutureTask@<hex> rejected",
        ),
        ("com.shop.Order@badcafe is detached", "com.shop.Order@<hex> is detached"),
        ("For input string: \"12a\"", "For input string: <str>"),
        (
            "ORA-00001: unique constraint (SHOP.PK_ORDERS) violated",
            "ORA-00001: unique constraint (SHOP.PK_ORDERS) violated",
        ),
        (
            "ERROR: duplicate key value violates unique constraint \"orders_pkey\"\n  Detail: Key (id)=(48213) already exists.",
            "ERROR: duplicate key value violates unique constraint <str> Detail: Key (id)=(<num>) already exists.",
        ),
        (
            "I/O error on GET request for \"http://inventory:8080/stock/991\": Connection refused",
            "I/O error on GET request for <str>: Connection refused",
        ),
        // Python
        ("'NoneType' object has no attribute 'price'", "<str> object has no attribute <str>"),
        ("<Cart object at 0x7f3c2a9d5e50> is not hashable", "<Cart object at <hex>> is not hashable"),
        (
            "invalid literal for int() with base 10: '12.5'",
            "invalid literal for int() with base <num>: <str>",
        ),
        (
            "HTTPSConnectionPool(host='api.bank.example', port=443): Read timed out. (read timeout=2.5)",
            "HTTPSConnectionPool(host=<str>, port=<num>): Read timed out. (read timeout=<num>)",
        ),
        ("list index out of range", "list index out of range"),
        (
            "unsupported operand type(s) for +: 'int' and 'str'",
            "unsupported operand type(s) for +: <str> and <str>",
        ),
        (
            "(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint \"users_email_key\"",
            "(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint <str>",
        ),
        (
            "Error 111 connecting to redis:6379. Connection refused.",
            "Error <num> connecting to redis:<num>. Connection refused.",
        ),
        // Node
        (
            "Cannot read properties of undefined (reading 'id')",
            "Cannot read properties of undefined (reading <str>)",
        ),
        ("connect ECONNREFUSED 127.0.0.1:5432", "connect ECONNREFUSED <ip>"),
        ("connect ECONNREFUSED ::1:5432", "connect ECONNREFUSED <ip>"),
        ("getaddrinfo ENOTFOUND payments.internal", "getaddrinfo ENOTFOUND payments.internal"),
        ("Unexpected token < in JSON at position 0", "Unexpected token < in JSON at position <num>"),
        ("timeout of 5000ms exceeded", "timeout of <duration> exceeded"),
        ("Request failed with status code 502", "Request failed with status code <num>"),
        (
            "E11000 duplicate key error collection: shop.users index: email_1 dup key: { email: \"a@b.example\" }",
            "E11000 duplicate key error collection: shop.users index: email_<num> dup key: { email: <str> }",
        ),
        (
            "Invalid `prisma.user.create()` invocation: Unique constraint failed (P2002)",
            "Invalid <str> invocation: Unique constraint failed (P2002)",
        ),
        // Go
        (
            "dial tcp 10.4.12.7:5432: connect: connection refused",
            "dial tcp <ip>: connect: connection refused",
        ),
        (
            "dial tcp: lookup db-7 on 10.96.0.10:53: no such host",
            "dial tcp: lookup db-<num> on <ip>: no such host",
        ),
        (
            "Get \"https://api.example.com/v1/users/42?token=x\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            "Get <str>: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        ),
        ("lease expired after 1m30.5s", "lease expired after <duration>"),
        (
            "slice bounds out of range [:8] with capacity 4",
            "slice bounds out of range [:<num>] with capacity <num>",
        ),
        (
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing\"",
            "rpc error: code = Unavailable desc = connection error: desc = <str>",
        ),
        (
            "read tcp [fd00:10:244::1a]:41326->[fd00::5]:6379: i/o timeout",
            "read tcp [<ip>]:<num>->[<ip>]:<num>: i/o timeout",
        ),
        // .NET
        (
            "Object reference not set to an instance of an object.",
            "Object reference not set to an instance of an object.",
        ),
        (
            "The given key '7f3a-44' was not present in the dictionary.",
            "The given key <str> was not present in the dictionary.",
        ),
        (
            "Timeout expired. The timeout period elapsed prior to completion (00:00:30.0104)",
            "Timeout expired. The timeout period elapsed prior to completion (<time>)",
        ),
        // Ruby, PHP, Rust
        ("undefined method `name' for nil:NilClass", "undefined method <str> for nil:NilClass"),
        ("Couldn't find User with 'id'=481", "Couldn't find User with <str>=<num>"),
        (
            "SQLSTATE[23000]: Integrity constraint violation: 1062 Duplicate entry '7' for key 'PRIMARY'",
            "SQLSTATE[23000]: Integrity constraint violation: <num> Duplicate entry <str> for key <str>",
        ),
        ("Undefined array key \"total\"", "Undefined array key <str>"),
        ("called `Option::unwrap()` on a `None` value", "called <str> on a <str> value"),
        (
            "index out of bounds: the len is 3 but the index is 5",
            "index out of bounds: the len is <num> but the index is <num>",
        ),
        // Ids, addresses, times, sizes
        ("order 3f2504e0-4f89-11d3-9a0c-0305e82c3301 not found", "order <uuid> not found"),
        ("No such customer: cus_NffrFeUfNV2Hib", "No such customer: cus_<id>"),
        ("pod checkout-7d9f8b6c5-x2x9z evicted", "pod checkout-<hex>-<id> evicted"),
        ("pod checkout-7d9f8b6c5-xkzwq evicted", "pod checkout-<hex>-<id> evicted"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736 is unknown", "trace <hex> is unknown"),
        ("commit 4bf92f3 is gone", "commit <hex> is gone"),
        ("key 01HZX3K9QW8E7RT6Y5U4I3O2P1 expired", "key <id> expired"),
        ("mail to jane.doe+shop@example.co.uk bounced", "mail to <email> bounced"),
        ("token expired at 2026-11-23T12:00:00.123+01:00", "token expired at <time>"),
        ("no rates for 2026-11-23", "no rates for <time>"),
        ("body of 12.4MiB exceeds 10MB", "body of <size> exceeds <size>"),
        ("balance is -12.50 after 1,024 bookings", "balance is <num> after <num> bookings"),
        ("ids [1, 22, 333] are unknown", "ids [<num>] are unknown"),
        ("ids [7] are unknown", "ids [<num>] are unknown"),
        (
            "GET https://api.example.com/v1/users/42/orders?page=7&q=x failed: 503",
            "GET https://api.example.com/v1/users/<num>/orders?<query> failed: <num>",
        ),
        ("cannot open /tmp/upload-48ab2f1c/part-3.bin", "cannot open /tmp/upload-<hex>/part-<num>.bin"),
        ("disk usage 97.3% on node3", "disk usage <num>% on node<num>"),
        ("at offset 1.5e-9", "at offset <num>"),
        // What must stay
        ("can't connect: host isn't reachable", "can't connect: host isn't reachable"),
        ("unsupported: utf8 over http2 with sha256", "unsupported: utf8 over http2 with sha256"),
        ("Http2Connection closed by OAuth2Client", "Http2Connection closed by OAuth2Client"),
        ("Ungültige Größe für »Menü«", "Ungültige Größe für »Menü«"),
        ("支払いに失敗しました", "支払いに失敗しました"),
        ("  many \t kinds\r\n of   space ", "many kinds of space"),
        ("an open ' mark and an \"open one", "an open ' mark and an \"open one"),
        ("", ""),
    ];
    let mut wrong = Vec::new();
    for (message, expected) in cases {
        let normal = normalize(message);
        if normal != expected {
            wrong.push(format!("{message}\n  is       {normal}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of the table:\n{}", wrong.len(), wrong.join("\n"));
}

/// Catches normal forms that depend on how often they were made.
#[test]
fn the_same_error_with_other_values_is_the_same() {
    let groups: [&[&str]; 4] = [
        &["user 1 not found", "user 99182 not found"],
        &["dial tcp 10.0.0.1:80: refused", "dial tcp 192.168.4.23:8080: refused"],
        &["retry in 5s", "retry in 250ms", "retry in 1m30s"],
        &["job a1b2c3d4e5f6 failed", "job 00ff00ff00aa failed"],
    ];
    for group in groups {
        let first = normalize(group[0]);
        for message in group {
            assert_eq!(normalize(message), first);
        }
    }
    let different = ["status code 500 from A", "user not found", "order not found", "E11000 x", "E11001 x"];
    for (at, a) in different.iter().enumerate() {
        for b in &different[at + 1..] {
            assert_ne!(normalize(a), normalize(b));
        }
    }
}
