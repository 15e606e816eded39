# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
# The browser application first: the server's program contains it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo run --locked --quiet --package xtask -- web \
    && cargo build --release --locked --package spanloom --bin spanloom \
    && cp target/release/spanloom /spanloom

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /data spanloom \
    && install --directory --owner spanloom --group spanloom --mode 0700 /data
COPY --from=build /spanloom /usr/local/bin/spanloom
USER spanloom
WORKDIR /data
VOLUME /data
# Browser and API, OTLP over gRPC and HTTP, Zipkin, Jaeger over HTTP and gRPC,
# Jaeger remote sampling.
EXPOSE 8080 4317 4318 9411 14268 14250 5778
ENV SPANLOOM__STORAGE__DATA_DIR=/data \
    SPANLOOM__LISTEN__HTTP=0.0.0.0:8080 \
    SPANLOOM__LISTEN__OTLP_GRPC=0.0.0.0:4317 \
    SPANLOOM__LISTEN__OTLP_HTTP=0.0.0.0:4318 \
    SPANLOOM__LISTEN__ZIPKIN=0.0.0.0:9411 \
    SPANLOOM__LISTEN__JAEGER_HTTP=0.0.0.0:14268 \
    SPANLOOM__LISTEN__JAEGER_GRPC=0.0.0.0:14250 \
    SPANLOOM__LISTEN__JAEGER_SAMPLING=0.0.0.0:5778
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["spanloom"]
# The image has no PostgreSQL: name a database with SPANLOOM__STORAGE__DATABASE_URL.
CMD ["serve"]
