//! Who asks in one trace, so that its services agree about the order, the product and the person.

use rand::RngExt;

use super::model::DemoRng;

const SEARCH_TERMS: [&str; 12] = [
    "running shoes",
    "espresso machine",
    "usb-c hub",
    "rain jacket kids",
    "desk lamp",
    "mechanical keyboard",
    "yoga mat",
    "noise cancelling headphones",
    "camping stove",
    "fahrradhelm größe m",
    "board games 2 players",
    "stainless bottle 1l",
];
const FIRST_NAMES: [&str; 12] =
    ["mia", "noah", "emma", "liam", "lina", "jonas", "sofia", "elias", "amara", "kenji", "lucia", "tomasz"];
const LAST_NAMES: [&str; 10] =
    ["keller", "novak", "rossi", "nguyen", "okafor", "larsen", "garcia", "tanaka", "dubois", "schmidt"];
const USER_AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "ShopApp/8.4.1 (Android 16; Pixel 9)",
    "ShopApp/8.4.0 (iOS 18.6; iPhone16,2)",
];

/// The person and what they want.
#[derive(Debug, Clone)]
pub struct Customer {
    pub user_id: String,
    pub email: String,
    pub product_id: String,
    pub order_id: String,
    pub search_term: &'static str,
    pub user_agent: &'static str,
    pub address: String,
    pub cart_items: i64,
    /// In euros.
    pub cart_total: f64,
    pub card_last_digits: u16,
    pub is_new_layout: bool,
    /// From 0 (harmless) to 1.
    pub fraud_score: f64,
}

impl Customer {
    /// Somebody at random; a few products are much more popular than the rest.
    pub fn draw(rng: &mut DemoRng) -> Self {
        let user = rng.random_range(10_000..60_000_u32);
        let first = FIRST_NAMES[rng.random_range(0..FIRST_NAMES.len())];
        let last = LAST_NAMES[rng.random_range(0..LAST_NAMES.len())];
        let popularity: f64 = rng.random();
        let cart_items = rng.random_range(1..9_i64);
        let cents = rng.random_range(499..12_999_i64) * cart_items;
        Self {
            user_id: format!("u-{user}"),
            email: format!("{first}.{last}{}@example.com", user % 100),
            product_id: format!("p-{}", 1_000 + (popularity.powi(3) * 4_000.0) as u32),
            order_id: format!("ord_{:010x}", rng.random::<u64>() & 0xff_ffff_ffff),
            search_term: SEARCH_TERMS[rng.random_range(0..SEARCH_TERMS.len())],
            user_agent: USER_AGENTS[rng.random_range(0..USER_AGENTS.len())],
            // The range reserved for documentation.
            address: format!("203.0.113.{}", rng.random_range(1..255)),
            cart_items,
            cart_total: cents as f64 / 100.0,
            card_last_digits: rng.random_range(1_000..10_000),
            is_new_layout: rng.random_bool(0.3),
            fraud_score: rng.random::<f64>().powi(4),
        }
    }

    /// Fills `{productId}`, `{orderId}` and `{userId}` in.
    pub fn fill(&self, template: &str) -> String {
        if !template.contains('{') {
            return template.to_owned();
        }
        template
            .replace("{productId}", &self.product_id)
            .replace("{orderId}", &self.order_id)
            .replace("{userId}", &self.user_id)
    }
}
