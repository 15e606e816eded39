//! Where data lies: databases, statements, cache commands, queues and foreign services.

use super::super::model::{
    Broker, Command, Database, External, Fault, Latency, Provider, Query, Queue, ms, us,
};

static CATALOG: Database = Database { host: "pg-catalog.db.internal", namespace: "catalog" };
static ORDERS: Database = Database { host: "pg-orders.db.internal", namespace: "orders" };
static ACCOUNTS: Database = Database { host: "pg-accounts.db.internal", namespace: "accounts" };

const fn query(
    database: &'static Database,
    (operation, table): (&'static str, &'static str),
    text: &'static str,
    latency: Latency,
    rows_max: u32,
) -> Query {
    Query { database, operation, table, text, latency, rows_max }
}

pub static PRODUCT: Query = query(
    &CATALOG,
    ("SELECT", "products"),
    "SELECT p.id, p.title, p.description, p.brand, p.images FROM products p WHERE p.id = $1",
    us(1_400, 0.5),
    1,
);
pub static PRODUCTS: Query = query(
    &CATALOG,
    ("SELECT", "products"),
    "SELECT id, title, brand, thumbnail FROM products WHERE id = ANY($1)",
    us(2_600, 0.5),
    24,
);
pub static FEATURED: Query = query(
    &CATALOG,
    ("SELECT", "featured_products"),
    "SELECT p.id, p.title, p.thumbnail FROM featured_products f JOIN products p ON p.id = f.product_id \
     WHERE f.valid_until > now() ORDER BY f.position LIMIT 24",
    ms(4, 0.5),
    24,
);
pub static FULL_TEXT: Query = query(
    &CATALOG,
    ("SELECT", "product_search"),
    "SELECT product_id, ts_rank_cd(document, query) AS rank FROM product_search, \
     websearch_to_tsquery('english', $1) query WHERE document @@ query ORDER BY rank DESC LIMIT 48",
    ms(11, 0.6),
    48,
);
pub static FACETS: Query = query(
    &CATALOG,
    ("SELECT", "product_facets"),
    "SELECT facet, value, count(*) FROM product_facets WHERE product_id = ANY($1) GROUP BY facet, value",
    ms(5, 0.5),
    60,
);
pub static PRICE: Query = query(
    &CATALOG,
    ("SELECT", "prices"),
    "SELECT product_id, amount, currency, valid_from FROM prices WHERE product_id = ANY($1) AND currency = $2",
    us(900, 0.4),
    24,
);
pub static STOCK: Query = query(
    &CATALOG,
    ("SELECT", "stock"),
    "SELECT warehouse_id, available, reserved FROM stock WHERE product_id = $1",
    us(800, 0.4),
    6,
);
pub static STOCK_LOCK: Query = query(
    &CATALOG,
    ("SELECT", "stock"),
    "SELECT warehouse_id, available FROM stock WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE",
    ms(2, 0.7),
    12,
);
pub static STOCK_RESERVE: Query = query(
    &CATALOG,
    ("UPDATE", "stock"),
    "UPDATE stock SET reserved = reserved + $2, available = available - $2 WHERE product_id = $1",
    us(1_700, 0.5),
    0,
);
pub static ORDER_INSERT: Query = query(
    &ORDERS,
    ("INSERT", "orders"),
    "INSERT INTO orders (id, user_id, total, currency, state) VALUES ($1, $2, $3, $4, 'placed')",
    us(2_400, 0.5),
    0,
);
pub static ITEMS_INSERT: Query = query(
    &ORDERS,
    ("INSERT", "order_items"),
    "INSERT INTO order_items (order_id, product_id, quantity, unit_price) SELECT $1, * FROM unnest($2, $3, $4)",
    us(2_100, 0.5),
    0,
);
pub static ORDERS_OF_USER: Query = query(
    &ORDERS,
    ("SELECT", "orders"),
    "SELECT id, placed_at, total, state FROM orders WHERE user_id = $1 ORDER BY placed_at DESC LIMIT 40",
    us(2_900, 0.5),
    40,
);
pub static ITEMS_OF_ORDER: Query = query(
    &ORDERS,
    ("SELECT", "order_items"),
    "SELECT product_id, quantity, unit_price FROM order_items WHERE order_id = $1",
    us(1_100, 0.4),
    8,
);
pub static ORDER_ADVANCE: Query = query(
    &ORDERS,
    ("UPDATE", "orders"),
    "UPDATE orders SET state = $2, updated_at = now() WHERE id = $1",
    us(1_900, 0.5),
    0,
);
pub static PAYMENT_INSERT: Query = query(
    &ORDERS,
    ("INSERT", "payments"),
    "INSERT INTO payments (id, order_id, amount, currency, state) VALUES ($1, $2, $3, $4, 'pending')",
    us(2_000, 0.5),
    0,
);
pub static PAYMENT_SETTLE: Query = query(
    &ORDERS,
    ("UPDATE", "payments"),
    "UPDATE payments SET state = $2, provider_ref = $3 WHERE id = $1",
    us(1_600, 0.5),
    0,
);
pub static PAYMENTS_OPEN: Query = query(
    &ORDERS,
    ("SELECT", "payments"),
    "SELECT id, provider_ref FROM payments WHERE state = 'pending' AND created_at < now() - interval '5 minutes'",
    ms(14, 0.5),
    12,
);
pub static USER_BY_EMAIL: Query = query(
    &ACCOUNTS,
    ("SELECT", "users"),
    "SELECT id, password_hash, locked_until FROM users WHERE email = $1",
    us(1_200, 0.4),
    1,
);
pub static SESSION: Query = query(
    &ACCOUNTS,
    ("SELECT", "sessions"),
    "SELECT user_id, expires_at FROM sessions WHERE token_hash = $1",
    us(1_000, 0.4),
    1,
);
pub static SESSION_INSERT: Query = query(
    &ACCOUNTS,
    ("INSERT", "sessions"),
    "INSERT INTO sessions (token_hash, user_id, expires_at) VALUES ($1, $2, $3)",
    us(1_500, 0.4),
    0,
);
pub static ADDRESS: Query = query(
    &ACCOUNTS,
    ("SELECT", "addresses"),
    "SELECT street, postal_code, city, country FROM addresses WHERE user_id = $1 AND is_default",
    us(1_100, 0.4),
    1,
);
pub static PAST_CHARGES: Query = query(
    &ORDERS,
    ("SELECT", "payments"),
    "SELECT count(*), sum(amount) FROM payments WHERE user_id = $1 AND created_at > now() - interval '24 hours'",
    us(2_300, 0.5),
    1,
);
pub static CARRIER_RATES: Query = query(
    &ORDERS,
    ("SELECT", "carrier_rates"),
    "SELECT carrier, service, price FROM carrier_rates WHERE country = $1 AND max_weight >= $2",
    us(1_300, 0.4),
    9,
);

const fn command(operation: &'static str, key: &'static str) -> Command {
    Command { operation, key }
}

pub static GET_PRODUCT: Command = command("GET", "product:{productId}");
pub static SET_PRODUCT: Command = command("SET", "product:{productId}");
pub static GET_FEATURED: Command = command("GET", "featured:v2");
pub static SET_FEATURED: Command = command("SET", "featured:v2");
pub static GET_PRICE: Command = command("GET", "price:{productId}:EUR");
pub static SET_PRICE: Command = command("SET", "price:{productId}:EUR");
pub static GET_SESSION: Command = command("GET", "session:{userId}");
pub static SET_SESSION: Command = command("SETEX", "session:{userId}");
pub static GET_CART: Command = command("HGETALL", "cart:{userId}");
pub static SET_CART: Command = command("HSET", "cart:{userId}");
pub static DEL_CART: Command = command("DEL", "cart:{userId}");
pub static GET_FEATURES: Command = command("MGET", "features:{userId}");
pub static GET_VELOCITY: Command = command("INCR", "velocity:{userId}");

pub static ORDER_CREATED: Queue = Queue {
    broker: Broker::Kafka,
    host: "kafka-0.kafka.internal",
    name: "orders.created",
    delay: ms(9, 0.8),
    own_trace: false,
};
pub static EMAIL_JOBS: Queue = Queue {
    broker: Broker::RabbitMq,
    host: "rabbitmq.internal",
    name: "email.jobs",
    delay: ms(35, 0.9),
    own_trace: true,
};
pub static PAYMENT_EVENTS: Queue = Queue {
    broker: Broker::Kafka,
    host: "kafka-1.kafka.internal",
    name: "payments.settled",
    delay: ms(12, 0.8),
    own_trace: false,
};

pub static CHARGE_CARD: External = External {
    provider: Provider::Payment,
    method: "POST",
    path: "/v1/payment_intents",
    latency: ms(210, 0.4),
    timeout_ms: 3_000,
    attempts: 3,
    faults: &[(0.02, Fault::Declined), (0.002, Fault::UpstreamFailed)],
};
pub static LOOK_UP_CHARGE: External = External {
    provider: Provider::Payment,
    method: "GET",
    path: "/v1/payment_intents/pi_{orderId}",
    latency: ms(90, 0.4),
    timeout_ms: 3_000,
    attempts: 1,
    faults: &[],
};
pub static SEND_MAIL: External = External {
    provider: Provider::Mail,
    method: "POST",
    path: "/v3/messages",
    latency: ms(130, 0.5),
    timeout_ms: 5_000,
    attempts: 3,
    faults: &[(0.03, Fault::Throttled)],
};
pub static SHIPPING_RATES: External = External {
    provider: Provider::Carrier,
    method: "GET",
    path: "/2024/rates?country=DE&weight=1200",
    latency: ms(75, 0.6),
    timeout_ms: 800,
    attempts: 1,
    faults: &[(0.01, Fault::UpstreamFailed)],
};
pub static SHIPPING_LABEL: External = External {
    provider: Provider::Carrier,
    method: "POST",
    path: "/2024/labels",
    latency: ms(160, 0.5),
    timeout_ms: 2_000,
    attempts: 2,
    faults: &[(0.01, Fault::UpstreamFailed)],
};
