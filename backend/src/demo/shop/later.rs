//! What happens after the customer has left: messages and jobs.

use super::super::model::Detail::{Email, Order, Product, Recipient};
use super::super::model::{Entry, Fault, Operation, Step, call, ms, us};
use super::browse::{CATALOG_GET, INVENTORY_GET, PRICING_QUOTE};
use super::data;
use super::services::{NOTIFICATION, ORDER_WORKER, RECOMMENDATION, SEARCH, SHIPPING};

static SHIPPING_LABEL: Operation = Operation {
    service: &SHIPPING,
    entry: Entry::Http { method: "POST", route: "/v1/labels" },
    handler: "create_label",
    details: &[Order],
    faults: &[(0.001, Fault::Bug)],
    steps: &[Step::Work(ms(1, 0.5)), Step::External(&data::SHIPPING_LABEL), Step::Work(ms(2, 0.5))],
};

static SEND_MAIL: Operation = Operation {
    service: &NOTIFICATION,
    entry: Entry::Message(&data::EMAIL_JOBS),
    handler: "send_mail",
    details: &[Order, Email, Recipient],
    faults: &[(0.001, Fault::Bug)],
    steps: &[
        Step::Internal { name: "render template", steps: &[Step::Work(ms(5, 0.5))] },
        Step::External(&data::SEND_MAIL),
    ],
};

pub static ON_ORDER: Operation = Operation {
    service: &ORDER_WORKER,
    entry: Entry::Message(&data::ORDER_CREATED),
    handler: "on_order_created",
    details: &[Order],
    faults: &[(0.002, Fault::Bug)],
    steps: &[
        Step::Work(us(500, 0.5)),
        Step::Sql(&data::ORDER_ADVANCE),
        Step::Call { to: &SHIPPING_LABEL, attempts: 2 },
        Step::Sql(&data::ORDER_ADVANCE),
        Step::Publish { queue: &data::EMAIL_JOBS, to: &[&SEND_MAIL] },
    ],
};

pub static ON_PAYMENT: Operation = Operation {
    service: &ORDER_WORKER,
    entry: Entry::Message(&data::PAYMENT_EVENTS),
    handler: "on_payment_settled",
    details: &[Order],
    faults: &[(0.001, Fault::Bug)],
    steps: &[Step::Work(us(400, 0.5)), Step::Sql(&data::ORDER_ADVANCE)],
};

pub static UPDATE_FEATURES: Operation = Operation {
    service: &RECOMMENDATION,
    entry: Entry::Message(&data::ORDER_CREATED),
    handler: "update_features",
    details: &[Order],
    faults: &[(0.002, Fault::Bug)],
    steps: &[
        Step::Work(ms(2, 0.5)),
        Step::Tolerate(&[Step::Cache(&data::GET_FEATURES)]),
        Step::Work(ms(3, 0.5)),
    ],
};

pub static RECONCILE: Operation = Operation {
    service: &ORDER_WORKER,
    entry: Entry::Job("reconcile payments"),
    handler: "reconcile_payments",
    details: &[],
    faults: &[],
    steps: &[
        Step::Sql(&data::PAYMENTS_OPEN),
        Step::Repeat {
            from: 2,
            to: 10,
            steps: &[Step::Tolerate(&[Step::External(&data::LOOK_UP_CHARGE)]), Step::Work(us(300, 0.5))],
        },
    ],
};

/// The root of one very large trace.
pub static HUGE_JOB: Operation = Operation {
    service: &SEARCH,
    entry: Entry::Job("reindex catalog"),
    handler: "reindex_catalog",
    details: &[],
    faults: &[],
    steps: &[],
};

/// What the large trace repeats.
pub static HUGE_ITEM: Step = Step::Internal {
    name: "index product",
    steps: &[
        Step::Tolerate(&[call(&INDEXED_PRODUCT)]),
        Step::Sometimes(0.3, &[Step::Tolerate(&[call(&PRICING_QUOTE)])]),
        Step::Internal { name: "tokenize", steps: &[Step::Work(us(600, 0.6))] },
        Step::Tolerate(&[Step::Sql(&data::FACETS)]),
    ],
};

static INDEXED_PRODUCT: Operation = Operation {
    service: &super::services::CATALOG,
    entry: Entry::Grpc { service: "shop.catalog.v1.ExportService", method: "ExportProduct" },
    handler: "export_product",
    details: &[Product],
    faults: &[(0.002, Fault::Bug)],
    steps: &[
        Step::Work(us(300, 0.5)),
        Step::Parallel(&[Step::Tolerate(&[call(&CATALOG_GET)]), Step::Tolerate(&[call(&INVENTORY_GET)])]),
        Step::Repeat { from: 1, to: 4, steps: &[Step::Sql(&data::PRODUCT)] },
    ],
};
