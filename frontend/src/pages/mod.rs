//! One module per page.

pub mod connect;
pub mod error;
pub mod errors;
pub mod login;
pub mod logs;
pub mod map;
pub mod metrics;
pub mod not_found;
pub mod search;
pub mod service;
pub mod services;
pub mod settings;
pub mod trace;
