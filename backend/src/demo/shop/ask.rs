//! What people ask for: pages of the web front end, and the gateway behind it.

use super::super::model::Detail::{Cart, Email, Experiment, Order, Product, SearchTerm, User};
use super::super::model::{Detail, Entry, Fault, Operation, Step, call, ms, us};
use super::browse::{
    CATALOG_FEATURED, CATALOG_GET, INVENTORY_GET, PRICING_QUOTE, RECOMMEND, RECOMMEND_SIMILAR, SEARCH_QUERY,
};
use super::buy::{
    CART_ADD as CART_ADD_ITEM, CART_GET, ORDER_HISTORY, PLACE_ORDER, USER_LOGIN, VALIDATE_SESSION,
};
use super::services::{API_GATEWAY, WEB_FRONTEND};

const fn page(
    method: &'static str,
    route: &'static str,
    handler: &'static str,
    details: &'static [Detail],
    steps: &'static [Step],
) -> Operation {
    let faults = &[(0.000_5, Fault::Bug)];
    Operation {
        service: &WEB_FRONTEND,
        entry: Entry::Http { method, route },
        handler,
        details,
        faults,
        steps,
    }
}

const fn gateway(
    method: &'static str,
    route: &'static str,
    handler: &'static str,
    details: &'static [Detail],
    steps: &'static [Step],
) -> Operation {
    let faults = &[(0.000_5, Fault::Invalid)];
    Operation {
        service: &API_GATEWAY,
        entry: Entry::Http { method, route },
        handler,
        details,
        faults,
        steps,
    }
}

const AUTHENTICATE: Step =
    Step::Internal { name: "authenticate", steps: &[Step::Work(us(120, 0.4)), call(&VALIDATE_SESSION)] };

const fn render(name: &'static str, steps: &'static [Step]) -> Step {
    Step::Internal { name, steps }
}

pub static HOME: Operation = page(
    "GET",
    "/",
    "home_page",
    &[User, Experiment],
    &[Step::Work(us(900, 0.4)), call(&GW_HOME), render("render HomePage", &[Step::Work(ms(9, 0.4))])],
);
pub static PRODUCT: Operation = page(
    "GET",
    "/products/{productId}",
    "product_page",
    &[User, Product],
    &[Step::Work(us(800, 0.4)), call(&GW_PRODUCT), render("render ProductPage", &[Step::Work(ms(7, 0.4))])],
);
pub static SEARCH: Operation = page(
    "GET",
    "/search",
    "search_page",
    &[SearchTerm],
    &[Step::Work(us(800, 0.4)), call(&GW_SEARCH), render("render SearchPage", &[Step::Work(ms(6, 0.4))])],
);
pub static CART: Operation = page(
    "GET",
    "/cart",
    "cart_page",
    &[User],
    &[Step::Work(us(700, 0.4)), call(&GW_CART), render("render CartPage", &[Step::Work(ms(4, 0.4))])],
);
pub static CART_ADD: Operation = page(
    "POST",
    "/cart/items",
    "add_to_cart",
    &[User, Product],
    &[Step::Work(us(600, 0.4)), call(&GW_CART_ADD)],
);
pub static CHECKOUT: Operation = page(
    "POST",
    "/checkout",
    "submit_checkout",
    &[User, Order, Cart],
    &[Step::Work(ms(1, 0.4)), call(&GW_CHECKOUT), render("render ThankYouPage", &[Step::Work(ms(4, 0.4))])],
);
pub static ORDERS: Operation = page(
    "GET",
    "/account/orders",
    "orders_page",
    &[User],
    &[Step::Work(us(700, 0.4)), call(&GW_ORDERS), render("render OrdersPage", &[Step::Work(ms(8, 0.4))])],
);
pub static LOGIN: Operation =
    page("POST", "/login", "login", &[Email], &[Step::Work(us(700, 0.4)), call(&GW_LOGIN)]);
pub static HEALTH: Operation = gateway("GET", "/healthz", "healthz", &[], &[Step::Work(us(150, 0.5))]);

static GW_HOME: Operation = gateway(
    "GET",
    "/api/v1/home",
    "get_home",
    &[User],
    &[
        AUTHENTICATE,
        Step::Parallel(&[
            call(&CATALOG_FEATURED),
            Step::Tolerate(&[call(&RECOMMEND)]),
            Step::Tolerate(&[call(&CART_GET)]),
        ]),
        Step::Work(us(300, 0.4)),
    ],
);
/// The mobile app talks to the gateway without a front end between.
pub static FEED: Operation = gateway(
    "GET",
    "/api/v2/feed",
    "get_feed",
    &[User, Experiment],
    &[
        AUTHENTICATE,
        Step::Parallel(&[call(&RECOMMEND), call(&CATALOG_FEATURED)]),
        call(&PRICING_QUOTE),
        Step::Work(us(500, 0.4)),
    ],
);
static GW_PRODUCT: Operation = gateway(
    "GET",
    "/api/v1/products/{productId}",
    "get_product",
    &[Product],
    &[
        Step::Work(us(200, 0.4)),
        call(&CATALOG_GET),
        Step::Parallel(&[
            call(&PRICING_QUOTE),
            call(&INVENTORY_GET),
            Step::Tolerate(&[call(&RECOMMEND_SIMILAR)]),
        ]),
        Step::Work(us(250, 0.4)),
    ],
);
static GW_SEARCH: Operation = gateway(
    "GET",
    "/api/v1/search",
    "search",
    &[SearchTerm],
    &[Step::Work(us(200, 0.4)), Step::Call { to: &SEARCH_QUERY, attempts: 2 }, Step::Work(us(300, 0.4))],
);
static GW_CART: Operation = gateway(
    "GET",
    "/api/v1/cart",
    "get_cart",
    &[User],
    &[AUTHENTICATE, call(&CART_GET), call(&PRICING_QUOTE)],
);
static GW_CART_ADD: Operation = gateway(
    "POST",
    "/api/v1/cart/items",
    "add_cart_item",
    &[User, Product],
    &[AUTHENTICATE, call(&INVENTORY_GET), call(&CART_ADD_ITEM)],
);
static GW_CHECKOUT: Operation = gateway(
    "POST",
    "/api/v1/checkout",
    "checkout",
    &[User, Order],
    &[AUTHENTICATE, call(&PLACE_ORDER), Step::Work(us(300, 0.4))],
);
static GW_ORDERS: Operation = gateway(
    "GET",
    "/api/v1/users/{userId}/orders",
    "get_orders",
    &[User],
    &[AUTHENTICATE, call(&ORDER_HISTORY), Step::Work(us(400, 0.4))],
);
static GW_LOGIN: Operation = gateway(
    "POST",
    "/api/v1/sessions",
    "create_session",
    &[],
    &[Step::Work(us(200, 0.4)), call(&USER_LOGIN)],
);
