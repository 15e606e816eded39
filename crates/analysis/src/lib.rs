//! Pure trace analysis: no I/O, no clock, builds for wasm.
