//! Work on a schedule: who runs what, once.
