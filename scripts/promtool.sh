#!/usr/bin/env bash
# Prints the path of promtool: the one on the PATH, or the one of Debian's package prometheus, which is
# taken out of the package into .tools when first asked for. The package itself is not installed: it
# would start a server of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v promtool; then exit 0; fi
tool="$PWD/.tools/promtool/promtool"
if [[ ! -x "$tool" ]]; then
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
        echo "promtool: there is no promtool on the PATH, and no apt-get to fetch Debian's package" \
            "prometheus with. Install Prometheus 2.42 or later." >&2
        exit 1
    fi
    mkdir -p .tools
    scratch="$(mktemp -d .tools/promtool.XXXXXX)"
    trap 'rm -rf "$scratch"' EXIT
    echo "promtool: taking it out of Debian's package prometheus into .tools/promtool" >&2
    # apt-get's helper has no rights in a folder of another user's, and says so; it works all the same.
    if ! (cd "$scratch" && { apt-get download -q prometheus || { apt-get update -q \
        && apt-get download -q prometheus; }; }) >"$scratch/log" 2>&1; then
        cat "$scratch/log" >&2
        exit 1
    fi
    dpkg-deb --extract "$scratch"/prometheus_*.deb "$scratch/package"
    mkdir -p "$(dirname "$tool")"
    mv "$scratch/package/usr/bin/promtool" "$tool"
fi
echo "$tool"
