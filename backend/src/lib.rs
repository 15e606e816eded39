//! Spanloom: distributed tracing on PostgreSQL.
//!
//! The folders are the way of a span: [`collect`] receives and writes it, [`store`] keeps it,
//! [`query`] finds it again. [`identity`] says who may, [`web`] is the rim towards HTTP and
//! [`startup`] puts everything together.

pub mod bench;
pub mod cli;
pub mod client;
pub mod collect;
pub mod config;
pub mod custom;
pub mod demo;
pub mod identity;
pub mod jobs;
pub mod query;
pub mod roles;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod transfer;
pub mod web;
