# Both services, each in an image that holds its program and nothing to run beside it:
#
#   docker build --target user-service -t user-service .
#   docker build --target email-service -t email-service .
#
# All that takes time is in stages that both share. The dependencies are cached in a
# layer and not in a cache mount: Debian's docker-compose 1.29 builds with the engine's
# older builder, which knows no mounts.

FROM rust:1.95-slim-bookworm AS toolchain
# librdkafka (C, and C++ for its configure script) and OpenSSL (perl) are compiled in.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates g++ make perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# The workspace without its code: each crate an empty library and an empty program.
FROM toolchain AS manifests
COPY . .
RUN find crates -type f ! -name Cargo.toml -delete \
    && find crates -name Cargo.toml | while read -r manifest; do \
         src=$(dirname "$manifest")/src \
         && mkdir -p "$src" && touch "$src/lib.rs" && echo 'fn main() {}' >"$src/main.rs" || exit 1; \
       done

FROM toolchain AS build
# The dependencies: compiled again when a manifest or Cargo.lock has changed.
COPY --from=manifests /src .
RUN cargo build --release --locked --package user-service --package email-service
# Our code, made newer than the empty crates that cargo has just compiled.
COPY crates crates
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package user-service --package email-service

# What a program finds in its image: the shared libraries that it is linked to, the
# certificate authorities, a user without a name to log in by, and the directories
# that keys are mounted on. A new volume takes its owner and mode from them.
FROM build AS files
RUN mkdir -p /files/etc/ssl/certs /keys \
    && ldd target/release/user-service target/release/email-service \
       | grep -o '/lib[^ ]*' | sort -u | xargs cp --parents --dereference --target-directory=/files \
    && cp /etc/ssl/certs/ca-certificates.crt /files/etc/ssl/certs/ \
    && echo 'nonroot:x:65532:65532::/:/sbin/nologin' >/files/etc/passwd \
    && echo 'nonroot:x:65532:' >/files/etc/group \
    && echo 'hosts: files dns' >/files/etc/nsswitch.conf \
    && install -d -m 0700 /keys/encryption /keys/sealing-private \
    && install -d -m 0755 /keys/sealing-public

FROM scratch AS runtime
COPY --from=files /files /
COPY --from=files --chown=65532:65532 /keys /keys
# Where the program is, so that `docker exec CONTAINER user-service …` finds it by its name.
ENV PATH=/
USER 65532:65532
STOPSIGNAL SIGTERM

FROM runtime AS user-service
LABEL org.opencontainers.image.title="user-service" \
      org.opencontainers.image.description="Registration, login, sessions and profiles over HTTP; every change is also an event on Kafka." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/target/release/user-service /user-service
# The API, and the ops endpoint: /livez, /readyz, /metrics.
EXPOSE 3000 3001
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/user-service", "healthcheck"]
ENTRYPOINT ["/user-service"]

FROM runtime AS email-service
LABEL org.opencontainers.image.title="email-service" \
      org.opencontainers.image.description="Turns account events into mails: an idempotent ledger, and senders behind an SMTP fence." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/target/release/email-service /email-service
# The ops endpoint.
EXPOSE 3002
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/email-service", "healthcheck"]
ENTRYPOINT ["/email-service"]
