//! People, sessions and keys over real HTTP on a real database.

mod fixture;
mod keys;
mod people;
mod requests;
mod sessions;
