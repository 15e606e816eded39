//! What is the same error and what is not, on messages and stack traces as languages and libraries
//! write them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod messages;
mod robust;
mod traces;
