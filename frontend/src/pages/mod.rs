//! One module per page.

pub mod connect;
pub mod login;
pub mod logs;
pub mod not_found;
pub mod search;
pub mod service;
pub mod services;
pub mod settings;
pub mod trace;
