#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks: the two C libraries, the
# PostgreSQL servers that the tests and the demo start, Python for the proof and the checks, and
# the small tools around them.
# Does nothing, and needs neither network nor rights, when all is there.
#
#   scripts/setup.sh [instructions]   with what `make bench-instructions` needs, too
#   scripts/setup.sh console          with what `make test-console` needs, too
set -euo pipefail

swift_minimum="6.3"
purpose=${1:-}

has() { command -v "$1" >/dev/null 2>&1; }
has_library() { has pkg-config && pkg-config --exists "$1"; }
has_server() {
    [[ -n ${TANDEM_POSTGRES_BIN:-} ]] || has initdb \
        || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

check_swift() {
    if ! has swift; then
        echo "setup: there is no swift on the PATH. Install Swift $swift_minimum or later" \
            "(https://www.swift.org/install/linux) and put its usr/bin on the PATH." >&2
        exit 1
    fi
    local version
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p')
    if [[ -z $version || $(printf '%s\n' "$swift_minimum" "$version" | sort -V | head -n 1) \
        != "$swift_minimum" ]]; then
        echo "setup: $(command -v swift) is Swift ${version:-of an unknown version};" \
            "expected $swift_minimum or later." >&2
        exit 1
    fi
}

# Fills `missing` with the Debian packages that are needed and not there.
find_missing() {
    missing=()
    has make || missing+=(make)
    has curl || missing+=(curl)
    has pkg-config || missing+=(pkg-config)
    has_library libmicrohttpd || missing+=(libmicrohttpd-dev)
    has_library gnutls || missing+=(libgnutls28-dev)
    has_library libpq || missing+=(libpq-dev)
    has_server || missing+=(postgresql)
    # The proof on real processes, and the tools of the checks.
    has python3 || missing+=(python3)
    has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if [[ $purpose == instructions ]]; then
        has valgrind && has vgdb || missing+=(valgrind)
        has strip || missing+=(binutils)
    fi
    if [[ $purpose == console ]]; then
        has chromium || has chromium-browser || missing+=(chromium)
    fi
}

# The package would set up and start a server of the machine's own, which nothing here uses: a
# setting that lives as long as the installation keeps it from that.
without_main_cluster() {
    local folder=/etc/postgresql-common/createcluster.d status=0
    "${as_root[@]}" mkdir -p "$folder"
    echo 'create_main_cluster = false' | "${as_root[@]}" tee "$folder/tandem.conf" >/dev/null
    "$@" || status=$?
    "${as_root[@]}" rm -f "$folder/tandem.conf"
    return "$status"
}

install_missing() {
    echo "setup: installing ${missing[*]}"
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    if [[ $EUID -ne 0 ]]; then
        if ! has sudo; then
            echo "setup: not root, and there is no sudo. Install these yourself:" \
                "${missing[*]}" >&2
            exit 1
        fi
        as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
    fi
    "${as_root[@]}" apt-get update -q
    without_main_cluster \
        "${as_root[@]}" apt-get install -qy --no-install-recommends "${missing[@]}"
}

check_swift
find_missing
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi
if ! has apt-get; then
    echo "setup: this machine has no apt-get. Install what these Debian packages hold:" \
        "${missing[*]}" >&2
    exit 1
fi
install_missing
find_missing
if [[ ${#missing[@]} -ne 0 ]]; then
    echo "setup: still missing after the installation: ${missing[*]}" >&2
    exit 1
fi
