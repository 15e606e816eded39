//! Finding spans again.
