//! `spanloom demo`: a shop that sends realistic traffic over OTLP/gRPC.
