# syntax=docker/dockerfile:1

# librdkafka and OpenSSL are compiled from source, which takes a C compiler, make and perl.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --features tls --bin billing-engine \
    && cp target/release/billing-engine /usr/local/bin/

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin billing \
    && install --directory --owner billing /var/lib/billing-engine/data
COPY --from=build /usr/local/bin/billing-engine /usr/local/bin/
USER billing
# The default data_dir lies in it. Without a volume there, a new container starts from the snapshots topic.
WORKDIR /var/lib/billing-engine
EXPOSE 8090
ENTRYPOINT ["billing-engine"]
CMD ["run"]
