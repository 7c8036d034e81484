# The registry's executable on a small Debian: the service, the admin commands and the stand-in for Terra.
#
#   docker build -t connection-registry .
#   docker run --rm connection-registry --help

# Debian removes old versions of its packages: one that is pinned cannot be built again after the next security fix.

FROM swift:6.3-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends libpq-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift ./
COPY Plugins Plugins
COPY sql sql
COPY Sources Sources
# The manifest names the targets of tests, benchmarks and examples, so their folders must be there.
COPY Tests Tests
COPY Benchmarks Benchmarks
COPY Examples Examples
# Small code and packed relocations (DT_RELR, which needs glibc 2.36) keep the service's memory small; scripts/bench measures
# what is built with these options.
RUN swift build --configuration release --product registry --static-swift-stdlib -Xswiftc -Osize -Xswiftc -use-ld=lld \
    -Xlinker -z -Xlinker pack-relative-relocs \
  && install -D --strip "$(swift build --configuration release --show-bin-path)/registry" /image/usr/local/bin/registry

# The same Debian as the build's, because the executable links its libc and libpq.
FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libpq5 tzdata \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --uid 10001 --home-dir /var/lib/connection-registry --create-home registry
COPY --from=build /image/ /
USER 10001
WORKDIR /var/lib/connection-registry
ENV REGISTRY_HTTP_HOST=0.0.0.0 \
  REGISTRY_HTTP_PORT=8080 \
  REGISTRY_LOG_FORMAT=json
EXPOSE 8080
# Bash speaks HTTP by itself; the image needs no client for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/$REGISTRY_HTTP_PORT\" && printf 'GET /readyz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["registry"]
CMD ["serve"]
