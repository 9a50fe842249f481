# The coordinator alone, without PostgreSQL's servers: for `tandem serve`, not for `tandem demo`.
FROM swift:6.3.1-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends \
        libcurl4-openssl-dev=7.88.* libgnutls28-dev=3.7.* libmicrohttpd-dev=0.9.75-* libpq-dev=15.* pkg-config=1.8.* \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /source
# The packages first: they change seldom, and their layer is kept.
COPY Package.swift ./
RUN swift package resolve

COPY openapi.yaml ./
COPY Sources Sources
COPY Tests Tests
# Not built here; but a package is looked at whole.
COPY Benchmarks/Library Benchmarks/Library
COPY Benchmarks/Limit Benchmarks/Limit
# The symbols stay, for readable backtraces; the debugging information does not.
# Every relocation is done at the start and read-only from then on; no folder of the build is searched.
# Swift's hashes of its intermediate code differ from build to build, and nothing reads them.
RUN swift build --configuration release --product tandem --static-swift-stdlib \
        -Xlinker -S -Xlinker --build-id=none -Xlinker -z -Xlinker now \
        -Xswiftc -no-toolchain-stdlib-rpath \
    && install -D "$(swift build --configuration release --show-bin-path)/tandem" /out/tandem \
    && objcopy --dump-section .swift_modhash=/tmp/hashes /out/tandem \
    && truncate --size "$(stat --format %s /tmp/hashes)" /tmp/empty \
    && objcopy --update-section .swift_modhash=/tmp/empty /out/tandem \
    && /out/tandem --generate-completion-script bash >/out/tandem.bash \
    && cp Package.resolved /out/

FROM debian:bookworm-20260824-slim
# Given, two builds of one commit are the same: nothing below keeps the time at which it ran.
ARG SOURCE_DATE_EPOCH
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends \
        ca-certificates=20* libcurl4=7.88.* libgnutls30=3.7.* libmicrohttpd12=0.9.75-* libpq5=15.* \
    && useradd --uid 10001 --no-create-home --no-log-init --shell /usr/sbin/nologin tandem \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/*

COPY --from=build /out/tandem /usr/local/bin/tandem
COPY --from=build /out/tandem.bash /usr/share/bash-completion/completions/tandem
# The versions of the Swift packages that the program was linked from.
COPY --from=build /out/Package.resolved /usr/local/share/doc/tandem/Package.resolved
COPY docs/tandem.1 /usr/local/share/man/man1/tandem.1
COPY tandem.example.yaml /etc/tandem/tandem.example.yaml

USER 10001:10001
EXPOSE 8080
# SIGTERM, which is what `docker stop` sends, lets work under way end: allow it the grace period of
# the configuration (`docker stop --time 40`).
# With listen.tls: tandem health --url https://NAME:8080, where NAME stands in the certificate.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["tandem", "health"]
ENTRYPOINT ["tandem"]
CMD ["serve", "--config", "/etc/tandem/tandem.yaml"]
