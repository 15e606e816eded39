//! Who runs.

use super::super::model::{Language, Service};

const fn service(name: &'static str, language: Language, instances: u8, release: (u16, u16)) -> Service {
    Service { name, language, instances, release }
}

pub static WEB_FRONTEND: Service = service("web-frontend", Language::Node, 3, (5, 12));
pub static API_GATEWAY: Service = service("api-gateway", Language::Go, 3, (3, 4));
pub static CHECKOUT: Service = service("checkout", Language::Java, 3, (2, 31));
pub static CART: Service = service("cart", Language::Go, 2, (1, 18));
pub static CATALOG: Service = service("catalog", Language::Java, 3, (4, 7));
pub static SEARCH: Service = service("search", Language::Rust, 2, (0, 23));
pub static INVENTORY: Service = service("inventory", Language::Go, 2, (2, 9));
pub static PRICING: Service = service("pricing", Language::Rust, 2, (1, 14));
pub static PAYMENT: Service = service("payment", Language::Java, 3, (6, 2));
pub static FRAUD_CHECK: Service = service("fraud-check", Language::Python, 2, (0, 11));
pub static SHIPPING: Service = service("shipping", Language::Python, 2, (1, 6));
pub static NOTIFICATION: Service = service("notification", Language::Node, 2, (2, 3));
pub static RECOMMENDATION: Service = service("recommendation", Language::Python, 4, (3, 1));
pub static USER_PROFILE: Service = service("user-profile", Language::Java, 2, (2, 20));
pub static ORDER_WORKER: Service = service("order-worker", Language::Go, 2, (1, 9));

/// All services.
pub static SERVICES: [&Service; 15] = [
    &WEB_FRONTEND,
    &API_GATEWAY,
    &CHECKOUT,
    &CART,
    &CATALOG,
    &SEARCH,
    &INVENTORY,
    &PRICING,
    &PAYMENT,
    &FRAUD_CHECK,
    &SHIPPING,
    &NOTIFICATION,
    &RECOMMENDATION,
    &USER_PROFILE,
    &ORDER_WORKER,
];

/// Those whose next release is a bad one.
pub static DEPLOYED_BADLY: [&Service; 4] = [&PRICING, &RECOMMENDATION, &INVENTORY, &SEARCH];
