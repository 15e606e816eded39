//! What is the same error and what is not, on messages and stack traces as languages and libraries
//! write them.

mod messages;
mod robust;
mod traces;
