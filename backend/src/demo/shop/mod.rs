//! The shop: its services, what they can do, and what customers ask of it.

mod ask;
mod browse;
mod buy;
mod data;
mod later;
mod services;

pub use later::{HUGE_ITEM, HUGE_JOB};
pub use services::{DEPLOYED_BADLY, SERVICES};

use super::model::Operation;

/// Where requests enter the shop, and how often relative to each other.
pub static ENTRIES: &[(u32, &Operation)] = &[
    (180, &ask::HOME),
    (270, &ask::PRODUCT),
    (190, &ask::SEARCH),
    (100, &ask::CART),
    (90, &ask::CART_ADD),
    (80, &ask::CHECKOUT),
    (35, &ask::ORDERS),
    (40, &ask::LOGIN),
    (70, &ask::FEED),
    (20, &buy::PAYMENT_WEBHOOK),
    (30, &ask::HEALTH),
    (6, &later::RECONCILE),
];
