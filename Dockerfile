# Builds both services, each into an image that contains only its program (no shell, no package manager):
#
#   docker build --target user-service -t user-service .
#   docker build --target email-service -t email-service .
#
# The build argument PROFILE is the cargo profile: `image`, which compiles fastest, or `release`, with smaller programs
# (`PROFILE=release docker compose build`).
#
# Both images share the stages that take time. The dependencies are cached in a layer and not
# in a cache mount, because Debian's docker-compose 1.29 uses the engine's older builder, which
# does not support mounts.

FROM rust:1.95-slim-bookworm AS toolchain
# librdkafka needs a C compiler, and C++ for its configure script. It uses the distribution's OpenSSL.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates g++ libssl-dev make pkg-config \
    && rm -rf /var/lib/apt/lists/*
ENV OPENSSL_NO_VENDOR=1
WORKDIR /src

# The manifests of the workspace, with an empty library and an empty program for each crate.
FROM toolchain AS manifests
COPY . .
RUN find crates examples -type f ! -name Cargo.toml -delete \
    && find crates examples -name Cargo.toml | while read -r manifest; do \
         src=$(dirname "$manifest")/src \
         && mkdir -p "$src" && touch "$src/lib.rs" && echo 'fn main() {}' >"$src/main.rs" || exit 1; \
       done

FROM toolchain AS build
ARG PROFILE=image
# The images contain neither Cargo.lock nor a package database, so an SBOM describes this stage as well.
ARG BUILDKIT_SBOM_SCAN_STAGE=true
# Compiles the dependencies. This layer is built again when a manifest or Cargo.lock changes.
COPY --from=manifests /src .
RUN cargo build --profile "$PROFILE" --locked --package user-service --package email-service
# `touch` makes the sources newer than the empty crates, so that cargo compiles them.
COPY crates crates
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --profile "$PROFILE" --locked --package user-service --package email-service \
    && mkdir /programs && cp "target/$PROFILE/user-service" "target/$PROFILE/email-service" /programs

# The other files of an image: the shared libraries of the programs, the certificate authorities,
# a user that cannot log in, and the mount points of the key volumes. A new volume takes its owner
# and mode from its mount point.
FROM build AS files
RUN mkdir -p /files/etc/ssl/certs /keys \
    && ldd /programs/user-service /programs/email-service \
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
# The directory of the program, so that `docker exec CONTAINER user-service …` works.
ENV PATH=/
USER 65532:65532
STOPSIGNAL SIGTERM

FROM runtime AS user-service
LABEL org.opencontainers.image.title="user-service" \
      org.opencontainers.image.description="Registration, login, sessions and profiles over HTTP; every change is also an event on Kafka." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /programs/user-service /user-service
# Port 3000 is the API, 3001 the ops endpoint: /livez, /readyz, /metrics.
EXPOSE 3000 3001
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/user-service", "healthcheck"]
ENTRYPOINT ["/user-service"]

FROM runtime AS email-service
LABEL org.opencontainers.image.title="email-service" \
      org.opencontainers.image.description="Turns account events into mails: an idempotent ledger, and senders behind an SMTP fence." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /programs/email-service /email-service
# The ops endpoint: /livez, /readyz, /metrics.
EXPOSE 3002
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/email-service", "healthcheck"]
ENTRYPOINT ["/email-service"]

# The example of a third service (examples/compose.projection.yml), after the services' stages, so that their build does
# not include it. It reuses the compiled dependencies.
FROM build AS build-projection
ARG PROFILE=image
COPY examples examples
RUN find examples -name '*.rs' -exec touch {} + \
    && cargo build --profile "$PROFILE" --locked --package profile-projection \
    && cp "target/$PROFILE/profile-projection" /programs

FROM runtime AS profile-projection
COPY --from=build-projection /programs/profile-projection /profile-projection
EXPOSE 3003
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/profile-projection", "healthcheck"]
ENTRYPOINT ["/profile-projection"]
