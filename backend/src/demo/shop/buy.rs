//! Buying: cart, checkout, payment, and who the customer is.

use super::super::model::Detail::{CardMasked, Cart, Email, FraudScore, Order, Product, User};
use super::super::model::{Entry, Fault, Operation, Step, call, ms, us};
use super::browse::{PRICING_BULK, PRICING_QUOTE};
use super::data;
use super::later::{ON_ORDER, ON_PAYMENT, UPDATE_FEATURES};
use super::services::{
    CART as CART_SERVICE, CHECKOUT, FRAUD_CHECK, INVENTORY, PAYMENT, SHIPPING, USER_PROFILE,
};

pub static VALIDATE_SESSION: Operation = Operation {
    service: &USER_PROFILE,
    entry: Entry::Grpc { service: "shop.user.v1.SessionService", method: "Validate" },
    handler: "validate_session",
    details: &[User],
    faults: &[(0.003, Fault::Unauthorized)],
    steps: &[
        Step::CacheAside {
            get: &data::GET_SESSION,
            hit: 0.95,
            otherwise: &[Step::Sql(&data::SESSION), Step::Tolerate(&[Step::Cache(&data::SET_SESSION)])],
        },
        Step::Work(us(200, 0.5)),
    ],
};

pub static USER_LOGIN: Operation = Operation {
    service: &USER_PROFILE,
    entry: Entry::Http { method: "POST", route: "/internal/login" },
    handler: "login",
    details: &[Email, User],
    faults: &[(0.07, Fault::Unauthorized)],
    steps: &[
        Step::Sql(&data::USER_BY_EMAIL),
        Step::Internal { name: "verify password", steps: &[Step::Work(ms(58, 0.15))] },
        Step::Sql(&data::SESSION_INSERT),
        Step::Tolerate(&[Step::Cache(&data::SET_SESSION)]),
    ],
};

static USER_ADDRESS: Operation = Operation {
    service: &USER_PROFILE,
    entry: Entry::Grpc { service: "shop.user.v1.ProfileService", method: "GetAddress" },
    handler: "get_address",
    details: &[User],
    faults: &[],
    steps: &[Step::Work(us(200, 0.5)), Step::Sql(&data::ADDRESS)],
};

pub static CART_GET: Operation = Operation {
    service: &CART_SERVICE,
    entry: Entry::Grpc { service: "shop.cart.v1.CartService", method: "GetCart" },
    handler: "get_cart",
    details: &[User, Cart],
    faults: &[(0.000_4, Fault::Bug)],
    steps: &[Step::Work(us(120, 0.5)), Step::Cache(&data::GET_CART), Step::Work(us(150, 0.5))],
};

pub static CART_ADD: Operation = Operation {
    service: &CART_SERVICE,
    entry: Entry::Grpc { service: "shop.cart.v1.CartService", method: "AddItem" },
    handler: "add_item",
    details: &[User, Product],
    faults: &[(0.002, Fault::OutOfStock)],
    steps: &[
        Step::Cache(&data::GET_CART),
        call(&PRICING_QUOTE),
        Step::Work(us(200, 0.5)),
        Step::Cache(&data::SET_CART),
    ],
};

static CART_CLEAR: Operation = Operation {
    service: &CART_SERVICE,
    entry: Entry::Grpc { service: "shop.cart.v1.CartService", method: "ClearCart" },
    handler: "clear_cart",
    details: &[User],
    faults: &[],
    steps: &[Step::Cache(&data::DEL_CART)],
};

static INVENTORY_RESERVE: Operation = Operation {
    service: &INVENTORY,
    entry: Entry::Grpc { service: "shop.inventory.v1.InventoryService", method: "Reserve" },
    handler: "reserve",
    details: &[Order],
    faults: &[(0.008, Fault::OutOfStock), (0.002, Fault::Deadlock)],
    steps: &[
        Step::Work(us(150, 0.5)),
        Step::Internal {
            name: "reservation transaction",
            steps: &[
                Step::Sql(&data::STOCK_LOCK),
                Step::Repeat { from: 1, to: 4, steps: &[Step::Sql(&data::STOCK_RESERVE)] },
            ],
        },
    ],
};

static SHIPPING_QUOTE: Operation = Operation {
    service: &SHIPPING,
    entry: Entry::Http { method: "POST", route: "/v1/quotes" },
    handler: "quote_shipping",
    details: &[Order],
    faults: &[(0.001, Fault::Bug)],
    steps: &[
        Step::Work(us(900, 0.5)),
        Step::Sql(&data::CARRIER_RATES),
        Step::Tolerate(&[Step::External(&data::SHIPPING_RATES)]),
        Step::Work(us(500, 0.5)),
    ],
};

static FRAUD_SCORE: Operation = Operation {
    service: &FRAUD_CHECK,
    entry: Entry::Http { method: "POST", route: "/v2/score" },
    handler: "score",
    details: &[User, Order, FraudScore],
    faults: &[(0.001, Fault::Bug)],
    steps: &[
        Step::Work(ms(1, 0.5)),
        Step::Parallel(&[
            Step::Sql(&data::PAST_CHARGES),
            Step::Tolerate(&[Step::Cache(&data::GET_VELOCITY)]),
        ]),
        Step::Internal { name: "model.predict", steps: &[Step::Work(ms(17, 0.4))] },
    ],
};

static CHARGE: Operation = Operation {
    service: &PAYMENT,
    entry: Entry::Http { method: "POST", route: "/v1/charges" },
    handler: "charge",
    details: &[Order, CardMasked],
    faults: &[(0.000_5, Fault::Bug)],
    steps: &[
        Step::Work(us(600, 0.5)),
        call(&FRAUD_SCORE),
        Step::Sql(&data::PAYMENT_INSERT),
        Step::External(&data::CHARGE_CARD),
        Step::Sql(&data::PAYMENT_SETTLE),
    ],
};

pub static PAYMENT_WEBHOOK: Operation = Operation {
    service: &PAYMENT,
    entry: Entry::Http { method: "POST", route: "/webhooks/payments" },
    handler: "on_webhook",
    details: &[Order],
    faults: &[(0.004, Fault::Invalid)],
    steps: &[
        Step::Internal { name: "verify signature", steps: &[Step::Work(us(300, 0.4))] },
        Step::Sql(&data::PAYMENT_SETTLE),
        Step::Publish { queue: &data::PAYMENT_EVENTS, to: &[&ON_PAYMENT] },
    ],
};

pub static PLACE_ORDER: Operation = Operation {
    service: &CHECKOUT,
    entry: Entry::Http { method: "POST", route: "/v1/orders" },
    handler: "place_order",
    details: &[User, Order, Cart],
    faults: &[(0.002, Fault::Invalid), (0.001, Fault::Bug)],
    steps: &[
        Step::Internal { name: "validate order", steps: &[Step::Work(us(900, 0.5))] },
        call(&CART_GET),
        Step::Parallel(&[
            call(&PRICING_BULK),
            Step::Call { to: &INVENTORY_RESERVE, attempts: 2 },
            call(&SHIPPING_QUOTE),
            call(&USER_ADDRESS),
        ]),
        // Retries here times the retries towards the provider make a retry storm.
        Step::Call { to: &CHARGE, attempts: 3 },
        Step::Internal {
            name: "order transaction",
            steps: &[Step::Sql(&data::ORDER_INSERT), Step::Sql(&data::ITEMS_INSERT)],
        },
        Step::Publish { queue: &data::ORDER_CREATED, to: &[&ON_ORDER, &UPDATE_FEATURES] },
        Step::Tolerate(&[call(&CART_CLEAR)]),
        Step::Work(us(500, 0.5)),
    ],
};

pub static ORDER_HISTORY: Operation = Operation {
    service: &CHECKOUT,
    entry: Entry::Http { method: "GET", route: "/v1/users/{userId}/orders" },
    handler: "order_history",
    details: &[User],
    faults: &[(0.000_5, Fault::Bug)],
    steps: &[
        Step::Work(us(400, 0.5)),
        Step::Sql(&data::ORDERS_OF_USER),
        // The N+1 query: a statement per order instead of one join.
        Step::Repeat {
            from: 6,
            to: 40,
            steps: &[Step::Sql(&data::ITEMS_OF_ORDER), Step::Work(us(120, 0.5))],
        },
        Step::Work(us(600, 0.5)),
    ],
};
